"""What a function sees of a store while nobody else can write: streams in pages, up to a position, damage included."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from events.errors import StoreDamagedError, StoreError
from events.log import Batch, Conflict, Recorder, SQLiteRecorder, sqlite_look
from events.log.recorder import Source

T = TypeVar("T")
FACT = ("A", b"{}")


def seen(recorder: Recorder, look: Callable[[Source], T]) -> T:
    """Return what a look sees that decides nothing."""
    found: list[T] = []
    assert recorder.append_after_look(lambda source: found.append(look(source))) is None
    return found[0]


def versions(recorder: Recorder, after_version: int = 0, upto_position: int | None = None) -> list[object]:
    return seen(
        recorder,
        lambda source: [
            row.version for row in source.rows("p", after_version=after_version, upto_position=upto_position)
        ],
    )


def tamper(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(statement)


@pytest.fixture
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_look, "_ROWS", 2)


@pytest.fixture
def filled(recorder: Recorder, pages_of_two: None) -> Recorder:
    """Versions 1 to 5 of `p` stand at the positions 1, 3, 5, 7 and 9, with those of `q` between them."""
    for version in range(5):
        recorder.append([Batch("p", version, [FACT]), Batch("q", version, [FACT])])
    return recorder


def test_all_rows_of_one_stream_are_seen_in_order(filled: Recorder) -> None:
    assert versions(filled) == [1, 2, 3, 4, 5]
    rows = seen(filled, lambda source: list(source.rows("p")))
    assert rows == list(filled.rows("p"))


@pytest.mark.parametrize("after_version", range(7))
def test_those_after_a_version_are_seen(filled: Recorder, after_version: int) -> None:
    assert versions(filled, after_version) == list(range(after_version + 1, 6))


@pytest.mark.parametrize(
    ("upto_position", "last"), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2), (7, 4), (8, 4), (9, 5), (99, 5)]
)
def test_those_up_to_a_position_are_seen(filled: Recorder, upto_position: int, last: int) -> None:
    assert versions(filled, 0, upto_position) == list(range(1, last + 1))
    assert versions(filled, 1, upto_position) == list(range(2, last + 1))


def test_a_parent_that_is_not_there_has_no_head_and_no_rows(filled: Recorder) -> None:
    assert seen(filled, lambda source: (source.head("z"), list(source.rows("z")))) == (None, [])
    assert seen(filled, lambda source: source.head("p")) == filled.head("p")


def test_a_look_wakes_who_follows_the_log_for_what_it_wrote_and_for_nothing_else(recorder: Recorder) -> None:
    subscription = recorder.subscribe()
    assert recorder.append_after_look(lambda _: None) is None
    recorder.append_after_look(lambda _: Batch("p", 5, [FACT]))
    assert not subscription._woken.is_set()
    recorder.append_after_look(lambda _: Batch("p", 0, [FACT]))
    assert subscription._woken.is_set()
    assert next(subscription).originator_id == "p"


def test_an_altered_head_is_told_with_store_and_parent(sqlite: SQLiteRecorder, path: Path) -> None:
    sqlite.append([Batch("p", 0, [FACT])])
    tamper(path, "UPDATE parents SET hash = 7")
    for look in (sqlite.head, lambda name: seen(sqlite, lambda source: source.head(name))):
        with pytest.raises(StoreDamagedError) as caught:
            look("p")
        assert str(caught.value) == f"{path}: run 'p': its head was altered"


def test_a_row_whose_text_is_none_is_seen_with_its_bytes(sqlite: SQLiteRecorder, path: Path) -> None:
    sqlite.append([Batch("p", 0, [FACT, FACT])])
    tamper(path, "UPDATE events SET type = CAST(x'ff' AS TEXT) WHERE version = 2")
    rows = seen(sqlite, lambda source: list(source.rows("p")))
    assert [(row.version, row.type) for row in rows] == [(1, "A"), (2, b"\xff")]


def test_a_store_whose_tables_are_gone_is_our_error(sqlite: SQLiteRecorder, path: Path) -> None:
    sqlite.append([Batch("p", 0, [FACT])])
    tamper(path, "DROP TABLE events")
    with pytest.raises(StoreError, match=str(path)):
        seen(sqlite, lambda source: list(source.rows("p")))


def test_a_version_that_is_no_whole_number_ends_what_is_seen(
    sqlite: SQLiteRecorder, path: Path, pages_of_two: None
) -> None:
    sqlite.append([Batch("p", 0, [FACT] * 5)])
    tamper(path, "UPDATE events SET version = 1.5 WHERE version = 2")
    assert versions(sqlite) == [1, 1.5]


def test_rows_beyond_a_head_are_a_conflict_with_what_was_decided(sqlite: SQLiteRecorder, path: Path) -> None:
    """Whoever is told so reads the stream, and learns of the damage."""
    sqlite.append([Batch("p", 0, [FACT])])
    head = sqlite.head("p")
    tamper(path, "INSERT INTO events (parent, version, type, data, hash) SELECT parent, 2, 'A', data, hash FROM events")
    assert sqlite.append_after_look(lambda _: Batch("p", 1, [FACT])) == Conflict(head)
