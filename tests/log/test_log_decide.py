"""Deciding inside the store's own transaction: on what is there, and nobody comes in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest
from tests.events.scenario import close, create, names, prepare, release
from tests.log.test_log_trouble import CODES, Unlucky, UnluckyRecorder, sqlite_error

from events.commands import Cancel, Pause, Resume
from events.decide import decide_all
from events.errors import ClosedError, StepOrderError, StoreBusyError, StoreDamagedError, StoreError
from events.evolve import fold
from events.facts import Fact
from events.log import (
    Batch,
    Conflict,
    EventLog,
    FactBatch,
    MemoryRecorder,
    Recorded,
    Recorder,
    SQLiteRecorder,
    Written,
)
from events.log.recorder import Source
from events.log.store import Decided

A, B = ("A", b"a"), ("B", b"b")


@pytest.fixture
def log(recorder: Recorder) -> EventLog:
    made = EventLog(recorder)
    facts, _ = decide_all(fold(()), [create(), prepare("a", "b"), release(), close()])
    made.append([FactBatch("p", 0, facts)])
    return made


def length(log: EventLog) -> int:
    head = log.head("p")
    assert head is not None
    return head.version


def asking(*commands: Pause | Resume | Cancel) -> Callable[[Sequence[Recorded]], list[Fact]]:
    """Return a function that decides commands on a parent of which nothing is known yet."""
    return lambda missed: decide_all(fold(record.fact for record in missed), commands)[0]


def test_what_was_missed_is_seen_and_what_is_decided_follows_on_it(log: EventLog) -> None:
    done = log.decide("p", 0, asking(Pause(at=1, reason="x")), missed_max=100)
    assert done is not None
    assert len(done.missed) == length(log) - 1
    assert names(done.facts) == ["Paused"]
    assert done.position == log.last_position()
    assert [record.type for record in log.read("p")][-1] == "Paused"
    again = log.decide("p", 0, asking(Pause(at=1, reason="x")), missed_max=100)
    assert again is not None
    assert (len(again.missed), list(again.facts), again.position) == (length(log), [], log.last_position())


def test_only_what_came_after_the_version_is_read(log: EventLog) -> None:
    before = length(log)
    log.append([FactBatch("p", before, decide_all(fold(r.fact for r in log.read("p")), [Pause(at=1, reason="x")])[0])])
    seen: list[str] = []

    def decide(missed: object) -> list[Fact]:
        assert isinstance(missed, list)
        seen.extend(record.type for record in missed)
        return []

    done = log.decide("p", before, decide, missed_max=1)
    assert seen == ["Paused"]
    assert done is not None
    assert done.position == log.last_position()


def test_whoever_has_missed_too_much_catches_up_first(log: EventLog) -> None:
    def decide(_: object) -> list[Fact]:
        raise AssertionError("it must not be asked")

    before = length(log)
    assert log.decide("p", 0, decide, missed_max=before - 1) is None
    assert log.decide("p", 0, lambda _: [], missed_max=before) is not None
    assert length(log) == before


def test_a_stream_that_does_not_reach_the_version_is_left_alone(log: EventLog) -> None:
    before = length(log)
    facts = decide_all(fold(r.fact for r in log.read("p")), [Pause(at=1, reason="x")])[0]
    assert log.decide("p", before + 5, lambda _: facts, missed_max=10) is None
    assert log.decide("none", 3, lambda _: facts, missed_max=10) is None
    assert length(log) == before
    assert log.head("none") is None


def test_what_the_function_raises_comes_through_and_leaves_nothing(log: EventLog) -> None:
    def refuse(_: object) -> list[Fact]:
        raise StepOrderError("no")

    before = log.last_position()
    with pytest.raises(StepOrderError, match="no"):
        log.decide("p", 0, refuse, missed_max=100)
    assert log.last_position() == before
    assert isinstance(log.recorder.append([Batch("q", 0, [A])])[0], Written)  # the lock was given back


def test_nobody_writes_between_the_look_and_the_append(recorder: Recorder) -> None:
    recorder.append([Batch("p", 0, [A])])
    looking, written = Event(), Event()

    def decide(source: Source) -> Batch:
        looking.set()
        assert not written.wait(0.2), "somebody else wrote meanwhile"
        head = source.head("p")
        assert head is not None
        assert [row.version for row in source.rows("p")] == [1]
        return Batch("p", head.version, [B])

    def write() -> None:
        looking.wait(30)
        verdicts.extend(recorder.append([Batch("p", 1, [A])]))
        written.set()

    verdicts: list[Written | Conflict] = []
    other = Thread(target=write)
    other.start()
    verdict = recorder.append_after_look(decide)
    other.join(30)
    assert isinstance(verdict, Written)
    assert verdicts == [Conflict(verdict.head)]


def test_a_look_that_decides_nothing_writes_nothing(recorder: Recorder) -> None:
    assert recorder.append_after_look(lambda _: None) is None
    assert recorder.append_after_look(lambda source: Batch("p", 0, [A]) if source.head("p") is None else None)
    assert recorder.append_after_look(lambda _: Batch("p", 0, [A])) == Conflict(recorder.head("p"))
    assert recorder.last_position() == 1


def test_eight_writers_fight_and_all_of_them_get_their_turn(recorder: Recorder) -> None:
    """Four append at the version they read, as fast as they can; four decide inside the store, and never fail."""
    recorder.append([Batch("p", 0, [A])])
    decided = Event()

    def race(_: int) -> int:
        won = 0
        while not decided.is_set():
            head = recorder.head("p")
            assert head is not None
            won += isinstance(recorder.append([Batch("p", head.version, [A, A])])[0], Written)
        return won

    def look(source: Source) -> Batch:
        head = source.head("p")
        assert head is not None
        return Batch("p", head.version, [B])

    with ThreadPoolExecutor(8) as pool:
        racers = [pool.submit(race, number) for number in range(4)]
        deciders = [pool.submit(lambda: [recorder.append_after_look(look) for _ in range(25)]) for _ in range(4)]
        verdicts = [verdict for decider in deciders for verdict in decider.result(60)]
        decided.set()
        won = sum(racer.result(60) for racer in racers)
    assert all(isinstance(verdict, Written) for verdict in verdicts)
    rows = list(recorder.rows("p"))
    assert [row.version for row in rows] == list(range(1, 1 + len(rows)))
    assert [row.type for row in rows].count("B") == 100
    assert len(rows) == 1 + 100 + 2 * won
    assert list(recorder.flaws()) == []


def test_a_subscriber_hears_of_what_was_decided(recorder: Recorder) -> None:
    subscription = recorder.subscribe()
    recorder.append_after_look(lambda _: Batch("p", 0, [A]))
    assert next(subscription).topic == "A"
    subscription.stop()


def test_a_closed_recorder_decides_nothing(recorder: Recorder) -> None:
    recorder.close()
    with pytest.raises(ClosedError):
        recorder.append_after_look(lambda source: Batch("p", 0, [A]) if source.head("p") is None else None)


def test_where_there_is_nothing_and_nothing_is_decided_the_position_is_none() -> None:
    with EventLog(MemoryRecorder()) as log:
        log.append([FactBatch("other", 0, decide_all(fold(()), [create()])[0])])
        assert log.decide("p", 0, lambda _: [], missed_max=1) == Decided([], [], 0)


def test_the_position_is_that_of_the_last_fact_that_was_decided(log: EventLog) -> None:
    before = log.last_position()
    done = log.decide("p", 0, asking(Cancel(at=1, reason="x")), missed_max=100)
    assert done is not None
    assert len(done.facts) > 1
    assert done.position == before + len(done.facts) == log.last_position()


def test_large_payloads_of_a_log_in_memory_lie_there_too() -> None:
    with EventLog(MemoryRecorder()) as log:
        assert log.payloads.get(log.payloads.put("text")) == "text"


# What only a file can suffer


@pytest.fixture
def unlucky(path: Path) -> Iterator[SQLiteRecorder]:
    with UnluckyRecorder(path, busy_timeout_seconds=1) as recorder:
        yield recorder
    Unlucky.before = Unlucky.after = Unlucky.meanwhile = None


@pytest.mark.parametrize("code", CODES)
def test_a_lost_reply_is_settled_by_reading_back(unlucky: SQLiteRecorder, code: str) -> None:
    Unlucky.after = sqlite_error(code)
    assert isinstance(unlucky.append_after_look(lambda _: Batch("p", 0, [A])), Written)
    assert isinstance(unlucky.append_after_look(lambda _: Batch("p", 1, [B])), Written)
    assert [row.type for row in unlucky.rows("p")] == ["A", "B"]


@pytest.mark.parametrize("code", CODES)
def test_a_commit_that_failed_leaves_nothing(unlucky: SQLiteRecorder, code: str) -> None:
    Unlucky.before = sqlite_error(code)
    with pytest.raises(StoreError, match="made by a test"):
        unlucky.append_after_look(lambda _: Batch("p", 0, [A]))
    assert unlucky.head("p") is None
    assert isinstance(unlucky.append_after_look(lambda _: Batch("p", 0, [A])), Written)


def test_a_lock_held_past_the_deadline_is_an_error(path: Path) -> None:
    with SQLiteRecorder(path, busy_timeout_seconds=0.2) as recorder:
        with closing(sqlite3.connect(path, isolation_level=None)) as foreign:
            foreign.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusyError, match=str(path)):
                recorder.append_after_look(lambda _: Batch("p", 0, [A]))
        assert isinstance(recorder.append_after_look(lambda _: Batch("p", 0, [A])), Written)


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE events SET data = x'00' WHERE version = 2",
        "UPDATE events SET hash = x'00' WHERE version = 3",
        "DELETE FROM events WHERE version = 2",
        "UPDATE parents SET version = 2",
        "UPDATE parents SET hash = 1",
    ],
)
def test_damage_is_found_and_nothing_is_written(path: Path, harm: str) -> None:
    with EventLog(SQLiteRecorder(path)) as log:
        facts, _ = decide_all(fold(()), [create(), prepare("a", "b"), release(), close()])
        log.append([FactBatch("p", 0, facts)])
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(harm)
    with EventLog(SQLiteRecorder(path)) as log:
        before = log.last_position()
        with pytest.raises(StoreDamagedError, match="run 'p'"):
            log.decide("p", 0, asking(Pause(at=1, reason="x")), missed_max=100)
        assert log.last_position() == before
