"""A PostgreSQL store as an SQLite file, and back: row by row, with the same keys, positions, hashes, proofs and seals.

Views are left out: whoever opens the store makes them anew from its events.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final, LiteralString

from psycopg.sql import SQL, Composed, Identifier

from events.errors import UsageError
from events.log import postgres_schema, sqlite_schema
from events.log.errors import translated
from events.log.postgres_connection import Connection
from events.log.postgres_tables import COLUMNS, EXTRA_COLUMNS
from events.log.sqlite_connection import Connection as FileConnection
from events.log.sqlite_connection import open_reader
from events.log.sqlite_file import StoreFile

_ORDERS: Final[dict[LiteralString, tuple[LiteralString, ...]]] = {
    "parents": ("parent",),
    "events": ("position",),
    "parent_keys": ("number",),
    "dropped": ("number",),
    "seals": ("parent",),
    "store_seal": ("one",),
    "snapshots": ("parent", "version"),
}
"""What is copied, and in which order: the tables have the same names and columns in both."""
_ROWS: Final = 500
"""How many rows are held in memory at a time; of snapshots, which may be large, one."""

_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_IS_THERE: Final = "SELECT to_regclass(%s) IS NOT NULL"
_FILLED: Final = """
    SELECT EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM parents)
      OR EXISTS (SELECT 1 FROM store WHERE position > 0)"""
_PLACE: Final = """
    UPDATE store SET position = greatest(%s::bigint, (SELECT max(position) FROM events)),
      parent = coalesce((SELECT max(parent) FROM parents), 0)"""
_COUNTER: Final = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'"


def names_of(table: str) -> list[str]:
    """Return the names of a table's columns."""
    columns = COLUMNS[table] if table in COLUMNS else EXTRA_COLUMNS[table]
    return [column.partition(" ")[0] for column in columns]


def save(connection: Connection, path: Path, named: str) -> None:
    """Write a store as it is at one instant to an empty file. Nobody who writes to it waits.

    The connection is one of its own, whose transactions may take long.
    """
    connection.execute(_BEGIN)
    try:
        with closing(sqlite3.connect(str(path), isolation_level=None)) as file:
            file.execute("PRAGMA journal_mode = OFF")  # nobody sees the file before all of it is on disk
            file.execute("PRAGMA synchronous = OFF")
            file.execute("BEGIN")
            sqlite_schema.create(file)
            for table in _ORDERS:
                if table in COLUMNS or connection.rows(_IS_THERE, (table,)) == [(True,)]:
                    _save_table(connection, file, table)
            [(position,)] = connection.rows("SELECT position FROM store")
            file.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")
            file.execute("INSERT INTO sqlite_sequence(name, seq) VALUES ('events', ?)", (position,))
            file.execute("COMMIT")
    except sqlite3.Error as error:
        raise translated(error, f"copying to {named}") from error


def _save_table(connection: Connection, file: sqlite3.Connection, table: LiteralString) -> None:
    names = names_of(table)
    if table not in COLUMNS:
        sqlite_schema.ensure(file, table)
    insert = f"INSERT INTO {table}({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - ours
    columns, order = _listed(names), _listed(_ORDERS[table])
    select = SQL("DECLARE copied NO SCROLL CURSOR FOR SELECT {} FROM {} ORDER BY {}")
    connection.execute(select.format(columns, Identifier(table), order))
    fetch: LiteralString = "FETCH 1 FROM copied" if table == "snapshots" else f"FETCH {_ROWS} FROM copied"
    while found := connection.rows(fetch):
        file.executemany(insert, found)
    connection.execute("CLOSE copied")


def load(connection: Connection, path: Path, location: str) -> None:
    """Write all that a file holds, in the transaction that is under way, to a store that is empty.

    Raises:
        UsageError: it is not empty.
        StoreError: the file cannot be read.
    """
    if connection.rows(_FILLED) != [(False,)]:
        raise UsageError(f"{location}: there are events in it, or were; restore into an empty store")
    source = StoreFile(path)
    source.open(must_exist=True)
    try:
        with closing(open_reader(FileConnection, source)) as file:
            file.execute("BEGIN")
            there = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table in _ORDERS:
                if table in there:
                    _load_table(connection, file, table, location)
            position = file.execute(_COUNTER).fetchone()[0]
    except sqlite3.Error as error:
        raise translated(error, str(path)) from error
    connection.execute(_PLACE, (position,))


def _load_table(connection: Connection, file: sqlite3.Connection, table: LiteralString, location: str) -> None:
    names = names_of(table)
    if table not in COLUMNS:
        postgres_schema.ensure(connection, table)
        filled = SQL("SELECT EXISTS (SELECT 1 FROM {})").format(Identifier(table))
        if connection.execute(filled).fetchall() != [(False,)]:
            raise UsageError(f"{location}: its table {table} is not empty; restore into an empty store")
    copy = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table), _listed(names))
    select = f"SELECT {', '.join(names)} FROM {table} ORDER BY {', '.join(_ORDERS[table])}"  # noqa: S608 - ours
    with connection.cursor() as cursor, cursor.copy(copy) as copied:
        for row in file.execute(select):
            copied.write_row(row)


def _listed(names: list[str] | tuple[str, ...]) -> Composed:
    return SQL(", ").join(map(Identifier, names))
