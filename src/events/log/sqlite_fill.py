"""Filling an empty SQLite store with rows that have their positions already."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, Final

from events.errors import StoreDamagedError, UsageError
from events.log.record import Row
from events.log.sqlite_connection import Connection

_MANY: Final = 1000
_ROW: Final = "INSERT INTO events(position, parent, version, type, data, hash) VALUES (?, ?, ?, ?, ?, ?)"
_HEAD: Final = "INSERT INTO parents(parent, parent_id, count, version, hash) VALUES (?, ?, ?, ?, ?)"
_FILLED: Final = "SELECT EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM parents)"


def fill(connection: Connection, rows: Iterator[Row], location: str) -> None:
    """Write rows and heads in the transaction that is under way. See `Recorder.fill`."""
    if connection.number(_FILLED):
        raise UsageError(f"{location}: there are events in it; import into an empty store")
    try:
        for number, (parent_id, stream) in enumerate(groupby(rows, key=attrgetter("parent_id")), 1):
            count, last = 0, None
            while some := list(islice(stream, _MANY)):
                connection.executemany(_ROW, (_values(number, row) for row in some))
                count, last = count + len(some), some[-1]
            if last is not None:
                connection.execute(_HEAD, (number, parent_id, count, last.version, last.hash))
    except sqlite3.IntegrityError as error:
        raise StoreDamagedError(f"{location}: two events have one position, or two runs one id ({error})") from error


def _values(number: int, row: Row) -> tuple[Any, ...]:
    return row.position, number, row.version, row.type, row.data, row.hash
