"""Seals in a PostgreSQL store: what is checked and written in the transaction that writes events.

The tables and their meaning are those of SQLite stores.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, LiteralString

import psycopg
from psycopg.pq.abc import PGresult

from events.catalogue import DEFAULT_CATALOGUE
from events.errors import AuditKeyError, StoreDamagedError
from events.log import postgres_schema
from events.log.audit_key import AuditKey
from events.log.postgres_append import number_at, texts
from events.log.postgres_connection import Blobs, Connection, Numbers
from events.log.postgres_exchange import Call, Value
from events.log.postgres_look import Look
from events.log.reading import Reading
from events.log.recorder import Recorder
from events.log.seals import NONCE_BYTES, Places, RunSeal, SealTotals, StoreSeal
from events.log.sqlite_seals import TABLES, other_key, seal_of, sealed_refusal

_KEPT: Final = "SELECT to_regclass('store_seal') IS NOT NULL"
_WHOLE: Final = "SELECT fingerprint, store, runs, events, position, seal FROM store_seal WHERE one = 1"
_SEAL: Final = """
    SELECT count, closed, first, last, seal FROM seals
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = %s)"""
_TOTALS: Final = """
    SELECT fingerprint, store, runs, events, position, seal,
      (SELECT count(*) FROM seals), (SELECT coalesce(sum(count), 0)::bigint FROM seals),
      (SELECT coalesce(max(last), 0) FROM seals),
      (SELECT count(*) FROM seals AS s WHERE NOT EXISTS (SELECT 1 FROM parents WHERE parents.parent = s.parent))
    FROM (SELECT 1) AS always LEFT JOIN store_seal ON one = 1"""
SEALED_HEAD: Final = """
    SELECT parents.count, version, hash, seals.count, closed, first, last, seal,
      (SELECT store FROM store_seal WHERE one = 1)
    FROM parents LEFT JOIN seals ON seals.parent = parents.parent WHERE parent_id = %s"""

_CLEAR: Final = ("DELETE FROM seals", "DELETE FROM store_seal")
_RUNS: Final = "SELECT parent, parent_id FROM parents WHERE parent > %s ORDER BY parent LIMIT 1000"
_EMPTY: Final = "SELECT NOT EXISTS (SELECT 1 FROM events)"
_FIRST: Final = -(2**63)

STATEMENTS: Final = {
    b"seals": b"""
        SELECT parent_id, seals.count, closed, first, last, seal
        FROM seals JOIN parents ON parents.parent = seals.parent WHERE parent_id = ANY($1::text[])""",
    b"whole": b"SELECT fingerprint, store, runs, events, position, seal FROM store_seal WHERE one = $1::bigint",
    b"seal": b"""
        INSERT INTO seals(parent, count, closed, first, last, seal)
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bytea[])
        ON CONFLICT (parent) DO UPDATE SET count = excluded.count, closed = excluded.closed, first = excluded.first,
          last = excluded.last, seal = excluded.seal""",
    b"seal_whole": b"""
        INSERT INTO store_seal(one, fingerprint, store, runs, events, position, seal)
        VALUES (1, $1::bytea, $2::bytea, $3::bigint, $4::bigint, $5::bigint, $6::bytea)
        ON CONFLICT (one) DO UPDATE SET fingerprint = excluded.fingerprint, store = excluded.store,
          runs = excluded.runs, events = excluded.events, position = excluded.position, seal = excluded.seal""",
}
"""Prepared on each connection that writes to a sealed store."""


class PostgresSeals(Recorder):
    """The part of `PostgresRecorder` that reads seals."""

    can_be_sealed = True

    @abstractmethod
    def _read(self, statement: LiteralString, values: Sequence[Any]) -> list[Any]:
        """Run a statement that reads, and return its rows."""

    def seal_of(self, parent_id: str) -> RunSeal | None:
        """Return the seal of a parent as it is stored; None where it has none."""
        found = self._read(_SEAL, (parent_id,)) if self.is_sealed() else []
        return seal_of(found[0]) if found else None

    def seal_totals(self) -> SealTotals | None:
        """Return the seal of the store and what those of its parents add up to; None where it is not sealed."""
        if not self.is_sealed():
            return None
        [(*whole, runs, events, position, gone)] = self._read(_TOTALS, ())
        return SealTotals(StoreSeal(*whole), runs, events, position, gone)

    def is_sealed(self) -> bool:
        """Whether there are seals."""
        return bool(self._read(_KEPT, ())[0][0])


def refuse_sealed(connection: Connection, location: str) -> None:
    """Raise AuditKeyError where a store is sealed: whoever writes to it without the key would look like a forger."""
    if are_kept(connection):
        raise AuditKeyError(sealed_refusal(location))


def are_kept(connection: Connection) -> bool:
    """Whether a store is sealed."""
    return bool(connection.rows(_KEPT)[0][0])


def is_empty(connection: Connection) -> bool:
    """Whether a store has no events."""
    return bool(connection.rows(_EMPTY)[0][0])


def store_seal(connection: Connection, key: AuditKey, location: str) -> StoreSeal:
    """Return the seal of a store.

    Raises:
        AuditKeyError: it was made with another key.
        StoreDamagedError: it does not fit.
    """
    with removal_told(location):
        found = connection.rows(_WHOLE)
    return checked(StoreSeal(*found[0]) if found else None, key, location)


def checked(whole: StoreSeal | None, key: AuditKey, location: str) -> StoreSeal:
    """Return the seal of a store, if it is one that this key made. Raises what `store_seal` does."""
    if whole is None:
        raise removed(location)
    if whole.fingerprint != key.fingerprint:
        raise AuditKeyError(other_key(whole, key, location))
    if not whole.fits(key):
        raise StoreDamagedError(f"{location}: the seal of the store does not fit: it was altered")
    return whole


def asked(names: Sequence[str]) -> list[Call]:
    """Return the statements that ask for the seal of the store and those of runs; `told` takes the answers."""
    return [Call(b"whole", [1]), Call(b"seals", [texts(names)])]


def told(answers: Sequence[PGresult]) -> tuple[StoreSeal | None, dict[str, RunSeal]]:
    """Return the seal of the store, if there is one, and those of the runs that have one, by their ids."""
    found, runs = answers
    whole = None
    if found.ntuples:
        number, events, position = (number_at(found, 0, column) for column in (2, 3, 4))
        whole = StoreSeal(_blob(found, 0, 0), _blob(found, 0, 1), number, events, position, _blob(found, 0, 5))
    return whole, {_blob(runs, row, 0).decode(): _seal_in(runs, row) for row in range(runs.ntuples)}


def _seal_in(found: PGresult, row: int) -> RunSeal:
    places = Places(_blob(found, row, 2), number_at(found, row, 3), number_at(found, row, 4))
    return RunSeal(number_at(found, row, 1), places, _blob(found, row, 5))


def _blob(found: PGresult, row: int, column: int) -> bytes:
    return found.get_value(row, column) or b""


@contextmanager
def removal_told(location: str) -> Iterator[None]:
    """Say of tables that are not there any more what they were."""
    try:
        yield
    except psycopg.errors.UndefinedTable as error:
        raise removed(location) from error


def removed(location: str) -> StoreDamagedError:
    """Return the error for a store whose seals are gone."""
    return StoreDamagedError(f"{location}: the seal of the store was removed")


def kept(seals: Sequence[tuple[int, RunSeal]], whole: StoreSeal) -> list[Call]:
    """Return the statements that write the seals of runs, each with the run's key, and the seal of the store."""
    runs: list[Value] = [
        Numbers([number for number, _ in seals]),
        Numbers([seal.events for _, seal in seals]),
        Blobs([seal.places.closed for _, seal in seals]),
        Numbers([seal.places.first for _, seal in seals]),
        Numbers([seal.places.last for _, seal in seals]),
        Blobs([seal.seal for _, seal in seals]),
    ]
    return [Call(b"seal", runs), Call(b"seal_whole", list(whole))]


def begin(connection: Connection, key: AuditKey) -> StoreSeal:
    """Take all seals off a store; return the first one, which is yet to be kept. The caller holds the transaction."""
    postgres_schema.ensure(connection, *TABLES)
    for statement in _CLEAR:
        connection.execute(statement)
    return StoreSeal.of(key, os.urandom(NONCE_BYTES), 0, 0, 0)


def all_seals(
    connection: Connection, key: AuditKey, store: bytes, location: str
) -> Iterator[tuple[list[tuple[int, RunSeal]], StoreSeal]]:
    """Check the hashes of every run of a store; yield the seals of some runs at a time, and that of all up to there.

    The caller holds the transaction. Raises StoreDamagedError where a run is not what was written.
    """
    look, after, runs, events, position = Look(connection, location), _FIRST, 0, 0, 0
    while found := connection.rows(_RUNS, (after,)):
        seals: list[tuple[int, RunSeal]] = []
        for number, parent_id in found:
            places = Places()
            for record in Reading(look, DEFAULT_CATALOGUE, parent_id).facts():
                places = places.followed_by(record.position, record.position)
            head = look.head(parent_id)
            if head is not None:
                seals.append((number, RunSeal.of(key, store, parent_id, head, places)))
                runs, events, position = runs + 1, events + head.count, max(position, places.last)
            after = number
        yield seals, StoreSeal.of(key, store, runs, events, position)
