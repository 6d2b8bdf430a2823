"""An event that this release does not know: its run is left alone, clearly, whatever is asked; the others go on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from events.errors import StoreDamagedError, StoreVersionError
from events.log import open_log
from events.log.audit import Audit
from orchestrator import Child, Orchestrator, OrchestratorError, Parallel
from tests.cli.driver import CommandLine
from tests.events.scenario import finish, parent, start, take
from tests.years.releases import TODAY, written

FACTS = parent("a", "b").given(take("gone"), start("a"), finish("a"), start("b")).facts
LAST = len(FACTS) + 1
KINDS: dict[str, tuple[tuple[str, bytes], type[OrchestratorError], str]] = {
    "a newer form": (
        ("ChildFinished", b'{"v":2,"at":9,"child_id":"b","how":"well"}'),
        StoreVersionError,
        "ChildFinished has version 2; this release knows up to 1: use the release that wrote it, or a newer one",
    ),
    "an unknown type": (
        ("ChildPraised", b'{"at":9,"child_id":"b"}'),
        StoreDamagedError,
        "unknown event type 'ChildPraised': a newer release may have written it and can read it",
    ),
}


@pytest.fixture(params=KINDS)
def newer(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, type[OrchestratorError], str]:
    """A store with a sound run, one that a newer release worked on last, and an interrupted sound one."""
    store = tmp_path / "orchestrator.db"
    row, kind, problem = KINDS[str(request.param)]
    with Orchestrator(store) as orchestrator:
        orchestrator.start(Parallel(children=[Child(command="true")]), id="sound").settle(timeout=30)
    with open_log(store) as log:
        position = log.last_position() + LAST
    written(store, "newer", [*map(TODAY.encode, FACTS), row])
    rest = list(parent("a").given(take("gone")).facts)
    shell = {"task": "shell", "input": json.dumps({"command": "true"})}
    rest = [fact.model_copy(update=shell) if type(fact).__name__ == "ChildPrepared" else fact for fact in rest]
    written(store, "waiting", list(map(TODAY.encode, rest)))
    return store, kind, f"run 'newer', version {LAST}, position {position}: {problem}"


ASKED: dict[str, Callable[[Orchestrator], Any]] = {
    "status": lambda orchestrator: orchestrator.get("newer").status(),
    "watch": lambda orchestrator: list(orchestrator.get("newer").watch(timeout=5)),
    "children": lambda orchestrator: list(orchestrator.get("newer").children()),
    "history": lambda orchestrator: list(orchestrator.get("newer").history()),
    "result": lambda orchestrator: orchestrator.get("newer").result(timeout=5),
    "settle": lambda orchestrator: orchestrator.get("newer").settle(timeout=5),
    "resume": lambda orchestrator: orchestrator.resume("newer"),
    "take over": lambda orchestrator: orchestrator.resume("newer", take_over=True),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_whoever_asks_is_told_run_type_version_position_and_what_to_do(
    newer: tuple[Path, type[OrchestratorError], str], ask: Callable[[Orchestrator], Any]
) -> None:
    store, kind, message = newer
    with Orchestrator(store) as orchestrator:
        with pytest.raises(kind) as caught:
            ask(orchestrator)
        assert message in str(caught.value)
        assert orchestrator.get("sound").status().status == "succeeded"


def test_what_came_before_it_can_still_be_asked_for(newer: tuple[Path, type[OrchestratorError], str]) -> None:
    store, kind, message = newer
    with open_log(store) as log:
        position = log.last_position()
        [unreadable] = [
            row.position for row in log.recorder.page(0) if row.version == LAST and row.parent_id == "newer"
        ]
        assert position > unreadable
    with Orchestrator(store) as orchestrator:
        assert orchestrator.get("newer").status(at=unreadable - 1).counts.succeeded == 1
        with pytest.raises(kind) as caught:
            orchestrator.get("newer").status(at=unreadable)
        assert message in str(caught.value)


def test_lists_and_resume_all_pass_it_over_and_the_others_go_on(
    newer: tuple[Path, type[OrchestratorError], str], caplog: pytest.LogCaptureFixture
) -> None:
    store, _, message = newer
    caplog.set_level(logging.ERROR)
    with Orchestrator(store) as orchestrator:
        assert [view.id for view in orchestrator.list()] == ["sound", "waiting"]
        assert message in caplog.text
        caplog.clear()
        assert [run.id for run in orchestrator.resume_all()] == ["waiting"]
        assert orchestrator.get("waiting").settle(timeout=30).status == "succeeded"
        assert "run 'newer' is left alone: " in caplog.text
        assert message in caplog.text
        assert orchestrator.start(Parallel(children=[Child(command="true")]), id="new").settle(timeout=30).status
    with open_log(store) as log:
        [finding] = Audit(log).verify()
        assert str(finding) == message


def test_the_command_line_says_it_in_one_line_and_exits_3(
    newer: tuple[Path, type[OrchestratorError], str], tmp_path: Path
) -> None:
    store, _, message = newer
    with CommandLine(tmp_path) as cli:
        assert cli.store == store
        for words in (("status",), ("children",), ("events",), ("watch",), ("resume",), ("audit", "verify")):
            done = cli.ask(*words, "newer")
            assert done.status == 3, (words, done)
            assert message.replace("'newer'", "newer") in (done.errors + done.text).replace("'newer'", "newer"), words
        listed = cli.ask("list", "--json")
        assert listed.status == 3
        assert message in listed.errors
        assert [json.loads(line)["id"] for line in listed.output.splitlines()] == ["sound", "waiting"]
        assert cli.ask("status", "sound").status == 0
        assert cli.ask("resume", "waiting").status == 0
