"""Old runs go to an archive, and from the store: nothing is lost on the way, and the proof stays."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from events.errors import StoreDamagedError
from events.log import open_log
from events.log.archive_file import check_archive
from events.log.archiving import archive, drop, old_families
from events.log.audit import Audit
from events.log.dropped import DERIVED, Covered
from orchestrator import Child, Orchestrator, Parallel, RunDroppedError, RunNotFoundError, UsageError
from tests.privacy.stores import KEYS, MARK, every_text, holders, wrapped


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


def some(text: str = "x") -> Parallel:
    return Parallel(children=[Child(id=each, command=f"echo {text} {each}") for each in "ab"], on_decided="continue")


def filled(path: Path) -> None:
    """Make a store with settled runs, one of them encrypted and with others inside, and one that is open."""
    with Orchestrator(path, max_workers=2) as orchestrator:
        orchestrator.start(every_text(), id="old").settle(timeout=60)
        orchestrator.create_state(some(), id="open")
    with Orchestrator(path, max_workers=2, keyring=KEYS) as orchestrator:
        orchestrator.start(every_text(), id="secret").settle(timeout=60)
        orchestrator.start(some(), id="last").settle(timeout=60)


def findings(path: Path) -> list[str]:
    with open_log(path) as log:
        return [str(finding) for finding in Audit(log).verify()]


def test_what_is_archived_and_dropped_is_all_in_the_file_and_nowhere_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.log.archiving._QUIET_SECONDS", 0.0)
    filled(path)
    key = wrapped(path, "secret")
    to = path.with_name("a.jsonl")
    with Orchestrator(path) as orchestrator:
        heads = {run_id: orchestrator._engine.log.head(run_id) for run_id in ("old", "old/inner", "secret")}
        kept = orchestrator.archive(0, to)
        assert kept is not None
        assert set(kept.runs) == {"old", "old/inner", "secret", "secret/inner", "last"}
        assert kept.dropped == ()
        assert orchestrator.get("old").status().settled
        with pytest.raises(UsageError, match="never written over"):
            orchestrator.archive(0, to)
        done = orchestrator.archive(timedelta(0), path.with_name("b.jsonl"), drop=True)
        assert done is not None
        assert set(done.dropped) == {"old", "secret", "last"}
        assert [view.id for view in orchestrator.list()] == ["open"]
        for ask in (orchestrator.get, orchestrator.resume, lambda run_id: orchestrator.start(some(), id=run_id)):
            with pytest.raises(RunDroppedError, match=f"'old' was archived and dropped .*{done.sha256[:12]}"):
                ask("old")
        with pytest.raises(RunNotFoundError):
            orchestrator.get("old/inner")
        assert orchestrator.archive(0, path.with_name("c.jsonl")) is None
        orchestrator.start(some("later"), id="new").settle(timeout=30)
    assert findings(path) == []
    assert holders(path, MARK.encode()) == []
    assert holders(path, key) == []
    assert [file for file in Path(f"{path}.payloads").rglob("*") if file.is_file() and "secret" in file.name] == []
    digest, runs, events = check_archive(done.path)
    assert (digest.hex(), runs, events) == (done.sha256, 5, done.events)
    lines = [json.loads(line) for line in done.path.read_text().splitlines()]
    told = {line["run"]: line for line in lines if "run" in line}
    for run_id, head in heads.items():
        assert head is not None
        assert (told[run_id]["version"], told[run_id]["hash"]) == (head.version, head.hash.hex())
    assert told["secret"]["key"]["id"] == "first"
    assert "key" not in told["old"]


def test_only_what_is_old_enough_goes(path: Path) -> None:
    filled(path)
    with Orchestrator(path) as orchestrator:
        assert orchestrator.archive(3_600, path.with_name("a.jsonl"), drop=True) is None
        with pytest.raises(UsageError):
            orchestrator.archive("long ago", path.with_name("a.jsonl"))  # type: ignore[arg-type]
    assert not path.with_name("a.jsonl").exists()


def test_an_archive_is_never_the_store_itself(path: Path) -> None:
    with Orchestrator(path) as orchestrator:
        orchestrator.start(some(), id="r").settle(timeout=60)
        path.with_name("soft").symlink_to(path)
        path.with_name("hard").hardlink_to(path)
        for name, what in {"s.db": "the", "soft": "the", "hard": "the", "s.db-wal": "a part of the"}.items():
            with pytest.raises(UsageError, match=f"{name}: this is {what} store itself, which is in use; give another"):
                orchestrator.archive(0, path.with_name(name), drop=True)
        assert orchestrator.get("r").status().settled


def test_payload_files_that_others_refer_to_stay(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.log.archiving._QUIET_SECONDS", 0.0)
    shared = Child(id="a", task="privacy-say", input={"text": "y" * 100_000})
    own = Child(id="b", task="privacy-say", input={"text": "z" * 100_000})
    with Orchestrator(path) as orchestrator:
        orchestrator.start(Parallel(children=[shared, own]), id="old").settle(timeout=30)
        orchestrator.create_state(Parallel(), id="open")
        orchestrator.prepare_children("open", [shared])
        done = orchestrator.archive(0, drop=True)
        assert done is not None
        assert done.path.parent == path.parent
        left = [file for file in Path(f"{path}.payloads").rglob("*") if file.is_file()]
        assert len(left) == 1
        orchestrator.create_children("open")
        assert orchestrator.resume("open").result(timeout=30).status == "succeeded"


def test_files_that_were_put_of_late_stay(path: Path) -> None:
    with Orchestrator(path) as orchestrator:
        child = Child(id="a", task="privacy-say", input={"text": "y" * 100_000})
        orchestrator.start(Parallel(children=[child]), id="old").settle(timeout=30)
        assert orchestrator.archive(0, drop=True)
    files = [file for file in Path(f"{path}.payloads").rglob("*") if file.is_file()]
    assert [file.name[0] == "." for file in files] == [False] * 2


def test_in_memory_runs_are_dropped_too(tmp_path: Path) -> None:
    with Orchestrator("memory:", keyring=KEYS) as orchestrator:
        for run_id in ("one", "two", "three"):
            orchestrator.start(some(), id=run_id).settle(timeout=30)
        with pytest.raises(UsageError, match="say where"):
            orchestrator.archive(0)
        done = orchestrator.archive(0, tmp_path / "a.jsonl", drop=True)
        assert done is not None
        assert done.dropped == ("one", "two", "three")
        with pytest.raises(RunDroppedError):
            orchestrator.start(some(), id="two")
        orchestrator.start(some(), id="four").settle(timeout=30)
        assert [view.id for view in orchestrator.list()] == ["four"]


def test_a_redacted_run_is_archived_as_it_is(path: Path) -> None:
    filled(path)
    with Orchestrator(path) as orchestrator:
        orchestrator.get("secret").redact()
        done = orchestrator.archive(0, path.with_name("a.jsonl"), drop=True)
        assert done is not None
        assert "secret" in done.dropped
    told = [line for line in done.path.read_text().splitlines() if '"run":"secret' in line]
    assert told
    assert not any('"key"' in line for line in told)
    assert findings(path) == []


def test_a_damaged_run_stays_and_the_others_go(path: Path) -> None:
    filled(path)
    store = sqlite3.connect(path)
    store.execute(
        "UPDATE events SET data = replace(data, 'at', 'aT') WHERE type = 'MembershipClosed' AND position < 30"
    )
    store.commit()
    store.close()
    with Orchestrator(path) as orchestrator:
        done = orchestrator.archive(0, path.with_name("a.jsonl"), drop=True)
        assert done is not None
        assert set(done.dropped) == {"secret", "last"}
        (problem,) = done.damaged
        assert "run 'old" in problem
    assert check_archive(done.path)[1] == 3


def test_a_run_that_changed_since_stays(path: Path) -> None:
    filled(path)
    with open_log(path) as log:
        now = 2**62
        families = old_families(log, now)
        archived = archive(log, families, path.with_name("a.jsonl"), 1)
        with Orchestrator(path, keyring=KEYS) as orchestrator:
            orchestrator.get("secret").redrive()
            orchestrator.get("secret").settle(timeout=60)
        assert drop(log, families, archived, 1) == ["old", "last"]
    assert findings(path) == []


def test_further_tables_are_cleared_along(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DERIVED, "view_test", "DELETE FROM view_test WHERE run_id = ?")
    monkeypatch.setitem(DERIVED, "view_not_there", "DELETE FROM view_not_there WHERE run_id = ?")
    filled(path)
    store = sqlite3.connect(path)
    store.execute("CREATE TABLE view_test(run_id TEXT)")
    store.executemany("INSERT INTO view_test VALUES (?)", [("old",), ("open",)])
    store.commit()
    with Orchestrator(path) as orchestrator:
        orchestrator.archive(0, path.with_name("a.jsonl"), drop=True)
    assert store.execute("SELECT run_id FROM view_test").fetchall() == [("open",)]
    store.close()


PROOF_HARM = {
    "DELETE FROM dropped WHERE number = 2": "deleted",
    "UPDATE dropped SET at = at + 1 WHERE number = 2": "the proof",
    "UPDATE dropped SET hash = zeroblob(32) WHERE number = 1": "the proof",
    "UPDATE dropped SET positions = '[[1,9000]]' WHERE number = 1": "the proof",
    "UPDATE dropped SET positions = 7 WHERE number = 1": "the proof",
    "UPDATE dropped SET count = 'many' WHERE number = 3": "the proof",
    "DELETE FROM dropped": "deleted",
    "UPDATE dropped SET number = 900 WHERE number = 1": "the proof",
}


@pytest.mark.parametrize("statement", PROOF_HARM)
def test_an_audit_finds_what_was_done_to_proofs(path: Path, statement: str) -> None:
    filled(path)
    with Orchestrator(path) as orchestrator:
        orchestrator.archive(0, path.with_name("a.jsonl"), drop=True)
    assert findings(path) == []
    store = sqlite3.connect(path)
    store.execute(statement)
    store.commit()
    store.close()
    assert any(PROOF_HARM[statement] in finding for finding in findings(path))


def test_an_altered_archive_is_found(path: Path) -> None:
    filled(path)
    with Orchestrator(path) as orchestrator:
        done = orchestrator.archive(0, path.with_name("a.jsonl"))
    assert done is not None
    lines = done.path.read_bytes().splitlines(keepends=True)
    harmed = [
        lines[:-1],
        lines[:4] + lines[5:],
        [*lines[:3], lines[4], lines[3], *lines[5:]],
        [*lines[:3], lines[3].replace(b'"index', b'"indeX'), *lines[4:]],
        [*lines, lines[-1]],
        lines[1:],
        [*lines[:-1], b'{"end":true,"runs":5,"events":1}\n'],
        [*lines[:2], b"[]\n", *lines[2:]],
        [*lines[:2], b"nonsense\n", *lines[2:]],
    ]
    for number, some_lines in enumerate(harmed):
        copy = path.with_name(f"{number}.jsonl")
        copy.write_bytes(b"".join(some_lines))
        with pytest.raises(StoreDamagedError, match=str(copy)):
            check_archive(copy)


def test_ranges_join_whatever_their_order() -> None:
    covered = Covered()
    assert all(covered.add(each, each + 1) for each in (9, 1, 5, 3, 7))
    assert covered.holds(1, 10)
    assert not covered.holds(1, 11)
    assert not covered.holds(0, 1)
    assert not covered.add(4, 20)
    assert covered.holds(1, 20)
