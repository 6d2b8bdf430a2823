"""Every release reads what every earlier one wrote, and answers the same: never change what is expected here."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from events.catalogue import TYPES
from events.errors import StoreVersionError
from events.facts import Fact
from events.log import Batch, EventLog, FactBatch, open_log
from events.log.audit import Audit
from events.log.exporting import export
from events.log.importing import import_export
from events.log.payloads import MemoryPayloads
from orchestrator import Orchestrator, __version__
from tests.cli.driver import CommandLine
from tests.golden.histories import all_fields, fields_of, histories
from tests.golden.make import FOLDER, answers, make

RELEASES = sorted(path.parent for path in FOLDER.glob("*/answers.json"))


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def release(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def store(release: Path, tmp_path: Path) -> Path:
    """A copy of what a release wrote."""
    shutil.copytree(release, tmp_path, dirs_exist_ok=True)
    return tmp_path / "store.db"


def test_this_release_has_a_golden_log() -> None:
    """Where it does not: `python -m tests.golden.make`, once."""
    assert __version__ in [path.name for path in RELEASES]


def test_every_type_and_every_field_is_in_it() -> None:
    facts: list[Fact] = [fact for made in histories(MemoryPayloads()).values() for fact in made]
    wanted = {name for kind in TYPES.values() for name in all_fields(kind)}
    assert wanted - {name for fact in facts for name in fields_of(fact, type(fact).__name__)} == set()


def test_a_store_of_a_release_is_sound_and_gives_its_answers(release: Path, store: Path) -> None:
    with open_log(store, must_exist=True) as log:
        assert list(Audit(log).verify()) == []
        assert told(log, release) == golden(release)


def golden(release: Path) -> dict[str, Any]:
    """What a release answered."""
    found: dict[str, Any] = json.loads((release / "answers.json").read_text(encoding="utf-8"))
    return found


def told(log: EventLog, release: Path) -> Any:
    """What this release answers, without what it says besides."""
    return _known(json.loads(json.dumps(answers(log))), golden(release))


def _known(now: Any, then: Any) -> Any:
    if isinstance(now, dict) and isinstance(then, dict):
        return {key: _known(now[key], then[key]) for key in then if key in now}
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        return [_known(*pair) for pair in zip(now, then, strict=True)]
    return now


def as_of(log: EventLog, release: Path) -> bytes:
    """What a release would have exported."""
    return b"".join(export(log, release.name))


def test_an_export_of_a_release_is_imported_and_comes_out_again(release: Path, store: Path, tmp_path: Path) -> None:
    file = release / "export.jsonl"
    with open_log(store) as log:
        assert as_of(log, release) == file.read_bytes()
    with open_log(tmp_path / "imported.db") as log:
        import_export(file, log)
        assert list(Audit(log).verify()) == []
        assert as_of(log, release) == file.read_bytes()
        assert told(log, release) == golden(release)


def test_an_interrupted_run_of_a_release_is_gone_on_with(store: Path) -> None:
    with Orchestrator(store) as orchestrator:
        run = orchestrator.resume("interrupted", take_over=True)
        run.cancel("it is old")
        assert run.settle(timeout=60).status == "cancelled"
    with open_log(store) as log:
        assert list(Audit(log).verify()) == []


def test_the_same_is_made_again(tmp_path: Path) -> None:
    """What this release writes, it writes the same each time; else its golden log would be one of many."""
    make(tmp_path / "again", __version__)
    assert (tmp_path / "again" / "export.jsonl").read_bytes() == (FOLDER / __version__ / "export.jsonl").read_bytes()


NEWER = {
    "a type that this release does not know": ("ChildApplauded", b'{"at":1}', "unknown event type 'ChildApplauded'"),
    "a newer version of a type": ("Resumed", b'{"v":2,"at":1,"more":true}', "Resumed has version 2"),
    "a field that this release does not know": ("Resumed", b'{"at":1,"more":true}', "unreadable Resumed: more"),
}


@pytest.mark.parametrize("name", NEWER)
def test_an_event_of_a_newer_release_quarantines_its_run_alone(store: Path, tmp_path: Path, name: str) -> None:
    kind, data, problem = NEWER[name]
    with open_log(store) as log:
        head = log.head("interrupted")
        assert head is not None
        log.recorder.append([Batch("interrupted", head.version, [(kind, data)])])
        log.append([FactBatch("later", 0, histories(MemoryPayloads())["driven"])])
        (finding,) = Audit(log).verify()
        assert (finding.id, finding.version) == ("interrupted", head.version + 1)
        assert problem in finding.problem
    with CommandLine(tmp_path) as cli:
        listed = cli.ask("list", "--store", str(store))
        assert listed.status == 3
        assert len(listed.lines) == len(answers_of(store)) + 1, "a heading, and all others"
        assert "run 'interrupted'" in listed.errors
        assert problem in listed.errors
        told = cli.ask("status", "interrupted", "--store", str(store))
        assert (told.status, told.text, told.errors.count("\n")) == (3, "", 1)
        assert cli.ask("status", "later", "--store", str(store)).status == 0
    with Orchestrator(store) as orchestrator:
        assert {view.id for view in orchestrator.list()} == {*answers_of(store), "later"} - {"interrupted"}


def answers_of(store: Path) -> list[str]:
    return list(json.loads((store.parent / "answers.json").read_text(encoding="utf-8")))


def test_a_newer_store_is_refused_as_such(store: Path) -> None:
    with closing(sqlite3.connect(store)) as raw:
        raw.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreVersionError, match="a newer release made it"):
        open_log(store)
