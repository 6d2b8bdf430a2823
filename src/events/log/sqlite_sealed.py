"""The recorder of a sealed SQLite store: it writes nothing without a seal, and trusts no head without one that fits."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from events.catalogue import DEFAULT_CATALOGUE
from events.errors import AuditKeyError, StoreDamagedError
from events.limits import BUSY_TIMEOUT_SECONDS
from events.log import sqlite_fill, sqlite_schema, sqlite_seals
from events.log.audit_key import AuditKey
from events.log.reading import Reading
from events.log.record import Batch, Head, Row, Verdict
from events.log.seals import NONCE_BYTES, Places, RunSeal, StoreSeal
from events.log.sqlite import SQLiteRecorder
from events.log.sqlite_connection import Connection
from events.log.sqlite_look import Look, sound_head

_RUNS: Final = "SELECT parent, parent_id FROM parents WHERE parent > ? ORDER BY parent LIMIT 1000"
UNSEALED: Final = (
    "it has no seals: it was never sealed, or somebody removed them; check it with `orchestrator audit verify`, and"
    " seal it with `orchestrator audit seal`"
)


class SealedSQLiteRecorder(SQLiteRecorder):
    """Events in one SQLite file, with seals. See `SQLiteRecorder`, and `events.log.seals`.

    An empty store is sealed from its beginning. With `seal_anew` the hashes of one that has events are checked, and
    it is sealed as it is, whatever sealed it before; nobody else can write to it meanwhile.

    Raises:
        AuditKeyError: the store has events and no seals, or is sealed with another key.
        StoreDamagedError: it is not to be sealed, for it is damaged.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        key: AuditKey,
        *,
        busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
        must_exist: bool = False,
        seal_anew: bool = False,
    ) -> None:
        self._key = key
        super().__init__(path, busy_timeout_seconds=busy_timeout_seconds, must_exist=must_exist)
        with ExitStack() as unless_sealed:
            unless_sealed.callback(self.close)
            self._make_sure(seal_anew=seal_anew)
            unless_sealed.pop_all()

    def _make_sure(self, *, seal_anew: bool) -> None:
        if seal_anew:
            for place in self.flaws():
                raise StoreDamagedError.at(self.location, place)
        deadline = self._deadline()
        with self._writing(deadline), self._mapped(), self._transaction(deadline) as writer:
            empty = writer.number("SELECT 1 FROM events LIMIT 1") is None
            if seal_anew and not empty:
                _seal_all(writer, self._key, self.location)
            elif sqlite_seals.are_kept(writer):
                sqlite_seals.store_seal(writer, self._key, self.location)
                return
            elif empty:
                sqlite_seals.begin(writer, self._key)
            else:
                raise AuditKeyError(f"{self.location}: {UNSEALED}")
            writer.commit()

    def _append(self, writer: Connection, batches: Sequence[Batch], *, distrustful: bool) -> list[Verdict]:
        return sqlite_seals.SealedAppend(writer, self._key, self.location, distrustful=distrustful).write(batches)

    def _fill(self, writer: Connection, rows: Iterator[Row]) -> None:
        sqlite_fill.fill(writer, rows, self.location)
        _seal_all(writer, self._key, self.location)

    def head(self, parent_id: str) -> Head | None:
        """Return the head of a parent's stream; None where there is no such parent.

        Raises:
            StoreDamagedError: it is not what was sealed.
        """
        found = self._read(sqlite_seals.SEALED_HEAD, (parent_id,))
        head = sound_head([row[:3] for row in found], parent_id, self.location)
        if head is None:
            return None
        seal = sqlite_seals.seal_of(found[0][3:])
        if seal is None or not seal.fits(self._key, self._store_name(), parent_id, head):
            raise sqlite_seals.altered(parent_id, self.location)
        return head

    def _store_name(self) -> bytes:
        found = self._read("SELECT store FROM store_seal WHERE one = 1", ())
        name = found[0][0] if found else None
        return name if type(name) is bytes else b""


def _seal_all(connection: Connection, key: AuditKey, location: str) -> None:
    """Check the hashes of every run of a store and seal it as it is. The caller holds the transaction."""
    for table in sqlite_seals.TABLES:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    sqlite_schema.ensure(connection, *sqlite_seals.TABLES)
    store, look = os.urandom(NONCE_BYTES), Look(connection, location)
    after, runs, events, position = 0, 0, 0, 0
    while found := connection.execute(_RUNS, (after,)).fetchall():
        for number, parent_id in found:
            places = Places()
            for record in Reading(look, DEFAULT_CATALOGUE, parent_id).facts():
                places = places.followed_by(record.position, record.position)
            head = look.head(parent_id)
            if head is not None:
                sqlite_seals.keep(connection, [(number, RunSeal.of(key, store, parent_id, head, places))])
                runs, events, position = runs + 1, events + head.count, max(position, places.last)
            after = number
    sqlite_seals.keep_whole(connection, StoreSeal.of(key, store, runs, events, position))
