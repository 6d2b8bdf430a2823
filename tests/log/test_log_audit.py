"""The audit finds what is wrong with each parent and with the store as a whole, and nothing where all is well."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests.events.scenario import finish, give_up, parent, start, take

from events.catalogue import DEFAULT_CATALOGUE
from events.errors import InvariantBrokenError, RunNotFoundError
from events.log import Batch, EventLog, FactBatch, MemoryRecorder, SQLiteRecorder
from events.log.audit import Audit, Finding

FACTS = parent("a", "b").given(take(), start("a"), start("b"), finish("a"), finish("b"), give_up()).facts
COUNT = len(FACTS)


@pytest.fixture
def log(path: Path) -> Iterator[EventLog]:
    """A log of three parents that are written by turns; their versions 3 stand at the positions 7, 8 and 9."""
    with EventLog(SQLiteRecorder(path)) as made:
        for version, fact in enumerate(FACTS):
            made.append([FactBatch(name, version, [fact]) for name in ("p", "q", "r")])
        yield made


def tamper(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        for statement in statements:
            raw.execute(statement)


def found(log: EventLog, parent_id: str | None = None) -> list[tuple[str | None, int | None, int | None, str | None]]:
    return [(one.id, one.version, one.position, one.invariant) for one in Audit(log).verify(parent_id)]


def problems(log: EventLog) -> list[str]:
    return [one.problem for one in Audit(log).verify() if one.id is None]


def test_a_sound_log_has_no_findings_and_is_counted(log: EventLog) -> None:
    audit = Audit(log)
    assert list(audit.verify()) == []
    assert (audit.parents, audit.events) == (3, 3 * COUNT)
    assert list(Audit(log).verify("q")) == []
    assert audit.bounded(max_workers=6).most_running == 6


def test_an_empty_log_and_one_in_memory_are_sound() -> None:
    with EventLog(MemoryRecorder()) as memory:
        assert list(Audit(memory).verify()) == []
        memory.append([FactBatch("p", 0, FACTS)])
        assert list(Audit(memory).verify()) == []


def test_an_empty_store_is_sound(sqlite: SQLiteRecorder) -> None:
    assert list(Audit(EventLog(sqlite)).verify()) == []


def test_a_parent_that_is_not_there(log: EventLog) -> None:
    with pytest.raises(RunNotFoundError, match="no run 'z'"):
        list(Audit(log).verify("z"))


def test_one_finding_for_each_damaged_parent_at_its_first_bad_event(log: EventLog, path: Path) -> None:
    tamper(
        path,
        "UPDATE events SET data = zeroblob(9) WHERE position IN (7, 10)",
        "UPDATE events SET type = 'ChildStarted' WHERE position = 14",
    )
    assert found(log) == [("p", 3, 7, None), ("q", 5, 14, None)]
    assert found(log, "q") == [("q", 5, 14, None)]
    assert found(log, "r") == []


def test_a_broken_invariant_is_named(log: EventLog) -> None:
    log.append([FactBatch("s", 0, FACTS[:-3]), FactBatch("t", 0, [*FACTS[:-2]]), FactBatch("u", 0, FACTS[1:])])
    assert found(log) == [
        ("s", COUNT - 2, None, "decision-follows"),
        ("t", COUNT - 1, None, "settling-follows"),
        ("u", 1, 3 * COUNT + 2 * COUNT - 5 + 1, "created-first"),
    ]
    finding = next(iter(Audit(log).verify("u")))
    assert finding.problem == "ChildPrepared of 'a': the first fact, and only it, creates the parent"
    assert str(finding).startswith("run 'u', version 1, position ")


def rewritten(rows: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Rows of a record that somebody made up, with fitting hashes."""
    return [*[DEFAULT_CATALOGUE.encode(fact) for fact in FACTS[:3]], *rows]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (("os.system", b"{}"), "unknown event type 'os.system'"),
        (("ChildCreated", b'{"v":2,"at":1,"child_id":"a"}'), "ChildCreated has version 2; this release knows up to 1"),
        (("ChildCreated", b'{"at":1,"child_id":"a","more":1}'), "unreadable ChildCreated: more: Extra inputs are"),
        (("ChildCreated", b"[" * 100_000), "unreadable ChildCreated: Invalid JSON"),
        (("ChildCreated", b'{"at":1' + b"0" * 5000 + b',"child_id":"a"}'), "unreadable ChildCreated: "),
        (("ChildStarted", b'{"at":1,"child_id":"x","attempt":1,"worker":""}'), "there is no child 'x'"),
    ],
)
def test_what_a_row_holds_is_at_most_a_finding(log: EventLog, row: tuple[str, bytes], problem: str) -> None:
    log.recorder.append([Batch("x", 0, rewritten([row]))])
    (finding,) = Audit(log).verify()
    assert (finding.id, finding.version, finding.position) == ("x", 4, 3 * COUNT + 4)
    assert problem in finding.problem


STORE = {
    "a row of no parent": ("UPDATE events SET parent = 99 WHERE position = 7", "it belongs to no run"),
    "a parent without a head": ("DELETE FROM parents WHERE parent = 1", "it belongs to no run"),
    "a version below 1": (
        "UPDATE events SET version = 0 WHERE position = 7",
        "its version is 0, so no stream",
    ),
    "a version that is text": ("UPDATE events SET version = 'x' WHERE position = 7", "its version is 'x'"),
    "a deleted row": ("DELETE FROM events WHERE position = 7", "position 7 before it: deleted"),
    "deleted rows": ("DELETE FROM events WHERE position IN (7, 8, 9)", "positions 7 to 9 before it: deleted"),
    "a row far away": ("UPDATE events SET position = 7000 WHERE position = 7", "counter of positions is at"),
    "a position below 1": ("UPDATE events SET position = -7 WHERE position = 7", "positions begin with 1"),
    "a counter set back": ("UPDATE sqlite_sequence SET seq = 1", "its counter of positions is at 1, its last"),
    "no counter": ("DELETE FROM sqlite_sequence", "its counter of positions is at 0, its last"),
}


@pytest.mark.parametrize("name", STORE)
def test_what_no_stream_shows_is_a_finding_of_the_store(log: EventLog, path: Path, name: str) -> None:
    statement, problem = STORE[name]
    tamper(path, statement)
    assert any(problem in told for told in problems(log)), problems(log)


def test_a_whole_parent_that_was_taken_out_leaves_holes(log: EventLog, path: Path) -> None:
    tamper(path, "DELETE FROM events WHERE parent = 3", "DELETE FROM parents WHERE parent = 3")
    told = problems(log)
    assert f"position {3 * COUNT} at the end: deleted" in told
    assert "position 3 before it: deleted" in told
    assert len(told) == 11, "ten holes are told, and the end"
    assert found(log)[11:] == []


def test_bad_ids_are_findings_and_the_others_are_checked(log: EventLog, path: Path) -> None:
    tamper(
        path,
        "UPDATE parents SET parent_id = x'00ff' WHERE parent = 1",
        "UPDATE parents SET parent_id = CAST(x'ff' AS TEXT) WHERE parent = 2",
    )
    findings = list(Audit(log).verify())
    assert [(one.id, one.problem) for one in findings] == [
        ("b'\\x00\\xff'", "its id is no text"),
        ("b'\\xff'", "its id is no text"),
    ]


@pytest.mark.parametrize("change", ["count = 'text'", "version = 'text'", "hash = 7", "version = 9223372036854775807"])
def test_an_altered_head_is_a_finding(log: EventLog, path: Path, change: str) -> None:
    tamper(path, "UPDATE parents SET @ WHERE parent = 2".replace("@", change))
    assert [one[0] for one in found(log)] == ["q"]


def test_a_list_of_parents_that_cannot_be_read_is_a_finding_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "torn.db"
    with EventLog(SQLiteRecorder(path)) as made:
        made.append([FactBatch("p", 0, FACTS)])
    with closing(sqlite3.connect(path)) as raw:
        (page,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'parents'").fetchone()
        (size,) = raw.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    data[(page - 1) * size : page * size] = b"?" * size
    path.write_bytes(data)
    with EventLog(SQLiteRecorder(path)) as torn:
        findings = list(Audit(torn).verify())
        assert len(findings) == len(list(torn.recorder.flaws())) + 1, "once more where the parents are listed"
    assert {(one.id, one.version) for one in findings} == {(None, None)}
    assert findings[-1].position is None
    assert "malformed" in findings[-1].problem


def test_the_bound_over_all_parents_is_checked_where_it_is_known(log: EventLog) -> None:
    with pytest.raises(InvariantBrokenError, match="5 children of 'me' are running, more than its max_workers of 4"):
        Audit(log).bounded(max_workers=4)


def test_a_finding_reads_well() -> None:
    assert str(Finding("p", 3, 7, "altered")) == "run 'p', version 3, position 7: altered"
    assert str(Finding(None, None, None, "altered")) == "altered"


MEMORY = """
import resource, sys
from events.log import open_log
from events.log.audit import Audit
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open_log(sys.argv[1]) as log:
    assert [finding.version for finding in Audit(log).verify() if finding.id == "p"] == [2]
    assert sum(1 for _ in log.recorder.rows("p")) == int(sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("name", ["ChildCreated", "a name that is no text"])
def test_rows_that_somebody_made_huge_cost_memory_for_a_few_of_them(log: EventLog, path: Path, name: str) -> None:
    """Hundreds of megabytes in one run: 13 rows of 24 MiB each, and then those of before."""
    huge = "UPDATE events SET data = zeroblob(25165824) WHERE parent = 1 AND version > 1"
    bad = "UPDATE events SET type = CAST(x'ff' AS TEXT) WHERE parent = 1 AND version > 1"
    tamper(path, huge, *([bad] if "no text" in name else []))
    done = subprocess.run([sys.executable, "-c", MEMORY, path, str(COUNT)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200 * 1024
