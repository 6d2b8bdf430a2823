"""How many rows of a stream are read at a time, and when reading stops."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.persistence import StoredEvent

from events.log import MemoryRecorder, Recorder, SQLiteRecorder
from events.log.record import Row

MEGABYTE = 1024 * 1024


class Endless(MemoryRecorder):
    """A recorder of one stream, whose rows are made as they are asked for; it notes how many that were."""

    def __init__(self, count: int, data: Any, version: Callable[[int], Any] = lambda number: number) -> None:
        super().__init__()
        self._count, self._data, self._version = count, data, version
        self.asked: list[int] = []

    def stream(self, parent_id: str, *, after_version: int = 0, limit: int = 0, **_: Any) -> list[Row]:
        assert len(self.asked) < 50, "it never stops"
        self.asked.append(limit)
        numbers = range(after_version + 1, min(self._count, after_version + limit) + 1)
        return [Row(number, parent_id, self._version(number), "A", self._data, b"") for number in numbers]


def asked(count: int, data: Any, batch: int = 1000) -> list[int]:
    recorder = Endless(count, data)
    assert [row.version for row in recorder.rows("p", batch=batch)] == list(range(1, count + 1))
    return recorder.asked


def test_small_rows_are_read_four_times_as_many_at_a_time_up_to_the_most() -> None:
    assert asked(3_000, b"a") == [64, 256, 1000, 1000, 1000]
    assert asked(3_000, "a") == [64, 256, 1000, 1000, 1000]
    assert asked(600, b"", batch=100) == [64, 100, 100, 100, 100, 100, 100]
    assert asked(25, b"a", batch=10) == [10, 10, 10]


@pytest.mark.parametrize("data", [bytes(MEGABYTE), "a" * MEGABYTE], ids=["bytes", "text"])
def test_large_rows_are_read_fewer_at_a_time(data: object) -> None:
    assert asked(90, data) == [64, 8, 8, 8, 8]
    assert asked(67, bytes(9 * MEGABYTE)) == [64, 1, 1, 1, 1]


@pytest.mark.parametrize("data", [7, None])
def test_what_has_no_length_counts_for_nothing(data: object) -> None:
    assert asked(400, data) == [64, 256, 1000]


def test_a_short_answer_is_the_last() -> None:
    assert asked(63, b"a") == [64]
    assert asked(64, b"a") == [64, 256]
    assert asked(0, b"a") == [64]


@pytest.mark.parametrize("version", ["x", 0, -1], ids=str)
def test_versions_that_lead_nowhere_end_the_reading(version: object) -> None:
    recorder = Endless(1_000, b"a", lambda _: version)
    assert len(list(recorder.rows("p"))) == 64
    assert recorder.asked == [64]


def test_where_nothing_is_to_be_written_no_lock_is_waited_for(path: Path) -> None:
    with SQLiteRecorder(path, busy_timeout_seconds=0.0) as recorder, closing(sqlite3.connect(path)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        assert recorder.append([]) == []
        assert list(recorder.insert_events([])) == []
        raw.rollback()


def test_events_that_the_library_inserts_wake_who_waits(recorder: Recorder) -> None:
    subscription = recorder.subscribe()
    assert not subscription._woken.is_set()
    assert list(recorder.insert_events([StoredEvent("p", 1, "A", b"a"), StoredEvent("p", 2, "A", b"a")])) == [1, 2]
    assert subscription._woken.is_set()
    assert [next(subscription).id for _ in range(2)] == [1, 2]
