"""What is read of a PostgreSQL store: the statements, and what is seen from within a transaction that writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from events.log.postgres_connection import Connection
from events.log.record import Head, Row
from events.log.recorder import LAST, Source

_ROWS: Final = 1000
"""How many rows are read at a time."""

HEAD: Final = "SELECT count, version, hash FROM parents WHERE parent_id = %s"

STREAM: Final = """
    SELECT position, version, type, data, hash FROM events
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = %s)
      AND version > %s AND version <= %s AND position <= %s
    ORDER BY version LIMIT %s"""

HASH: Final = """
    SELECT hash FROM events WHERE parent = (SELECT parent FROM parents WHERE parent_id = %s) AND version = %s"""


class Look(Source):
    """Streams as they stand in the transaction that is under way on a connection: nobody else changes them."""

    def __init__(self, connection: Connection, location: str) -> None:
        self.location = location
        self._connection = connection

    def head(self, parent_id: str) -> Head | None:
        """Return the head of a parent's stream; None where there is no such parent."""
        found = self._connection.rows(HEAD, (parent_id,))
        return Head(*found[0]) if found else None

    def rows(self, parent_id: str, *, after_version: int = 0, upto_position: int | None = None) -> Iterator[Row]:
        """Yield one stream's rows in order of version, some at a time."""
        upto = LAST if upto_position is None else upto_position
        while True:
            found = self._connection.rows(STREAM, (parent_id, after_version, LAST, upto, _ROWS))
            for position, version, name, data, digest in found:
                yield Row(position, parent_id, version, name, data, digest)
            if len(found) < _ROWS:
                return
            after_version = found[-1][1]
