"""Dropping parents from an SQLite store, and the proofs that stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from events.errors import UsageError
from events.log import sqlite_schema
from events.log.dropped import START, Dropped, Gone, deletions
from events.log.keyring import DESTROYED
from events.log.record import Head
from events.log.sqlite_connection import Connection
from events.log.sqlite_look import HEAD
from events.log.sqlite_private import DESTROY_KEY, KEYS, SQLitePrivacy

TABLE: Final = "dropped"
sqlite_schema.EXTRAS[TABLE] = (
    "CREATE TABLE dropped(number INTEGER PRIMARY KEY, parent_id TEXT NOT NULL UNIQUE, count INTEGER NOT NULL,"
    " version INTEGER NOT NULL, hash BLOB NOT NULL, positions TEXT NOT NULL, at INTEGER NOT NULL,"
    " archive BLOB NOT NULL, link BLOB NOT NULL)"
)

_COLUMNS: Final = "number, parent_id, count, version, hash, positions, at, archive, link"
_ALL: Final = f"SELECT {_COLUMNS} FROM dropped WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608 - names only
_ONE: Final = f"SELECT {_COLUMNS} FROM dropped WHERE parent_id = ?"  # noqa: S608 - names only
_LAST: Final = "SELECT link FROM dropped ORDER BY number DESC LIMIT 1"
_KEEP: Final = """
    INSERT INTO dropped(number, parent_id, count, version, hash, positions, at, archive, link)
    SELECT coalesce((SELECT max(number) FROM dropped), 0) + 1, ?, ?, ?, ?, ?, ?, ?, ?"""
_EVENTS: Final = "DELETE FROM events WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?)"
_PARENT: Final = "DELETE FROM parents WHERE parent_id = ?"
_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table'"
SEAL: Final = "store_seal"
_ROWS: Final = 1_000


class SQLiteDropping(SQLitePrivacy):
    """The part of `SQLiteRecorder` that drops parents."""

    def dropped(self, parent_id: str) -> Dropped | None:
        """Return the proof of a parent that was dropped; None where it was not."""
        found = self._read(_ONE, (parent_id,)) if self._has(TABLE) else []
        return next((_proof(row) for row in found), None)

    def all_dropped(self) -> Iterator[Dropped]:
        """Yield all proofs, in the order in which they were made."""
        after = -(2**63)
        while found := self._read(_ALL, (after, _ROWS)) if self._has(TABLE) else []:
            for row in found:
                yield _proof(row)
            if type(found[-1][0]) is not int or found[-1][0] <= after:
                return  # a damaged table
            after = found[-1][0]

    def drop(self, parents: Sequence[Gone], at: int, archive: bytes) -> bool:
        """Drop parents, with what further tables hold of them, and keep the proofs, all in one transaction."""

        def work(writer: Connection) -> bool:
            tables = {name for (name,) in writer.execute(_TABLES)}
            if SEAL in tables:
                raise UsageError(f"{self.location}: it is sealed with an audit key: nothing can be dropped")
            for gone in parents:
                found = writer.execute(HEAD, (gone.parent_id,)).fetchone()
                if found is None or Head(*found) != gone.head:
                    return False
            previous = (writer.execute(_LAST).fetchone() or (START,))[0]
            for gone in parents:
                proof = Dropped(gone.parent_id, gone.head, gone.positions, at, archive).linked(previous)
                _drop(writer, proof, tables)
                previous = proof.link
            return True

        done = self._change(work, TABLE)
        self._dropped_upto = None
        return done

    def scrub(self) -> None:
        """Leave no copy of what was dropped in the store's own files. Raises StoreBusyError where somebody reads it."""
        self._scrub()


def _drop(writer: Connection, proof: Dropped, tables: set[str]) -> None:
    head = proof.head
    kept = (proof.parent_id, head.count, head.version, head.hash, proof.positions, proof.at, proof.archive, proof.link)
    writer.execute(_KEEP, kept)
    for statement in deletions(tables):
        writer.execute(statement, (proof.parent_id,))
    if KEYS in tables:
        writer.execute(DESTROY_KEY, (DESTROYED, proof.parent_id))
    writer.execute(_EVENTS, (proof.parent_id,))
    writer.execute(_PARENT, (proof.parent_id,))


def _proof(row: Sequence[Any]) -> Dropped:
    """Return a proof as it is stored, whatever that is: who needs it checks it."""
    _, parent_id, count, version, digest, positions, at, archive, link = row
    return Dropped(parent_id, Head(count, version, digest), positions, at, archive, link)
