"""Damage is found: every way to tamper with a store is tried, and reading says where."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from events.errors import StoreDamagedError, StoreVersionError
from events.facts import ChildCreated
from events.log import Batch, Conflict, EventLog, FactBatch, SQLiteRecorder, Written


def fact(number: int) -> ChildCreated:
    return ChildCreated(at=number, child_id=f"c{number}")


@pytest.fixture
def log(path: Path) -> Iterator[EventLog]:
    """A log of two parents, p and q, whose events take turns: p has versions 1 to 5 at positions 1, 3, 5, 7, 9."""
    with EventLog(SQLiteRecorder(path)) as made:
        for number in range(5):
            made.append([FactBatch("p", number, [fact(number)]), FactBatch("q", number, [fact(number)])])
        yield made


def tamper(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        for statement in statements:
            assert raw.execute(statement).rowcount > 0


ALTERED = {
    "changed byte": ("UPDATE events SET data = replace(data, 'c2', 'c7') WHERE position = 5", 3),
    "changed type": ("UPDATE events SET type = 'ParentSettled' WHERE position = 5", 3),
    "unknown type": ("UPDATE events SET type = 'os.system' WHERE position = 5", 3),
    "type that is no text": ("UPDATE events SET type = CAST(x'ff' AS TEXT) WHERE position = 5", 3),
    "data of another kind": ("UPDATE events SET data = CAST(data AS TEXT) WHERE position = 5", 3),
    "type of another kind": ("UPDATE events SET type = x'00' WHERE position = 5", 3),
    "data that is a number": ("UPDATE events SET data = 7 WHERE position = 5", 3),
    "changed hash": ("UPDATE events SET hash = zeroblob(32) WHERE position = 5", 3),
    "hash of another kind": ("UPDATE events SET hash = 'text' WHERE position = 5", 3),
    "first row deleted": ("DELETE FROM events WHERE position = 1", 1),
    "middle row deleted": ("DELETE FROM events WHERE position = 5", 3),
    "tail cut": ("DELETE FROM events WHERE position = 9", 5),
    "everything deleted": ("DELETE FROM events WHERE parent = 1", 1),
    "version that is text": ("UPDATE events SET version = 'three' WHERE position = 5", 3),
    "moved to another position": ("UPDATE events SET position = 100 WHERE position = 5", 4),
    "head behind": ("UPDATE parents SET version = 4, count = 4 WHERE parent = 1", 5),
    "head ahead": ("UPDATE parents SET version = 6, count = 6 WHERE parent = 1", 6),
    "head's hash": ("UPDATE parents SET hash = zeroblob(32) WHERE parent = 1", 5),
    "head's count": ("UPDATE parents SET count = 9 WHERE parent = 1", 5),
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_stream_is_found_and_the_others_go_on(log: EventLog, path: Path, name: str) -> None:
    statement, version = ALTERED[name]
    tamper(path, statement)
    with pytest.raises(StoreDamagedError) as caught:
        list(log.read("p"))
    assert f"{path}: run 'p', version {version}" in str(caught.value)
    assert len(list(log.read("q"))) == 5
    assert isinstance(log.append([FactBatch("q", 5, [fact(5)])])[0], Written)


def test_the_place_is_named_with_its_position(log: EventLog, path: Path) -> None:
    tamper(path, "UPDATE events SET data = replace(data, 'c2', 'c7') WHERE position = 5")
    with pytest.raises(StoreDamagedError, match=r"run 'p', version 3, position 5: "):
        list(log.read("p"))


def test_what_came_before_the_damage_is_read(log: EventLog, path: Path) -> None:
    tamper(path, "DELETE FROM events WHERE position = 5")
    reading = log.read("p")
    assert [next(reading).version, next(reading).version] == [1, 2]
    with pytest.raises(StoreDamagedError):
        next(reading)


CUT_HEAD = """
    UPDATE parents SET count = 4, version = 4, hash = (SELECT hash FROM events WHERE position = 7) WHERE parent = 1"""

SWAPPED = {
    "data": (
        """UPDATE events SET data = CAST('{"at":3,"child_id":"c3"}' AS BLOB) WHERE position = 5""",
        """UPDATE events SET data = CAST('{"at":2,"child_id":"c2"}' AS BLOB) WHERE position = 7""",
    ),
    "versions": (
        "UPDATE events SET version = -1 WHERE position = 5",
        "UPDATE events SET version = 3 WHERE position = 7",
        "UPDATE events SET version = 4 WHERE position = 5",
    ),
    "positions": (
        "UPDATE events SET position = -1 WHERE position = 5",
        "UPDATE events SET position = 5 WHERE position = 7",
        "UPDATE events SET position = 7 WHERE position = -1",
    ),
    "streams": (
        "UPDATE events SET parent = -1 WHERE position = 5",
        "UPDATE events SET parent = 1 WHERE position = 6",
        "UPDATE events SET parent = 2 WHERE position = 5",
    ),
}


@pytest.mark.parametrize("name", SWAPPED)
def test_swapped_rows_are_found(log: EventLog, path: Path, name: str) -> None:
    tamper(path, *SWAPPED[name])
    with pytest.raises(StoreDamagedError, match=r"run 'p', version [34]"):
        list(log.read("p"))


def test_a_consistently_cut_tail_is_found_by_who_knew_it(log: EventLog, path: Path) -> None:
    known = list(log.read("p"))
    tamper(
        path,
        "DELETE FROM events WHERE position = 9",
        CUT_HEAD,
    )
    assert len(list(log.read("p"))) == 4
    with pytest.raises(StoreDamagedError, match="only at version 4"):
        list(log.read("p", after_version=5, after_hash=known[4].hash))


def test_a_consistently_rewritten_past_is_found_by_who_knew_it(log: EventLog, path: Path) -> None:
    known = list(log.read("p"))
    assert list(log.read("p", after_version=3, after_hash=known[2].hash)) == known[3:]
    with pytest.raises(StoreDamagedError, match="version 4, position 7: "):
        list(log.read("p", after_version=3, after_hash=known[1].hash))
    with pytest.raises(StoreDamagedError, match="version 5"):
        list(log.read("p", after_version=5, after_hash=known[1].hash))


def test_a_parent_without_a_head_shows_in_the_tail_and_in_what_is_known(log: EventLog, path: Path) -> None:
    known = list(log.read("p"))
    tamper(path, "DELETE FROM parents WHERE parent = 1")
    with pytest.raises(StoreDamagedError, match="position 1: it belongs to no run"):
        log.tail(0)
    with pytest.raises(StoreDamagedError, match="no head"):
        list(log.read("p", after_version=5, after_hash=known[4].hash))


def test_the_key_of_a_deleted_parent_is_not_given_to_another(log: EventLog, path: Path) -> None:
    tamper(path, "DELETE FROM parents WHERE parent = 2")
    assert isinstance(log.append([FactBatch("new", 0, [fact(0)])])[0], Written)
    assert len(list(log.read("new"))) == 1


def test_an_unknown_type_is_damage_and_leads_to_no_import(log: EventLog) -> None:
    log.recorder.append([Batch("x", 0, [("this:module", b"{}")]), Batch("y", 0, [("ChildCreated", b"no JSON")])])
    with pytest.raises(StoreDamagedError, match=r"run 'x', version 1, position 11: .*this:module"):
        list(log.read("x"))
    with pytest.raises(StoreDamagedError, match="run 'y', version 1, position 12: unreadable ChildCreated"):
        list(log.read("y"))
    with pytest.raises(StoreDamagedError, match=r"run 'x', version 1, position 11: .*this:module"):
        log.tail(10)


def test_a_schema_that_is_no_text_is_damage(path: Path) -> None:
    """SQLite names the bad part in its message, which then is no text either."""
    SQLiteRecorder(path).close()
    data = path.read_bytes()
    path.write_bytes(data.replace(b"sqlite_autoindex_parents_1", b"sqlite_auto\xc2ndex_parents_1"))
    with pytest.raises(StoreDamagedError, match=r"store\.db: the file is damaged"):
        SQLiteRecorder(path)


def test_an_event_of_a_newer_release_is_named(log: EventLog) -> None:
    log.recorder.append([Batch("x", 0, [("ChildCreated", b'{"v":2,"at":1,"child_id":"a"}')])])
    with pytest.raises(StoreVersionError, match="run 'x', version 1, position 11"):
        list(log.read("x"))


@pytest.mark.parametrize("change", ["count = 'text'", "version = 'text'", "hash = 'text'", "hash = 7"])
def test_an_unreadable_head_keeps_only_its_own_parent_out(log: EventLog, path: Path, change: str) -> None:
    tamper(path, "UPDATE parents SET @ WHERE parent = 1".replace("@", change))
    own, other = log.append([FactBatch("p", 5, [fact(5)]), FactBatch("q", 5, [fact(5)])])
    assert isinstance(own, Conflict)
    assert isinstance(other, Written)
    with pytest.raises(StoreDamagedError, match="run 'p'"):
        list(log.read("p"))


def test_rows_beyond_a_head_keep_only_their_own_parent_out(log: EventLog, path: Path) -> None:
    """The damaged one is told of a conflict, reads its stream, and so learns of the damage."""
    tamper(
        path,
        CUT_HEAD,
    )
    own, other, new = log.append(
        [FactBatch("p", 4, [fact(5)]), FactBatch("q", 5, [fact(5)]), FactBatch("new", 0, [fact(1)])]
    )
    assert own == Conflict(log.head("p"))
    assert isinstance(other, Written)
    assert isinstance(new, Written)
    with pytest.raises(StoreDamagedError, match="run 'p', version 5"):
        list(log.read("p"))
    assert len(list(log.read("q"))) == 6
