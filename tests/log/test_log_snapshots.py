"""Snapshots beside the events: kept, found, checked, and thrown away with any doubt. The record is the truth."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.events.scenario import SECOND, finish, give_up, parent, start, take

from events import snapshot
from events.catalogue import DEFAULT_CATALOGUE, TYPES, Catalogue
from events.errors import StoreDamagedError
from events.evolve import fold
from events.log import EventLog, FactBatch, MemoryRecorder, Recorder, SQLiteRecorder, StoredSnapshot, sqlite_schema
from events.log.audit import Audit
from events.log.folding import Folded, folded
from events.log.snapshots import digest_of
from events.snapshot import difference, encoded, parts
from events.state import ParentState

FACTS = [
    fact.model_copy(update={"at": fact.at + number * SECOND})
    for number, fact in enumerate(
        parent("a", "b", "c").given(take(), start("a"), start("b"), finish("a"), finish("b", "failed"), give_up()).facts
    )
]
COUNT = len(FACTS)
EARLY, LATE = COUNT - 4, COUNT - 2


def filled(log: EventLog) -> EventLog:
    """Write two parents by turns, so that version and position differ, and two snapshots of the first one."""
    for version, fact in enumerate(FACTS):
        log.append([FactBatch(name, version, [fact]) for name in ("p", "q")])
    for version in (EARLY, LATE):
        assert keep(log, version)
    return log


def keep(log: EventLog, version: int, state: ParentState | None = None) -> bool:
    found = fold(FACTS[:version]) if state is None else state
    return log.snapshots.keep("p", found, 2 * version - 1, FACTS[version - 1].at, parts(found))


@pytest.fixture
def log(recorder: Recorder) -> EventLog:
    return filled(EventLog(recorder))


@pytest.fixture
def on_disk(path: Path) -> Iterator[EventLog]:
    with EventLog(SQLiteRecorder(path)) as made:
        yield filled(made)


def whole(log: EventLog, **upto: int) -> Folded:
    """Fold the record from its start, whatever snapshots there are."""
    bare = EventLog(log.recorder)
    bare.snapshots.latest = lambda *_, **__: None  # type: ignore[method-assign]
    return folded(bare, "p", **upto)


def assert_same(one: Folded, other: Folded) -> None:
    assert difference(one.state, other.state) is None
    assert (one.position, one.hash, one.at) == (other.position, other.hash, other.at)


def test_a_parent_is_opened_from_its_newest_snapshot_on(log: EventLog) -> None:
    found = folded(log, "p")
    assert found.snapshot == LATE
    assert_same(found, whole(log))
    assert folded(log, "q").snapshot == 0
    nobody = folded(log, "nobody")
    assert (nobody.state.version, nobody[1:]) == (0, (0, None, 0, 0))


def test_at_every_earlier_point_the_nearest_snapshot_before_it_serves(log: EventLog) -> None:
    for version in range(COUNT + 2):
        at = folded(log, "p", upto_position=2 * version)
        assert at.snapshot == (LATE if version >= LATE else EARLY if version >= EARLY else 0)
        assert_same(at, whole(log, upto_position=2 * version))
    for number, fact in enumerate(FACTS, 1):
        for microseconds in (-1, 0, 1):
            at = folded(log, "p", upto_at=fact.at + microseconds)
            reached = number - (microseconds < 0)
            assert at.snapshot == (LATE if reached >= LATE else EARLY if reached >= EARLY else 0)
            assert_same(at, whole(log, upto_at=fact.at + microseconds))


def test_a_snapshot_that_holds_a_later_time_is_not_taken_for_an_earlier_one(recorder: Recorder) -> None:
    log = EventLog(recorder)
    facts = list(FACTS)
    facts[2] = facts[2].model_copy(update={"at": FACTS[-1].at + SECOND})  # an engine's clock that went back
    log.append([FactBatch("p", 0, facts)])
    state = fold(facts[:LATE])
    assert log.snapshots.keep("p", state, LATE, facts[2].at, parts(state))
    upto = FACTS[-1].at
    assert folded(log, "p", upto_at=upto).snapshot == 0
    assert folded(log, "p", upto_at=upto).state.version == 2
    assert folded(log, "p", upto_at=facts[2].at).snapshot == LATE


def test_the_newest_and_the_one_before_it_are_kept(log: EventLog) -> None:
    assert [one.version for one in log.recorder.snapshots("p")] == [LATE, EARLY]
    assert keep(log, COUNT)
    assert [one.version for one in log.recorder.snapshots("p")] == [COUNT, LATE]
    assert keep(log, EARLY)  # what was kept beyond it is not known to whoever keeps this one
    assert [one.version for one in log.recorder.snapshots("p")] == [EARLY]
    assert keep(log, EARLY)
    assert [one.version for one in log.recorder.snapshots("p")] == [EARLY]
    log.recorder.drop_snapshots("p")
    log.recorder.drop_snapshots("nobody")
    assert log.recorder.snapshots("p") == []
    assert folded(log, "p").snapshot == 0


def test_a_snapshot_of_what_is_not_on_record_is_not_kept(log: EventLog) -> None:
    log.recorder.drop_snapshots("p")
    state = fold(FACTS[:LATE])
    assert not log.snapshots.keep("p", state, 2 * LATE, 1, parts(state)), "another position"
    assert not log.snapshots.keep("nobody", state, 2 * LATE - 1, 1, parts(state))
    assert not log.snapshots.keep("p", state.replace(version=COUNT + 1), 2 * COUNT + 1, 1, parts(state))
    bare = StoredSnapshot("nobody", 1, 1, 1, bytes(32), "c", bytes(32), 1)
    if not isinstance(log.recorder, MemoryRecorder):
        log.recorder.keep_snapshot(bare, b"x")
    assert log.recorder.snapshots("p") == log.recorder.snapshots("nobody") == []


def test_a_body_is_only_given_out_up_to_a_size(log: EventLog) -> None:
    [late, _] = log.recorder.snapshots("p")
    body = log.recorder.snapshot_body("p", LATE, late.body_bytes)
    assert body == encoded(fold(FACTS[:LATE]))
    assert log.recorder.snapshot_body("p", LATE, late.body_bytes - 1) is None
    assert log.recorder.snapshot_body("p", COUNT, 10**6) is None


def changed(**values: Any) -> Callable[[StoredSnapshot, bytes], tuple[StoredSnapshot, bytes]]:
    """Change a field, and the digest along with it."""

    def change(stored: StoredSnapshot, body: bytes) -> tuple[StoredSnapshot, bytes]:
        new = stored._replace(**values)
        return new._replace(digest=digest_of(new, body)), body

    return change


def forged(state: ParentState) -> Callable[[StoredSnapshot, bytes], tuple[StoredSnapshot, bytes]]:
    def change(stored: StoredSnapshot, _: bytes) -> tuple[StoredSnapshot, bytes]:
        body = encoded(state)
        new = stored._replace(body_bytes=len(body))
        return new._replace(digest=digest_of(new, body)), body

    return change


HONEST = fold(FACTS[:LATE])
DOUBTS: dict[str, tuple[Any, str]] = {
    "a byte of the body": (lambda stored, body: (stored, body[:9] + b"!" + body[10:]), "it was altered"),
    "the body is cut": (lambda stored, body: (stored, body[:-1]), "it was altered"),
    "the digest": (lambda stored, body: (stored._replace(digest=bytes(32)), body), "it was altered"),
    "the hash": (lambda stored, body: (stored._replace(hash=bytes(32)), body), "it was altered"),
    "the time": (lambda stored, body: (stored._replace(at=1), body), "it was altered"),
    "the code": (lambda stored, body: (stored._replace(code="mine"), body), "it was altered"),
    "another hash": (changed(hash=bytes(32)), "it is of another record"),
    "another position": (changed(position=1), "it is of another record"),
    "another version": (changed(version=LATE + 1), "it is of another record"),
    "no such version": (changed(version=COUNT + 3), "the event that it ends with is not there"),
    "a state that cannot be": (forged(HONEST.replace(total=9)), "it can be no state of the run"),
    "of another version": (
        forged(HONEST.replace(version=3)),
        "it can be no state of the run: it says that it is of version 3",
    ),
}


@pytest.mark.parametrize(("change", "problem"), DOUBTS.values(), ids=DOUBTS)
def test_with_any_doubt_a_snapshot_is_not_used_and_the_audit_names_it(
    log: EventLog, change: Any, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    stored = log.recorder.snapshots("p")[0]
    body = log.recorder.snapshot_body("p", LATE, 10**9)
    log.recorder.drop_snapshots("p")
    log.recorder.keep_snapshot(*change(stored, body))
    found = folded(log, "p")
    assert found.snapshot == 0
    assert_same(found, whole(log))
    [told] = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert told.startswith("run 'p': its snapshot of version")
    assert problem in told
    [finding] = Audit(log).verify("p")
    assert finding.id == "p"
    assert finding.problem.startswith(f"its snapshot: {problem}")
    assert keep(log, LATE), "the next one takes its place"
    assert folded(log, "p").snapshot == LATE
    assert list(Audit(log).verify()) == []


def test_where_the_newest_is_of_no_use_the_one_before_it_is(log: EventLog) -> None:
    stored = log.recorder.snapshots("p")[0]
    log.recorder.keep_snapshot(stored, b"no such thing")
    found = folded(log, "p")
    assert found.snapshot == EARLY
    assert_same(found, whole(log))


def test_a_snapshot_of_other_code_or_of_another_catalogue_is_passed_over(
    log: EventLog, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    newer = EventLog(log.recorder, Catalogue(TYPES, {"ChildStarted": (lambda fields: fields,)}))
    assert folded(newer, "p").snapshot == 0
    assert any("is of other code" in each.getMessage() for each in caplog.records)
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING], "nothing is wrong with it"
    assert list(Audit(newer).verify()) == []
    monkeypatch.setattr(snapshot, "STATE_VERSION", 10**6)
    snapshot.code_version.cache_clear()
    try:
        assert folded(EventLog(log.recorder, DEFAULT_CATALOGUE), "p").snapshot == 0
    finally:
        monkeypatch.undo()
        snapshot.code_version.cache_clear()
    assert folded(log, "p").snapshot == LATE


def test_a_forged_snapshot_that_could_be_true_is_found_by_the_audit_alone(log: EventLog) -> None:
    """Whoever opens the run believes it: that is the price, and the page on security says so."""
    lie = HONEST.replace(retries=HONEST.retries + 1)
    keep(log, LATE, lie)
    assert folded(log, "p").state.retries == lie.retries
    [finding] = Audit(log).verify()
    assert (finding.id, finding.version, finding.position) == ("p", LATE, 2 * LATE - 1)
    assert finding.problem == "its snapshot was forged: retries is not what the record adds up to"
    state = fold(FACTS[:LATE])
    log.snapshots.keep("p", state, 2 * LATE - 1, 5, parts(state))
    [finding] = Audit(log).verify("p")
    assert finding.problem == "its snapshot was forged: it tells another time"


def test_a_forged_snapshot_that_the_record_cannot_follow_is_thrown_away(
    log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    keep(log, LATE, HONEST.replace(epoch=9, decision=fold(FACTS).decision, decided_at=5))
    found = folded(log, "p")
    assert found.snapshot == 0
    assert_same(found, whole(log))
    assert any("cannot follow it" in each.getMessage() for each in caplog.records)


# In an SQLite file, where somebody can write what they like.


def tamper(log: EventLog, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(log.location)) as raw, raw:
        raw.execute(statement, values)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((column, "'text'") for column in ("position", "at", "hash", "digest", "body")),
        *((column, "zeroblob(40)") for column in ("position", "at", "hash", "digest", "code", "body")),
        *((column, "1.5") for column in ("version", "position", "at", "code", "hash", "body")),
        *((column, "-9223372036854775808") for column in ("version", "position", "at")),
        *((column, "9223372036854775807") for column in ("version", "position", "at")),
        *((column, "zeroblob(20000000)") for column in ("body", "hash", "digest", "code")),
        ("code", "CAST(x'ff' AS TEXT)"),
        ("hash", "CAST(zeroblob(32) AS TEXT)"),
        ("version", "0"),
        ("position", "0"),
    ],
)
def test_no_value_of_any_kind_in_a_row_does_harm(
    on_disk: EventLog, column: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.log.snapshots.STORED_BYTES_MAX", 10_000_000)
    tamper(on_disk, f"UPDATE snapshots SET {column} = {value} WHERE version = {LATE}")  # noqa: S608 - ours
    found = folded(on_disk, "p")
    assert found.snapshot == EARLY or (found.snapshot == 0 and column == "code")
    assert_same(found, whole(on_disk))
    findings = list(Audit(on_disk).verify())
    assert [finding.id for finding in findings] == ["p"]
    assert "snapshot" in findings[0].problem or "UTF-8" in findings[0].problem


def test_a_table_that_is_not_ours_is_not_used_and_named(on_disk: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    tamper(on_disk, "ALTER TABLE snapshots RENAME COLUMN body TO soul")
    assert folded(on_disk, "p").snapshot == 0
    assert any("its snapshots cannot be used" in each.getMessage() for each in caplog.records)
    with pytest.raises(StoreDamagedError, match="table snapshots is not the one"):
        keep(on_disk, LATE)
    with pytest.raises(StoreDamagedError, match="table snapshots is not the one"):
        on_disk.recorder.drop_snapshots("p")
    findings = list(Audit(on_disk).verify())
    assert {finding.id for finding in findings} == {None, "p", "q"}
    assert all("its table snapshots is not the one that is made there" in finding.problem for finding in findings)
    assert len(on_disk.parents()) == 2


def test_a_snapshot_of_no_run_is_found(on_disk: EventLog) -> None:
    tamper(on_disk, "UPDATE snapshots SET parent = 77 WHERE version = ?", EARLY)
    [finding] = Audit(on_disk).verify()
    assert (finding.id, finding.problem) == (None, "a snapshot belongs to no run (key 77)")
    assert folded(on_disk, "p").snapshot == LATE


def test_a_snapshot_that_was_moved_to_another_run_is_found(on_disk: EventLog) -> None:
    tamper(on_disk, "UPDATE snapshots SET parent = 2 WHERE version = ?", LATE)
    assert folded(on_disk, "q").snapshot == 0
    assert_same(folded(on_disk, "p"), whole(on_disk))
    [finding] = Audit(on_disk).verify()
    assert (finding.id, finding.problem) == ("q", "its snapshot: it was altered")


def test_a_store_in_which_a_trigger_lies_in_wait_is_refused(on_disk: EventLog) -> None:
    tamper(on_disk, "CREATE TRIGGER t AFTER INSERT ON snapshots BEGIN DELETE FROM events; END")
    with closing(sqlite3.connect(on_disk.location)) as raw, pytest.raises(Exception, match="not those of a store"):
        sqlite_schema.is_empty(raw, "x")


def test_a_store_that_never_kept_any_has_no_table_and_reads_as_ever(path: Path) -> None:
    with EventLog(SQLiteRecorder(path)) as log:
        log.append([FactBatch("p", 0, FACTS)])
        assert folded(log, "p").state.version == COUNT
        assert log.recorder.snapshot_body("p", 1, 1) is None
        log.recorder.drop_snapshots("p")
        assert list(Audit(log).verify()) == []
        with closing(sqlite3.connect(path)) as raw:
            assert raw.execute("SELECT name FROM sqlite_master WHERE name = 'snapshots'").fetchall() == []


# What is damaged in the record itself.


@pytest.mark.parametrize(
    ("statement", "version", "found_when_opened"),
    [
        ("UPDATE events SET data = data || ' ' WHERE parent = 1 AND version = ?", LATE, True),
        ("UPDATE events SET hash = zeroblob(32) WHERE parent = 1 AND version = ?", LATE, True),
        ("UPDATE events SET hash = zeroblob(32) WHERE parent = 1 AND version = ?", LATE - 1, True),
        ("UPDATE events SET data = data || ' ' WHERE parent = 1 AND version = ?", LATE + 1, True),
        ("DELETE FROM events WHERE parent = 1 AND version >= ?", LATE, True),
        ("DELETE FROM events WHERE parent = 1 AND version > ?", LATE, True),
        ("DELETE FROM events WHERE parent = 1 AND version = ?", LATE - 1, True),
        ("UPDATE parents SET hash = zeroblob(32) WHERE parent = ?", 1, True),
        ("UPDATE parents SET count = count + 1 WHERE parent = ?", 1, True),
        ("DELETE FROM parents WHERE parent = ?", 1, False),
        ("UPDATE events SET data = data || ' ' WHERE parent = 1 AND version = ?", 2, False),
        ("DELETE FROM events WHERE parent = 1 AND version = ?", 2, False),
    ],
)
def test_damage_from_the_snapshot_on_is_found_by_opening_and_before_it_by_the_audit(
    on_disk: EventLog, statement: str, version: int, *, found_when_opened: bool
) -> None:
    tamper(on_disk, statement, version)
    if found_when_opened:
        with pytest.raises(StoreDamagedError):
            folded(on_disk, "p")
    else:
        assert folded(on_disk, "p").state.version in (0, COUNT)
    assert list(Audit(on_disk).verify()), "the audit finds either"


def test_memory_and_disk_keep_the_same_snapshots(path: Path) -> None:
    with EventLog(SQLiteRecorder(path)) as one, EventLog(MemoryRecorder()) as other:
        kept = [filled(log).recorder.snapshots("p") for log in (one, other)]
        assert kept[0] == kept[1]
        bodies = [log.recorder.snapshot_body("p", LATE, 10**6) for log in (one, other)]
        assert bodies[0] == bodies[1]
