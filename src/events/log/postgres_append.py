"""One transaction of a PostgreSQL store: waiting for all others, judging batches by the heads, writing rows and heads.

It takes two exchanges with the server. In the first it gets the lock that all writers of the store wait for, and reads
the heads as they are from then on. Only when it holds that lock is anything sent that a COMMIT follows: so whoever gets
the lock later knows that this transaction is over, however its connection ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import psycopg

from events.errors import StoreDamagedError
from events.log.chain import START, Chain
from events.log.postgres_address import Address
from events.log.postgres_connection import Blobs, Connection, Numbers, Texts
from events.log.record import Batch, Conflict, Head, Verdict, Written

LOCK: Final = 0x504F7263
"""Writers of a store hold the advisory lock of this number and the schema's own one until their transaction ends."""

_ROWS: Final = 10_000
_BYTES: Final = 16 * 1024 * 1024
"""So much is written by one statement."""

_HEADS: Final = """
    SELECT parent_id, parent, count, version, hash FROM parents WHERE parent_id = ANY(%s)"""

_PLACE: Final = "SELECT position, parent FROM store"

_FURTHEST: Final = """
    SELECT greatest(position, (SELECT max(position) FROM events)),
      greatest(parent, (SELECT max(parent) FROM parents), (SELECT max(parent) FROM events))
    FROM store"""

_STRAY: Final = "SELECT 1 FROM events WHERE parent = %s AND version > %s LIMIT 1"

_INSERT: Final = """
    INSERT INTO events(position, parent, version, type, data, hash)
    SELECT %s::bigint + number, parent, version, type, data, hash
    FROM unnest(%s, %s, %s, %s, %s) WITH ORDINALITY AS new(parent, version, type, data, hash, number)"""

_UPSERT: Final = """
    INSERT INTO parents(parent, parent_id, count, version, hash) SELECT * FROM unnest(%s, %s, %s, %s, %s)
    ON CONFLICT (parent) DO UPDATE SET count = excluded.count, version = excluded.version, hash = excluded.hash"""

_MOVE: Final = "UPDATE store SET position = %s, parent = %s"


class _Known(NamedTuple):
    """A stream as it stands in this transaction: its key in the tables and its head."""

    key: int
    head: Head


class Append:
    """What one transaction reads and writes. Use it once: `begin`, `judge`, then `commit` where anything is written."""

    def __init__(self, connection: Connection, address: Address, *, distrustful: bool) -> None:
        self.first_position = 0
        """The last position before this transaction; known once it has begun."""
        self.last_position = 0
        self._connection = connection
        self._address = address
        self._distrustful = distrustful
        self._streams: dict[str, _Known] = {}
        self._changed: dict[str, None] = {}
        self._rows: list[tuple[int, int, str, bytes, bytes]] = []
        self._last_key = 0

    def begin(self, names: Sequence[str]) -> None:
        """Begin, and wait until nobody else writes; then read the heads of parents."""
        connection = self._connection
        with connection.pipeline():
            connection.execute("BEGIN")
            connection.execute("SELECT set_config('lock_timeout', %s, true)", (self._lock_milliseconds(),))
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCK, self._address.key))
            place = connection.execute(_FURTHEST if self._distrustful else _PLACE, binary=True)
            heads = connection.execute(_HEADS, (list(names),), binary=True) if names else None
        found = place.fetchall()
        if len(found) != 1:
            raise StoreDamagedError(f"{self._address.location}: its table store does not have one row")
        [(self.first_position, self._last_key)] = found
        self.last_position = self.first_position
        self._note(heads.fetchall() if heads is not None else ())

    def look_up(self, name: str) -> None:
        """Read the head of one more parent."""
        self._note(self._connection.rows(_HEADS, ([name],)))

    def _note(self, found: Sequence[Any]) -> None:
        for name, key, count, version, digest in found:
            self._streams[name] = _Known(key, Head(count, version, digest))

    def _lock_milliseconds(self) -> str:
        """Return how long to wait for the lock: so long that the server's answer still comes in time."""
        return str(max(1, int(self._connection.deadline.remaining_seconds() * 900)))

    def judge(self, batches: Sequence[Batch]) -> list[Verdict]:
        """Take the batches that fit, and return what becomes of each once this is committed."""
        return [self._take(batch) for batch in batches]

    def _take(self, batch: Batch) -> Verdict:
        known = self._streams.get(batch.parent_id)
        before = None if known is None else known.head
        if not batch.fits(before) or (self._distrustful and self._has_stray_rows(known)):
            return Conflict(before)
        if known is None:
            self._last_key += 1
        key = self._last_key if known is None else known.key
        digest = START if before is None else before.hash
        for version, name, data, linked in Chain(batch.parent_id).extend(digest, batch.expected_version, batch.rows):
            self._rows.append((key, version, name, data, linked))
            digest = linked
        count = len(batch.rows)
        head = Head((0 if before is None else before.count) + count, batch.expected_version + count, digest)
        self._streams[batch.parent_id] = _Known(key, head)
        self._changed[batch.parent_id] = None
        first, self.last_position = self.last_position, self.last_position + count
        return Written(range(first + 1, self.last_position + 1), head)

    def _has_stray_rows(self, known: _Known | None) -> bool:
        return known is not None and bool(self._connection.rows(_STRAY, (known.key, known.head.version)))

    def commit(self) -> bool:
        """Write everything and commit; then say so to whoever listens. False: the server gave the transaction up.

        Raises:
            psycopg.Error: it was not committed; or, where the connection was lost, nobody knows.
        """
        connection, done = self._connection, None
        try:
            with connection.pipeline():
                self._send()
                done = connection.execute("COMMIT")
                connection.execute("SELECT pg_notify(%s, '')", (self._address.channel,))
        except psycopg.Error:
            if done is None or done.statusmessage != "COMMIT":
                raise
        return done.statusmessage == "COMMIT"

    def _send(self) -> None:
        connection, position = self._connection, self.first_position
        for rows in _parts(self._rows):
            keys, versions, names, data, hashes = zip(*rows, strict=True)
            values = (Numbers(keys), Numbers(versions), _texts(names), Blobs(data), Blobs(hashes))
            connection.execute(_INSERT, (position, *values))
            position += len(rows)
        connection.execute(_UPSERT, self._heads())
        connection.execute(_MOVE, (self.last_position, self._last_key))

    @property
    def proof(self) -> tuple[str, Head]:
        """A parent that this transaction writes to, and its head then: where that is on record, all of it is."""
        name = next(iter(self._changed))
        return name, self._streams[name].head

    def _heads(self) -> tuple[Numbers, Texts, Numbers, Numbers, Blobs]:
        names = list(self._changed)
        streams = [self._streams[name] for name in names]
        heads = [stream.head for stream in streams]
        return (
            Numbers([stream.key for stream in streams]),
            _texts(names),
            Numbers([head.count for head in heads]),
            Numbers([head.version for head in heads]),
            Blobs([head.hash for head in heads]),
        )


def _texts(names: Sequence[str]) -> Texts:
    return Texts([name.encode() for name in names])


def _parts(
    rows: Sequence[tuple[int, int, str, bytes, bytes]],
) -> Iterator[Sequence[tuple[int, int, str, bytes, bytes]]]:
    """Split rows into as many as one statement is to write."""
    start, size = 0, 0
    for end, row in enumerate(rows):
        if end > start and (end - start >= _ROWS or size + len(row[3]) > _BYTES):
            yield rows[start:end]
            start, size = end, 0
        size += len(row[3])
    yield rows[start:]
