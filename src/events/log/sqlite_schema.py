"""What an SQLite store looks like inside, for ever, and how one is told from other programs' databases."""

from __future__ import annotations

import sqlite3
from typing import Final

from events.errors import NotAStoreError, StoreDamagedError, StoreVersionError

APPLICATION_ID: Final = 0x504F7263
"""Our mark in the file's header: "POrc", for parallel orchestrator."""

FORMAT_VERSION: Final = 1

TABLES: Final = {
    "parents": (
        "CREATE TABLE parents(parent INTEGER PRIMARY KEY, parent_id TEXT NOT NULL UNIQUE,"
        " count INTEGER NOT NULL, version INTEGER NOT NULL, hash BLOB NOT NULL)"
    ),
    "events": (
        "CREATE TABLE events(position INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL,"
        " version INTEGER NOT NULL, type TEXT NOT NULL, data BLOB NOT NULL, hash BLOB NOT NULL,"
        " UNIQUE(parent, version))"
    ),
}
"""`parents` holds the head of each stream: events, last version, last hash. A position is never given out twice."""

EXTRAS: Final[dict[str, str]] = {
    "seals": (
        "CREATE TABLE seals(parent INTEGER PRIMARY KEY, count INTEGER NOT NULL, closed BLOB NOT NULL,"
        " first INTEGER NOT NULL, last INTEGER NOT NULL, seal BLOB NOT NULL)"
    ),
    "store_seal": (
        "CREATE TABLE store_seal(one INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL, store BLOB NOT NULL,"
        " runs INTEGER NOT NULL, events INTEGER NOT NULL, position INTEGER NOT NULL, seal BLOB NOT NULL)"
    ),
    "snapshots": (
        "CREATE TABLE snapshots(parent INTEGER NOT NULL, version INTEGER NOT NULL, position INTEGER NOT NULL,"
        " at INTEGER NOT NULL, hash BLOB NOT NULL, code TEXT NOT NULL, digest BLOB NOT NULL, body BLOB NOT NULL,"
        " PRIMARY KEY(parent, version))"
    ),
}
"""Tables that a store has only once they are needed, by name. Stores of earlier releases have none of them."""


def is_empty(connection: sqlite3.Connection, location: str) -> bool:
    """Whether the database is still empty; False means that it is a store of this format. Writes nothing.

    Raises:
        NotAStoreError: it is another program's database, or its tables are not ours.
        StoreVersionError: a newer release made it.
    """
    application = _number(connection, "PRAGMA application_id")
    version = _number(connection, "PRAGMA user_version")
    found = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    if application == 0 and version == 0 and not found:
        return True
    if application != APPLICATION_ID:
        raise NotAStoreError(f"{location}: it is another program's database; give another path")
    if version > FORMAT_VERSION:
        raise StoreVersionError(
            f"{location}: a newer release made it (format {version}, this one knows {FORMAT_VERSION}); use that release"
        )
    tables = {name: sql for kind, name, _, sql in found if kind == "table"}
    triggers = [name for kind, name, table, _ in found if kind == "trigger" and (table in TABLES or table in EXTRAS)]
    if version != FORMAT_VERSION or triggers or any(tables.get(name) != sql for name, sql in TABLES.items()):
        raise NotAStoreError(f"{location}: its tables are not those of a store; give another path")
    return False


def create(connection: sqlite3.Connection) -> None:
    """Make an empty database a store. The caller holds the transaction."""
    for statement in TABLES.values():
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    mark(connection)


def ensure(connection: sqlite3.Connection, *names: str) -> None:
    """Make those of the extra tables that are not there yet. The caller holds the transaction.

    Raises:
        StoreDamagedError: a table of that name is another one than is ever made here.
    """
    for name in names:
        found = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        if found is None:
            connection.execute(EXTRAS[name])
        elif found[0] != EXTRAS[name]:
            raise StoreDamagedError(f"its table {name} is not the one that is made there")


def mark(connection: sqlite3.Connection) -> None:
    """Write the format's version. It changes nothing in a store, but gives a transaction something to commit."""
    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")


def _number(connection: sqlite3.Connection, statement: str) -> int:
    number: int
    [number] = connection.execute(statement).fetchone()
    return number
