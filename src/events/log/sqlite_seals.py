"""Seals in an SQLite store: what is checked and written in the transaction that writes events."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from events.errors import AuditKeyError, Place, StoreDamagedError
from events.log import sqlite_schema
from events.log.audit_key import AuditKey
from events.log.record import Batch, Conflict, Head, Verdict, Written
from events.log.seals import NONCE_BYTES, Places, RunSeal, SealTotals, StoreSeal
from events.log.sqlite_append import Append
from events.log.sqlite_connection import Connection
from events.log.sqlite_flaws import Read

TABLES: Final = ("seals", "store_seal")
ALTERED: Final = "its seal does not fit: somebody without the audit key wrote to it"

_MANY: Final = 64

_KEPT: Final = "SELECT 1 FROM sqlite_master WHERE name = 'store_seal'"
_WHOLE: Final = "SELECT fingerprint, store, runs, events, position, seal FROM store_seal WHERE one = 1"
_KEEP_WHOLE: Final = (
    "INSERT OR REPLACE INTO store_seal(one, fingerprint, store, runs, events, position, seal)"
    " VALUES (1, ?, ?, ?, ?, ?, ?)"
)
_NUMBER: Final = "SELECT parent FROM parents WHERE parent_id = ?"
_COLUMNS: Final = "seals.count, closed, first, last, seal"
_TOTALS: Final = """
    SELECT fingerprint, store, runs, events, position, store_seal.seal,
      (SELECT count(*) FROM seals), (SELECT coalesce(sum(count), 0) FROM seals),
      (SELECT coalesce(max(last), 0) FROM seals),
      (SELECT count(*) FROM seals WHERE parent NOT IN (SELECT parent FROM parents))
    FROM store_seal WHERE one = 1"""
SEALED_HEAD: Final = (
    f"SELECT parents.count, version, hash, {_COLUMNS}"  # noqa: S608 - columns only
    " FROM parents LEFT JOIN seals ON seals.parent = parents.parent WHERE parent_id = ?"
)


class Sealed(NamedTuple):
    """A run as it stands in a transaction: its key in the tables, its head, and its seal."""

    key: int
    head: Head
    seal: RunSeal | None


def are_kept(connection: Connection) -> bool:
    """Whether a store is sealed."""
    return connection.execute(_KEPT).fetchone() is not None


def store_seal(connection: Connection, key: AuditKey, location: str) -> StoreSeal:
    """Return the seal of a store.

    Raises:
        AuditKeyError: it was made with another key.
        StoreDamagedError: it does not fit.
    """
    found = connection.execute(_WHOLE).fetchone()
    if found is None:
        raise StoreDamagedError(f"{location}: the seal of the store was removed")
    whole = StoreSeal(*found)
    if whole.fingerprint != key.fingerprint:
        raise AuditKeyError(other_key(whole, key, location))
    if not whole.fits(key):
        raise StoreDamagedError(f"{location}: the seal of the store does not fit: it was altered")
    return whole


def other_key(whole: StoreSeal, key: AuditKey, location: str) -> str:
    """Return what is to be said where a store was sealed with another key."""
    known = whole.fingerprint.hex() if type(whole.fingerprint) is bytes else repr(whole.fingerprint)
    return (
        f"{location}: it is sealed with another audit key (fingerprint {known}) than the one given"
        f" ({key.fingerprint.hex()}); give that key"
    )


def stored_seal(read: Read, parent_id: str) -> RunSeal | None:
    """Return the seal of a run as it is stored; None where there is none."""
    if not read(_KEPT, ()):
        return None
    found = read(SEALED_HEAD, (parent_id,))
    return seal_of(found[0][3:]) if found else None


def stored_totals(read: Read) -> SealTotals | None:
    """Return the seal of the store and what those of its runs add up to, of one instant; None where it has none."""
    if not read(_KEPT, ()):
        return None
    [(*whole, runs, events, position, gone)] = read(_TOTALS, ()) or [(None,) * 10]
    return SealTotals(StoreSeal(*whole), runs, events, position, gone or 0)


def begin(connection: Connection, key: AuditKey) -> None:
    """Make an empty store a sealed one. The caller holds the transaction."""
    sqlite_schema.ensure(connection, *TABLES)
    keep_whole(connection, StoreSeal.of(key, os.urandom(NONCE_BYTES), 0, 0, 0))


def keep_whole(connection: Connection, whole: StoreSeal) -> None:
    """Write the seal of the store."""
    connection.execute(_KEEP_WHOLE, whole)


def keep(connection: Connection, seals: Sequence[tuple[int, RunSeal]]) -> None:
    """Write the seals of runs, each with the run's key in the tables: few, large statements, as for events."""
    for start in range(0, len(seals), _MANY):
        part = seals[start : start + _MANY]
        values = [value for number, seal in part for value in (number, seal.events, *seal.places, seal.seal)]
        connection.execute(_keep_many(len(part)), values)


@cache
def _keep_many(count: int) -> str:
    marks = ",".join(["(?,?,?,?,?,?)"] * count)
    return f"INSERT OR REPLACE INTO seals(parent, count, closed, first, last, seal) VALUES {marks}"  # noqa: S608 - marks


def seal_of(values: Sequence[Any]) -> RunSeal | None:
    """Return the seal that a row holds; None where there is none."""
    count, closed, first, last, seal = values
    return None if seal is None else RunSeal(count, Places(closed, first, last), seal)


def refuse_sealed(connection: Connection, location: str) -> None:
    """Raise AuditKeyError where a store is sealed: whoever writes to it without the key would look like a forger."""
    if are_kept(connection):
        raise AuditKeyError(sealed_refusal(location))


def sealed_refusal(location: str) -> str:
    """Return what is to be said to whoever would write to a sealed store without a key."""
    return (
        f"{location}: it is sealed, so nothing can be written to it without its audit key"
        " (--key-file, $ORCHESTRATOR_AUDIT_KEY_FILE, or Orchestrator(audit_key=...))"
    )


class SealedAppend:
    """What one transaction writes to a sealed store. Use it once, inside a transaction that writes.

    A run whose seal does not fit its head is left as it is, so that nobody's events are sealed but our own: its
    batches are conflicts, and whoever reads it then learns of the damage.
    """

    def __init__(self, connection: Connection, key: AuditKey, location: str, *, distrustful: bool) -> None:
        self._connection = connection
        self._key = key
        self._location = location
        self._distrustful = distrustful

    def write(self, batches: Sequence[Batch]) -> list[Verdict]:
        """Write the batches that fit, and the seals; return what became of each.

        Raises:
            AuditKeyError: the store was sealed with another key meanwhile.
            StoreDamagedError: the seal of the store does not fit.
        """
        whole = store_seal(self._connection, self._key, self._location)
        runs = self._runs({batch.parent_id: None for batch in batches})
        altered = {name for name, run in runs.items() if not self._fits(whole, name, run)}
        fitting = [batch for batch in batches if batch.parent_id not in altered]
        written = iter(Append(self._connection, distrustful=self._distrustful).write(fitting))
        verdicts: list[Verdict] = [
            Conflict(runs[batch.parent_id].head) if batch.parent_id in altered else next(written) for batch in batches
        ]
        self._seal(whole, runs, batches, verdicts)
        return verdicts

    def _runs(self, names: dict[str, None]) -> dict[str, Sealed]:
        found: dict[str, Sealed] = {}
        asked = list(names)
        for start in range(0, len(asked), _MANY):
            part = asked[start : start + _MANY]
            marks = ",".join("?" * len(part))
            statement = (
                f"SELECT parent_id, parents.parent, parents.count, version, hash, {_COLUMNS}"  # noqa: S608 - marks only
                f" FROM parents LEFT JOIN seals ON seals.parent = parents.parent WHERE parent_id IN ({marks})"
            )
            for name, number, count, version, digest, *seal in self._connection.execute(statement, part):
                found[name] = Sealed(number, Head(count, version, digest), seal_of(seal))
        return found

    def _fits(self, whole: StoreSeal, name: str, run: Sealed) -> bool:
        return run.seal is not None and run.seal.fits(self._key, whole.store, name, run.head)

    def _seal(
        self, whole: StoreSeal, runs: dict[str, Sealed], batches: Sequence[Batch], verdicts: Sequence[Verdict]
    ) -> None:
        """Seal the runs that were written to, and the store."""
        heads: dict[str, tuple[Head, Places]] = {}
        position = whole.position
        for batch, verdict in zip(batches, verdicts, strict=True):
            if isinstance(verdict, Written):
                name, (first, last) = batch.parent_id, (verdict.positions[0], verdict.positions[-1])
                before = heads[name][1] if name in heads else _places(runs.get(name))
                heads[name] = verdict.head, before.followed_by(first, last)
                position = last
        if not heads:
            return
        numbers = {name: run.key for name, run in runs.items()} | dict(self._numbers(heads.keys() - runs.keys()))
        events = 0
        seals: list[tuple[int, RunSeal]] = []
        for name, (head, places) in heads.items():
            seals.append((numbers[name], RunSeal.of(self._key, whole.store, name, head, places)))
            events += head.count - (runs[name].head.count if name in runs else 0)
        keep(self._connection, seals)
        new = len(heads.keys() - runs.keys())
        keep_whole(
            self._connection,
            StoreSeal.of(self._key, whole.store, whole.runs + new, whole.events + events, position),
        )

    def _numbers(self, names: set[str]) -> Iterator[tuple[str, int]]:
        for name in names:
            [number] = self._connection.execute(_NUMBER, (name,)).fetchone()
            yield name, number


def _places(run: Sealed | None) -> Places:
    return Places() if run is None or run.seal is None else run.seal.places


def altered(parent_id: str, location: str) -> StoreDamagedError:
    """Return the error for a run whose seal does not fit."""
    return StoreDamagedError.at(location, Place(parent_id, None, None, ALTERED))
