"""What is seen of an SQLite store from within a transaction that writes: nobody else can change it meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from events.errors import Place, StoreDamagedError
from events.log.errors import is_undecodable
from events.log.record import Head, Row
from events.log.recorder import LAST, SOME_BYTES_MAX, Source
from events.log.sqlite_connection import Connection

_ROWS: Final = 1000
"""How many rows are read at a time."""

_DATA: Final = 3
"""Where the data stand in a row of `STREAM`."""

HEAD: Final = "SELECT count, version, hash FROM parents WHERE parent_id = ?"

STREAM: Final = """
    SELECT position, version, type, data, hash FROM events
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?)
      AND version > ? AND version <= ? AND position <= ?
    ORDER BY version LIMIT ?"""


class Look(Source):
    """Streams as they stand in the transaction that is under way on a connection."""

    def __init__(self, connection: Connection, location: str) -> None:
        self.location = location
        self._connection = connection

    def head(self, parent_id: str) -> Head | None:
        """Return the head of a parent's stream. Raises StoreDamagedError where it was altered."""
        return sound_head(self._read(HEAD, (parent_id,)), parent_id, self.location)

    def rows(self, parent_id: str, *, after_version: int = 0, upto_position: int | None = None) -> Iterator[Row]:
        """Yield one stream's rows in order of version, some at a time."""
        upto = LAST if upto_position is None else upto_position
        while True:
            found = self._read(STREAM, (parent_id, after_version, LAST, upto, _ROWS), some_rows)
            for position, version, name, data, digest in found:
                yield Row(position, parent_id, version, name, data, digest)
            last = found[-1][1] if found else after_version
            ended = len(found) < _ROWS and sum(map(_size, found)) < SOME_BYTES_MAX
            if ended or type(last) is not int or last <= after_version:  # the end, or a damaged index
                return
            after_version = last

    def _read(
        self,
        statement: str,
        values: Sequence[Any],
        fetch: Callable[[sqlite3.Cursor], list[Any]] = sqlite3.Cursor.fetchall,
    ) -> list[Any]:
        try:
            return fetch(self._connection.execute(statement, values))
        except sqlite3.Error as error:
            if is_undecodable(error):
                return self._connection.with_bytes_for_bad_text(statement, values, fetch)
            raise


def some_rows(cursor: sqlite3.Cursor) -> list[Any]:
    """Return the rows of a stream that a statement yields, up to the one with which they are `SOME_BYTES_MAX`.

    A store that somebody made up may have rows of a gigabyte each, so memory is bounded by two such, not by all.
    """
    rows: list[Any] = []
    left = SOME_BYTES_MAX
    for row in cursor:
        rows.append(row)
        data = row[_DATA]
        left -= len(data) if type(data) is bytes else _size(row)  # a call less where all is as it should be
        if left <= 0:
            break
    cursor.close()
    return rows


def _size(row: Sequence[Any]) -> int:
    data = row[_DATA]
    return len(data) if isinstance(data, bytes | str) else 0


def sound_head(found: Sequence[Any], parent_id: str, location: str) -> Head | None:
    """Return the head that a reading found; None where it found none.

    Raises:
        StoreDamagedError: it was altered.
    """
    if not found:
        return None
    [row] = found
    head = Head(*row)
    if not head.is_sound:
        raise StoreDamagedError.at(location, Place(parent_id, None, None, "its head was altered"))
    return head
