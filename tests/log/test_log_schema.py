"""How a store is told from other databases, whatever is in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from events.errors import NotAStoreError, StoreDamagedError, StoreVersionError
from events.log import sqlite_schema
from events.log.sqlite_schema import is_empty


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        yield made


@pytest.fixture
def store(database: sqlite3.Connection) -> sqlite3.Connection:
    sqlite_schema.create(database)
    return database


def test_an_empty_database_and_a_store(database: sqlite3.Connection) -> None:
    assert is_empty(database, "a.db")
    sqlite_schema.create(database)
    assert not is_empty(database, "a.db")
    assert database.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"POrc", "big"),)
    assert database.execute("PRAGMA user_version").fetchone() == (1,)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE theirs(x)",
        "CREATE VIEW theirs AS SELECT 1",
        "PRAGMA application_id = 42",
        "PRAGMA user_version = 1",
        "PRAGMA user_version = -1",
    ],
)
def test_a_database_with_anything_in_it_is_somebody_elses(database: sqlite3.Connection, statement: str) -> None:
    database.execute(statement)
    with pytest.raises(NotAStoreError, match=r"^a\.db: it is another program's database"):
        is_empty(database, "a.db")


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE events",
        "DROP TABLE parents",
        "ALTER TABLE events ADD COLUMN more",
        "ALTER TABLE parents RENAME COLUMN hash TO hashes",
        "PRAGMA user_version = 0",
        "CREATE TRIGGER t AFTER INSERT ON events BEGIN SELECT 1; END",
        "CREATE TRIGGER t AFTER INSERT ON parents BEGIN SELECT 1; END",
    ],
)
def test_a_store_that_somebody_changed_is_none(store: sqlite3.Connection, statement: str) -> None:
    store.execute(statement)
    with pytest.raises(NotAStoreError, match=r"^a\.db: its tables are not those of a store"):
        is_empty(store, "a.db")


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE theirs(x)", "CREATE TRIGGER t AFTER INSERT ON theirs BEGIN SELECT 1; END"],
        ["CREATE TABLE theirs(x)", "CREATE TRIGGER events AFTER INSERT ON theirs BEGIN SELECT 1; END"],
        ["CREATE INDEX i ON events(type)"],
        ["CREATE VIEW v AS SELECT * FROM events"],
    ],
)
def test_what_stands_beside_its_tables_is_of_no_account(store: sqlite3.Connection, statements: list[str]) -> None:
    for statement in statements:
        store.execute(statement)
    assert not is_empty(store, "a.db")


def test_a_newer_format_names_both(store: sqlite3.Connection) -> None:
    store.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreVersionError, match=r"^a\.db: a newer release made it \(format 2, this one knows 1\)"):
        is_empty(store, "a.db")


def test_the_mark_makes_an_old_store_no_newer(store: sqlite3.Connection) -> None:
    store.execute("PRAGMA user_version = 0")
    sqlite_schema.mark(store)
    assert not is_empty(store, "a.db")


def test_an_extra_table_is_made_once(store: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sqlite_schema.EXTRAS, "extra", "CREATE TABLE extra(x)")
    for _ in range(2):
        sqlite_schema.ensure(store, "extra")
    found = store.execute("SELECT sql FROM sqlite_master WHERE name = 'extra'").fetchall()
    assert found == [("CREATE TABLE extra(x)",)]
    assert not is_empty(store, "a.db")


def test_an_extra_table_of_another_shape_is_damage(store: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sqlite_schema.EXTRAS, "extra", "CREATE TABLE extra(x)")
    store.execute("CREATE TABLE extra(x, y)")
    with pytest.raises(StoreDamagedError, match="its table extra is not the one"):
        sqlite_schema.ensure(store, "extra")
