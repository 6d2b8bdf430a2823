"""Filling an empty PostgreSQL store with rows that have their positions already, or with a whole backup."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import Final

import psycopg

from events.errors import StoreDamagedError, UsageError
from events.log.postgres_connection import Blobs, Connection, Numbers, Texts
from events.log.postgres_errors import is_unique_violation
from events.log.postgres_exchange import Call, exchange, prepare
from events.log.record import Row

_ROWS: Final = 1000
_BYTES: Final = 16 * 1024 * 1024
"""So much is written by one statement."""

_FILLED: Final = """
    SELECT EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM parents)
      OR EXISTS (SELECT 1 FROM store WHERE position > 0)"""

_STATEMENTS: Final = {
    b"fill": b"""
        INSERT INTO events(position, parent, version, type, data, hash)
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::bytea[])""",
    b"fill_head": b"INSERT INTO parents(parent, parent_id, count, version, hash) VALUES ($1, $2, $3, $4, $5)",
    b"fill_move": b"UPDATE store SET position = $1::bigint, parent = $2::bigint",
}


def fill(connection: Connection, rows: Iterator[Row], location: str) -> None:
    """Write rows and heads in the transaction that is under way. See `Recorder.fill`."""
    if connection.rows(_FILLED) != [(False,)]:
        raise UsageError(f"{location}: there are events in it, or were; import into an empty store")
    prepare(connection, _STATEMENTS)
    last_position = number = 0
    try:
        for number, (parent_id, stream) in enumerate(groupby(rows, key=attrgetter("parent_id")), 1):
            count, last = 0, None
            for some in _parts(stream):
                exchange(connection, [Call(b"fill", _columns(number, some))])
                count, last = count + len(some), some[-1]
                last_position = max(last_position, *(row.position for row in some))
            if last is not None:
                values = [number, parent_id.encode(), count, last.version, last.hash]
                exchange(connection, [Call(b"fill_head", values)])
        exchange(connection, [Call(b"fill_move", [last_position, number])])
    except psycopg.Error as error:
        if not is_unique_violation(error):
            raise
        raise StoreDamagedError(f"{location}: two events have one position, or two runs one id ({error})") from error


def _columns(number: int, rows: list[Row]) -> list[Numbers | Texts | Blobs]:
    return [
        Numbers([row.position for row in rows]),
        Numbers([number] * len(rows)),
        Numbers([row.version for row in rows]),
        Texts([row.type.encode() for row in rows]),
        Blobs([row.data for row in rows]),
        Blobs([row.hash for row in rows]),
    ]


def _parts(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Yield as many rows at a time as one statement is to write."""
    some: list[Row] = []
    size = 0
    for row in rows:
        if some and (len(some) >= _ROWS or size + len(row.data) > _BYTES):
            yield some
            some, size = [], 0
        some.append(row)
        size += len(row.data)
    if some:
        yield some
