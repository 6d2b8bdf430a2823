"""One pass over a stream that was damaged, or that grows meanwhile: what is said, and where."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from events.errors import StoreDamagedError
from events.facts import ChildCreated
from events.log import EventLog, FactBatch, MemoryRecorder, SQLiteRecorder
from events.log.record import Head


def fact(number: int) -> ChildCreated:
    return ChildCreated(at=number, child_id=f"c{number}")


@pytest.fixture
def log(path: Path) -> Iterator[EventLog]:
    """A log of one parent with the versions 1 to 5 at the same positions."""
    with EventLog(SQLiteRecorder(path)) as made:
        made.append([FactBatch("p", 0, [fact(number) for number in range(5)])])
        yield made


def tamper(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        assert raw.execute(statement).rowcount > 0


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE events SET data = 7 WHERE position = 3", "version 3, position 3: the row was altered"),
        ("UPDATE events SET type = x'00' WHERE position = 3", "version 3, position 3: the row was altered"),
        (
            "UPDATE events SET hash = zeroblob(32) WHERE position = 3",
            "version 3, position 3: the row was altered or moved",
        ),
        (
            "UPDATE events SET position = 0 WHERE position = 1",
            "version 1, position 0: the row was altered or moved",
        ),
        (
            "DELETE FROM events WHERE position = 3",
            "version 3: missing, the next row is version 4 at position 4",
        ),
        ("DELETE FROM events WHERE position = 5", "version 5: missing, the head is at version 5"),
        ("UPDATE parents SET version = 4, count = 4", "version 5, position 5: the head is only at version 4"),
        ("UPDATE parents SET count = 4", "version 5, position 5: the head tells of another stream"),
    ],
)
def test_damage_is_told_in_full(log: EventLog, path: Path, statement: str, problem: str) -> None:
    tamper(path, statement)
    with pytest.raises(StoreDamagedError) as caught:
        list(log.read("p"))
    assert str(caught.value) == f"{path}: run 'p', {problem}"


def test_a_damaged_page_is_told_once_with_store_and_parent_and_what_comes_next(path: Path) -> None:
    with EventLog(SQLiteRecorder(path)) as log:
        log.append([FactBatch("p", 0, [fact(number) for number in range(1000, 1200)])])
    page = path.read_bytes().index(b'"c1150"') // 4096 * 4096
    with path.open("r+b") as file:
        file.seek(page)
        file.write(4096 * b"\x55")
    with EventLog(SQLiteRecorder(path)) as log:
        reading = log.read("p")
        seen = [next(reading).version for _ in range(64)]
        with pytest.raises(StoreDamagedError) as caught:
            list(reading)
    what = "the file is damaged (database disk image is malformed)"
    assert str(caught.value) == f"{path}: run 'p', version {seen[-1] + 1}: {what}"


@pytest.mark.parametrize("change", ["count = 'text'", "version = 'text'", "hash = 7"])
def test_an_unreadable_head_is_told_once_with_store_and_parent(log: EventLog, path: Path, change: str) -> None:
    tamper(path, "UPDATE parents SET @".replace("@", change))
    with pytest.raises(StoreDamagedError) as caught:
        list(log.read("p"))
    text = str(caught.value)
    assert text.startswith(f"{path}: run 'p': ")
    assert text.count(str(path)) == text.count("run 'p'") == 1
    assert not text.endswith(("None", ": "))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("data = 7", "the row was altered"),
        ("data = 'a text'", "the row was altered"),
        ("type = x'00'", "unknown event type b'.x00': a newer release .*"),
    ],
)
def test_a_row_of_other_kinds_than_are_ever_written_is_damage_in_the_tail_as_well(
    log: EventLog, path: Path, change: str, problem: str
) -> None:
    tamper(path, "UPDATE events SET @ WHERE position = 3".replace("@", change))
    with pytest.raises(StoreDamagedError, match=f"run 'p', version 3, position 3: {problem}$"):
        log.tail(0)
    assert len(log.tail(3)) == 2


def test_an_altered_row_of_the_tail_is_named_by_its_version_and_its_position(log: EventLog, path: Path) -> None:
    log.append([FactBatch("q", 0, [fact(1)])])
    tamper(path, "UPDATE events SET data = 7 WHERE position = 6")
    with pytest.raises(StoreDamagedError) as caught:
        log.tail(5)
    assert str(caught.value) == f"{path}: run 'q', version 1, position 6: the row was altered"


def test_a_name_that_cannot_be_hashed_is_damage() -> None:
    with EventLog(MemoryRecorder()) as memory:
        memory.append([FactBatch("p", 0, [fact(1), fact(2)])])
        recorder: Any = memory.recorder
        rows = recorder._streams["p"].rows
        rows[1] = rows[1]._replace(type="\ud800")
        with pytest.raises(StoreDamagedError, match=r"version 2, position 2: the row was altered$"):
            list(memory.read("p"))


# Reading on


def test_who_reads_on_after_an_event_that_is_gone_is_told(log: EventLog, path: Path) -> None:
    tamper(path, "DELETE FROM events WHERE position = 3")
    with pytest.raises(StoreDamagedError) as caught:
        list(log.read("p", after_version=3))
    assert str(caught.value) == f"{path}: run 'p', version 3: missing"
    assert [recorded.version for recorded in log.read("p", after_version=4)] == [5]


def test_who_reads_on_after_an_end_that_is_gone_is_told(log: EventLog, path: Path) -> None:
    tamper(path, "DELETE FROM events WHERE position > 3")
    with pytest.raises(StoreDamagedError, match=r"version 4: missing$"):
        list(log.read("p", after_version=4))


def test_who_reads_on_from_the_end_still_checks_it_against_the_head(log: EventLog, path: Path) -> None:
    assert list(log.read("p", after_version=5)) == []
    tamper(path, "UPDATE parents SET hash = zeroblob(32)")
    with pytest.raises(StoreDamagedError, match="the head tells of another stream"):
        list(log.read("p", after_version=5))


def test_there_is_nothing_after_where_a_stream_never_was(log: EventLog) -> None:
    assert list(log.read("nowhere", after_version=2)) == []
    assert list(log.read("p", after_version=6)) == []


def test_what_is_appended_between_the_last_row_and_the_head_is_read_as_well(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, late = log.recorder.head, [5, 6, 7]

    def meanwhile(parent_id: str) -> Head | None:
        if late:
            version = late.pop(0)
            log.append([FactBatch("p", version, [fact(version)])])
        return head(parent_id)

    monkeypatch.setattr(log.recorder, "head", meanwhile)
    assert [recorded.version for recorded in log.read("p")] == list(range(1, 9))


def test_rows_that_vanish_while_they_are_read_are_missed(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    head = log.recorder.head

    def ahead(parent_id: str) -> Head | None:
        found = head(parent_id)
        return None if found is None else replace(found, version=found.version + 1)

    monkeypatch.setattr(log.recorder, "head", ahead)
    with pytest.raises(StoreDamagedError, match="version 6: missing, the head is at version 6"):
        list(log.read("p"))
