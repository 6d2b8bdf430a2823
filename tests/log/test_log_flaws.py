"""What is wrong with a store as a whole, in the words in which it is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from events.errors import Place, StoreDamagedError
from events.log import sqlite_schema
from events.log.sqlite_flaws import flaws

EVENTS = 6


@pytest.fixture
def store() -> Iterator[sqlite3.Connection]:
    """A store of two parents whose six events stand at the positions 1 to 6, by turns."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        sqlite_schema.create(made)
        for number, name in enumerate(("p", "q"), 1):
            made.execute("INSERT INTO parents VALUES (?, ?, 3, 3, x'00')", (number, name))
        for place in range(EVENTS):
            add(made, place % 2 + 1, place // 2 + 1)
        yield made


def add(store: sqlite3.Connection, parent: int, version: int) -> None:
    store.execute(
        "INSERT INTO events(parent, version, type, data, hash) VALUES (?, ?, 'A', x'', x'')", (parent, version)
    )


def told(store: sqlite3.Connection, *statements: str) -> list[Place]:
    for statement in statements:
        store.execute(statement)
    return list(flaws(lambda statement, values: store.execute(statement, values).fetchall()))


def at(position: int | None, problem: str) -> Place:
    return Place(None, None, position, problem)


def test_a_sound_store_has_none(store: sqlite3.Connection) -> None:
    assert told(store) == []


def test_a_store_without_any_event_has_none() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        sqlite_schema.create(made)
        assert told(made) == []


@pytest.mark.parametrize(
    ("statement", "places"),
    [
        ("DELETE FROM events WHERE position = 1", [at(2, "position 1 before it: deleted")]),
        ("DELETE FROM events WHERE position = 3", [at(4, "position 3 before it: deleted")]),
        ("DELETE FROM events WHERE position IN (3, 4)", [at(5, "positions 3 to 4 before it: deleted")]),
        ("DELETE FROM events WHERE position < 4", [at(4, "positions 1 to 3 before it: deleted")]),
        ("DELETE FROM events WHERE position = 6", [at(None, "position 6 at the end: deleted")]),
        ("DELETE FROM events WHERE position > 4", [at(None, "positions 5 to 6 at the end: deleted")]),
        ("DELETE FROM events", [at(None, "positions 1 to 6 at the end: deleted")]),
        ("UPDATE events SET parent = 7 WHERE position = 2", [at(2, "it belongs to no run")]),
        ("UPDATE events SET version = 0 WHERE position = 2", [at(2, "its version is 0, so no stream shows it")]),
        ("UPDATE events SET version = 'x' WHERE position = 2", [at(2, "its version is 'x', so no stream shows it")]),
        (
            "UPDATE events SET position = 0 WHERE position = 1",
            [at(0, "positions begin with 1"), at(2, "position 1 before it: deleted")],
        ),
        (
            "UPDATE events SET position = -7 WHERE position = 1",
            [at(-7, "positions begin with 1"), at(2, "position 1 before it: deleted")],
        ),
        (
            "UPDATE sqlite_sequence SET seq = 5",
            [at(None, "its counter of positions is at 5, its last position is 6")],
        ),
        (
            "UPDATE sqlite_sequence SET seq = 'x'",
            [at(None, "its counter of positions is at 'x', its last position is 6")],
        ),
        (
            "DELETE FROM sqlite_sequence",
            [at(None, "its counter of positions is at 0, its last position is 6")],
        ),
    ],
)
def test_each_flaw_is_told_with_its_place(store: sqlite3.Connection, statement: str, places: list[Place]) -> None:
    assert told(store, statement) == places


def test_one_lost_position_of_one(store: sqlite3.Connection) -> None:
    store.execute("DELETE FROM events")
    store.execute("UPDATE sqlite_sequence SET seq = 1")
    assert told(store) == [at(None, "position 1 at the end: deleted")]


def test_ten_flaws_of_a_kind_are_told_one_by_one_and_no_more(store: sqlite3.Connection) -> None:
    for version in range(4, 24):
        add(store, 1, version)
    places = told(store, "UPDATE events SET parent = 9 WHERE position > 6")
    assert places == [at(position, "it belongs to no run") for position in range(7, 17)]


def test_a_store_of_many_pages_is_looked_at_to_its_end() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        sqlite_schema.create(made)
        made.execute("INSERT INTO parents VALUES (1, 'p', 3, 3, x'00')")
        count = 20_001
        rows = ((number,) for number in range(1, count + 1))
        made.executemany("INSERT INTO events(parent, version, type, data, hash) VALUES (1, ?, 'A', x'', x'')", rows)
        asked: list[Sequence[Any]] = []

        def read(statement: str, values: Sequence[Any]) -> list[Any]:
            asked.append(values)
            found = made.execute(statement, values).fetchall()
            assert len(found) <= 10_000, "memory stays bounded"
            return found

        assert list(flaws(read)) == []
        assert [values[0] for values in asked if values] == [-(2**63), 10_000, 20_000, 20_001]
        made.execute("DELETE FROM events WHERE position = 20000")
        assert list(flaws(read)) == [at(20_001, "position 20000 before it: deleted")]


def answering(pages: list[list[Any]], counter: tuple[Any, Any] = (2, 2)) -> Any:
    """Return a reader of a store in which SQLite says what it likes."""
    answers = iter(pages)

    def read(statement: str, _: object) -> list[Any]:
        if "integrity_check" in statement:
            return [("ok",)]
        return [counter] if "sqlite_sequence" in statement else next(answers)

    return read


def test_events_out_of_order_end_the_look_at_positions() -> None:
    for pages in ([[(1, 1, 1), (1, 2, 1), (9, 3, 1)]], [[(1, 1, 1)], [(1, 2, 1)]]):
        assert list(flaws(answering(pages))) == [
            at(None, "its events are out of order: position 1 comes after position 1")
        ]


def test_what_sqlite_finds_is_told_in_one_line_each() -> None:
    def read(statement: str, _: object) -> list[Any]:
        if "integrity_check" in statement:
            assert statement == "PRAGMA integrity_check(10)"
            return [("row 3 missing\nfrom  index",), ("ok",), (7,)]
        return [(None, None)] if "sqlite_sequence" in statement else []

    assert list(flaws(read)) == [
        at(None, "SQLite finds its file damaged: row 3 missing from index"),
        at(None, "SQLite finds its file damaged: 7"),
    ]


@pytest.mark.parametrize("fails_at", ["integrity_check", "NOT INDEXED WHERE", "sqlite_sequence"])
def test_what_cannot_be_read_is_told_and_the_rest_is_looked_at(fails_at: str) -> None:
    asked: list[str] = []

    def read(statement: str, _: object) -> list[Any]:
        asked.append(statement)
        if fails_at in statement:
            raise StoreDamagedError("torn")
        if "integrity_check" in statement:
            return [("ok",)]
        return [(None, None)] if "sqlite_sequence" in statement else []

    assert list(flaws(read)) == [at(None, "torn")]
    assert len(asked) == (2 if "WHERE" in fails_at else 3)
