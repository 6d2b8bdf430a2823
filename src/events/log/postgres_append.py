"""One transaction of a PostgreSQL store: waiting for all others, judging batches by the heads, writing rows and heads.

It takes two exchanges with the server. In the first it gets the lock that all writers of the store wait for, and reads
the heads as they are from then on. Only when it holds that lock is anything sent that a COMMIT follows: so whoever gets
the lock later knows that this transaction is over, however its connection ended.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import psycopg
from psycopg.pq.abc import PGresult

from events.errors import StoreDamagedError
from events.log.chain import START, Chain
from events.log.postgres_address import Address
from events.log.postgres_connection import Blobs, Connection, Numbers, Texts
from events.log.postgres_exchange import Call, Value, exchange
from events.log.record import Batch, Conflict, Head, Verdict, Written

LOCK: Final = 0x504F7263
"""Writers of a store hold the advisory lock of this number and the schema's own one until their transaction ends."""

_ROWS: Final = 10_000
_BYTES: Final = 16 * 1024 * 1024
"""So much is written by one statement."""

_PLACE: Final = b"SELECT position, parent FROM store"

_FURTHEST: Final = b"""
    SELECT greatest(position, (SELECT max(position) FROM events)),
      greatest(parent, (SELECT max(parent) FROM parents), (SELECT max(parent) FROM events))
    FROM store"""

_STRAY: Final = "SELECT 1 FROM events WHERE parent = %s AND version > %s LIMIT 1"

_DROPPED: Final = "SELECT 1 FROM dropped WHERE parent_id = %s"

STATEMENTS: Final = {
    b"heads": b"SELECT parent_id, parent, count, version, hash FROM parents WHERE parent_id = ANY($1::text[])",
    b"insert": b"""
        INSERT INTO events(position, parent, version, type, data, hash)
        SELECT $1::bigint + number, parent, version, type, data, hash
        FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::bytea[])
        WITH ORDINALITY AS new(parent, version, type, data, hash, number)""",
    b"upsert": b"""
        INSERT INTO parents(parent, parent_id, count, version, hash)
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[])
        ON CONFLICT (parent) DO UPDATE SET count = excluded.count, version = excluded.version, hash = excluded.hash""",
    b"move": b"UPDATE store SET position = $1::bigint, parent = $2::bigint",
    b"tell": b"SELECT set_config('synchronous_commit', 'off', true), pg_notify($1::text, '')",
}
"""Prepared on each connection that writes.

`tell` is a transaction of its own, which waits for no disk: within the other one it would make every program on the
server that notifies anybody wait for that one's disk."""

_INTEGER: Final = struct.Struct("!q").unpack

_Row = tuple[int, int, str, bytes, bytes]


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
        self._drops: bool | None = None
        """Whether anything was ever dropped from this store; None: nobody has asked yet."""
        self._streams: dict[str, _Known] = {}
        self._changed: dict[str, None] = {}
        self._rows: list[_Row] = []
        self._last_key = 0

    def begin(self, names: Sequence[str]) -> None:
        """Begin, and wait until nobody else writes; then read the heads of parents."""
        place = _FURTHEST if self._distrustful else _PLACE
        lock = f"SELECT pg_advisory_xact_lock({LOCK}, {self._address.key})"
        patience = f"SET LOCAL lock_timeout = {self._lock_milliseconds()}"
        calls = [Call(b"BEGIN"), Call(patience.encode()), Call(lock.encode()), Call(place)]
        if names:
            calls += [Call(b"heads", [texts(names)]), *self._further(names)]
        _, _, _, found, *heads = exchange(self._connection, calls)
        if found.ntuples != 1:
            raise StoreDamagedError(f"{self._address.location}: its table store does not have one row")
        self.first_position, self._last_key = number_at(found, 0, 0), number_at(found, 0, 1)
        self.last_position = self.first_position
        if heads:
            self._note(heads[0])
            self._hear(heads[1:])

    def _further(self, names: Sequence[str]) -> list[Call]:  # noqa: ARG002 - sealed stores ask for seals
        """Return what else is asked of parents in the exchange that begins the transaction."""
        return []

    def _hear(self, answers: Sequence[PGresult]) -> None:
        """Take the answers to that."""

    def look_up(self, name: str) -> None:
        """Read the head of one more parent."""
        [answer, *more] = exchange(self._connection, [Call(b"heads", [texts([name])]), *self._further([name])])
        self._note(answer)
        self._hear(more)

    def _note(self, found: PGresult) -> None:
        for row in range(found.ntuples):
            name, digest = found.get_value(row, 0) or b"", found.get_value(row, 4) or b""
            head = Head(number_at(found, row, 2), number_at(found, row, 3), digest)
            self._streams[name.decode()] = _Known(number_at(found, row, 1), head)

    def _lock_milliseconds(self) -> str:
        """Return how long to wait for the lock: so long that the server's answer still comes in time."""
        return str(max(1, int(self._connection.deadline.remaining_seconds() * 900)))

    def judge(self, batches: Sequence[Batch]) -> list[Verdict]:
        """Take the batches that fit, and return what becomes of each once this is committed."""
        return [self._take(batch) for batch in batches]

    def _take(self, batch: Batch) -> Verdict:
        known = self._streams.get(batch.parent_id)
        before = None if known is None else known.head
        if known is None and self._was_dropped(batch.parent_id):
            return Conflict(None)
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

    def _was_dropped(self, parent_id: str) -> bool:
        """Whether a parent of this id was archived and dropped: no other one ever gets its id."""
        if self._drops is None:
            self._drops = bool(self._connection.rows("SELECT to_regclass('dropped') IS NOT NULL")[0][0])
        return self._drops and bool(self._connection.rows(_DROPPED, (parent_id,)))

    def _has_stray_rows(self, known: _Known | None) -> bool:
        return known is not None and bool(self._connection.rows(_STRAY, (known.key, known.head.version)))

    def commit(self) -> bool:
        """Write everything and commit; then say so to whoever listens. False: the server gave the transaction up.

        Raises:
            psycopg.Error: it was not committed; or, where the connection was lost, nobody knows.
        """
        calls = [*self._changes(), Call(b"COMMIT"), Call(b"tell", [self._address.channel])]
        commit, answers = len(calls) - 2, list[PGresult]()
        try:
            exchange(self._connection, calls, answers)
        except psycopg.Error:
            if len(answers) <= commit or answers[commit].command_status != b"COMMIT":
                raise
        return answers[commit].command_status == b"COMMIT"

    def _changes(self) -> Iterator[Call]:
        position = self.first_position
        for rows in _parts(self._rows):
            keys, versions, names, data, hashes = zip(*rows, strict=True)
            yield Call(
                b"insert",
                [position, Numbers(keys), Numbers(versions), texts(names), Blobs(data), Blobs(hashes)],
            )
            position += len(rows)
        yield Call(b"upsert", self._heads())
        yield Call(b"move", [self.last_position, self._last_key])

    @property
    def proof(self) -> tuple[str, Head]:
        """A parent that this transaction writes to, and its head then: where that is on record, all of it is."""
        name = next(iter(self._changed))
        return name, self._streams[name].head

    def _heads(self) -> list[Value]:
        names = list(self._changed)
        streams = [self._streams[name] for name in names]
        heads = [stream.head for stream in streams]
        return [
            Numbers([stream.key for stream in streams]),
            texts(names),
            Numbers([head.count for head in heads]),
            Numbers([head.version for head in heads]),
            Blobs([head.hash for head in heads]),
        ]


def number_at(found: PGresult, row: int, column: int) -> int:
    """Return the number that an answer of the server has in a column."""
    number: int
    (number,) = _INTEGER(found.get_value(row, column) or b"")
    return number


def texts(names: Sequence[str]) -> Texts:
    """Return names as an array of texts."""
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
