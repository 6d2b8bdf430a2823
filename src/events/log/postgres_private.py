"""What a PostgreSQL store keeps beside the log for privacy's sake: wrapped data keys, and proofs of what was dropped.

The tables and their meaning are those of SQLite stores. Here a row that was changed or deleted stays in the server's
files until it cleans up after itself (VACUUM), and in its write-ahead log as long as that is kept.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, LiteralString, TypeVar

from events.errors import UsageError
from events.log import postgres_schema
from events.log.dropped import START, Dropped, Gone, deletions
from events.log.errors import VersionConflictError
from events.log.keyring import DESTROYED, WrappedKey
from events.log.postgres_append import Append
from events.log.postgres_connection import Connection
from events.log.postgres_look import HEAD
from events.log.record import Batch, Conflict, Head, Verdict
from events.log.recorder import Recorder
from events.log.sqlite_dropped import SEAL, TABLE
from events.log.sqlite_private import KEYS

T = TypeVar("T")

_IS_THERE: Final = "SELECT to_regclass(%s) IS NOT NULL"
_TABLES: Final = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()"
_KEY: Final = "SELECT key_id, wrapped FROM parent_keys WHERE parent_id = %s"
_ADD: Final = """
    INSERT INTO parent_keys(number, parent_id, key_id, wrapped)
    SELECT coalesce((SELECT max(number) FROM parent_keys), 0) + 1, %s, %s, %s
    WHERE NOT EXISTS (SELECT 1 FROM parents WHERE parent_id = %s)
    ON CONFLICT (parent_id) DO NOTHING"""
_DESTROY: Final = "UPDATE parent_keys SET wrapped = %s WHERE parent_id = %s"

_PROOF: Final = "SELECT number, parent_id, count, version, hash, positions, at, archive, link FROM dropped"
_ALL: Final = f"{_PROOF} WHERE number > %s ORDER BY number LIMIT 1000"
_ONE: Final = f"{_PROOF} WHERE parent_id = %s"
_LAST: Final = "SELECT link FROM dropped ORDER BY number DESC LIMIT 1"
_KEEP: Final = """
    INSERT INTO dropped(number, parent_id, count, version, hash, positions, at, archive, link)
    SELECT coalesce((SELECT max(number) FROM dropped), 0) + 1, %s, %s, %s, %s, %s, %s, %s, %s"""
_HEAD_HELD: Final = f"{HEAD} FOR UPDATE"
"""Whoever keeps a snapshot of a parent meanwhile is waited for."""
_EVENTS: Final = "DELETE FROM events WHERE parent = (SELECT parent FROM parents WHERE parent_id = %s)"
_PARENT: Final = "DELETE FROM parents WHERE parent_id = %s"


class PostgresPrivacy(Recorder):
    """The part of `PostgresRecorder` that keeps data keys, drops parents, and keeps the proofs."""

    _extras: frozenset[str] = frozenset()
    """Extra tables that are known to be there."""

    @abstractmethod
    def _read(self, statement: LiteralString, values: Sequence[Any]) -> list[Any]:
        """Run a statement that reads, and return its rows."""

    @abstractmethod
    def _change(self, work: Callable[[Connection], T]) -> T:
        """Do one transaction that no other writer gets in between; again where the connection was lost."""

    @abstractmethod
    def _transact(
        self,
        names: Sequence[str],
        work: Callable[[Append, Connection], list[Verdict]],
        *,
        together: bool = False,
        distrustful: bool = False,
    ) -> list[Verdict]:
        """Do one transaction that appends."""

    def _has(self, name: LiteralString) -> bool:
        if name not in self._extras and self._read(_IS_THERE, (name,)) == [(True,)]:
            self._extras |= {name}
        return name in self._extras

    def key_of(self, parent_id: str) -> WrappedKey | None:
        """Return the data key that an encrypted parent has; None where it has none."""
        found = self._read(_KEY, (parent_id,)) if self._has(KEYS) else []
        return next((WrappedKey(parent_id, key_id, bytes(wrapped)) for key_id, wrapped in found), None)

    def add_keys(self, keys: Sequence[WrappedKey]) -> None:
        """Keep data keys, committed when this returns, for those parents that have none yet and are not there yet."""

        def add(connection: Connection) -> None:
            postgres_schema.ensure(connection, KEYS)
            for key in keys:
                connection.execute(_ADD, (key.parent_id, key.key_id, key.wrapped, key.parent_id))

        self._change(add)

    def redact(self, batches: Sequence[Batch], parent_ids: Sequence[str]) -> None:
        """Destroy data keys of parents, and write batches, in one transaction."""

        def destroy(connection: Connection) -> None:
            postgres_schema.ensure(connection, KEYS)
            for parent_id in parent_ids:
                connection.execute(_DESTROY, (DESTROYED, parent_id))

        def work(append: Append, connection: Connection) -> list[Verdict]:
            destroy(connection)
            return append.judge(batches)

        if not batches:
            self._change(destroy)
            return
        verdicts = self._transact([batch.parent_id for batch in batches], work, together=True, distrustful=True)
        if any(isinstance(verdict, Conflict) for verdict in verdicts):
            raise VersionConflictError("a parent was appended to meanwhile")
        self._wake()

    def dropped(self, parent_id: str) -> Dropped | None:
        """Return the proof of a parent that was dropped; None where it was not."""
        found = self._read(_ONE, (parent_id,)) if self._has(TABLE) else []
        return next((_proof(row) for row in found), None)

    def all_dropped(self) -> Iterator[Dropped]:
        """Yield all proofs, in the order in which they were made."""
        after = -(2**63)
        while found := self._read(_ALL, (after,)) if self._has(TABLE) else []:
            yield from map(_proof, found)
            after = found[-1][0]

    def drop(self, parents: Sequence[Gone], at: int, archive: bytes) -> bool:
        """Drop parents, with what further tables hold of them, and keep the proofs, all in one transaction."""

        def work(connection: Connection) -> bool:
            if connection.rows(_IS_THERE, (SEAL,)) == [(True,)]:
                raise UsageError(f"{self.location}: it is sealed with an audit key: nothing can be dropped")
            postgres_schema.ensure(connection, TABLE)
            if connection.rows(_ONE, (parents[0].parent_id,)):
                return True  # the answer was lost when this was done before
            for gone in parents:
                found = connection.rows(_HEAD_HELD, (gone.parent_id,))
                if not found or Head(*found[0]) != gone.head:
                    return False
            tables = {name for (name,) in connection.rows(_TABLES)}
            last = connection.rows(_LAST)
            previous = bytes(last[0][0]) if last else START
            for gone in parents:
                proof = Dropped(gone.parent_id, gone.head, gone.positions, at, archive).linked(previous)
                _drop(connection, proof, tables)
                previous = proof.link
            return True

        done = self._change(work)
        self._dropped_upto = None
        return done


def _drop(connection: Connection, proof: Dropped, tables: set[str]) -> None:
    head = proof.head
    kept = (proof.parent_id, head.count, head.version, head.hash, proof.positions, proof.at, proof.archive, proof.link)
    connection.execute(_KEEP, kept)
    for statement in deletions(tables):
        connection.execute(statement.replace("?", "%s").encode(), (proof.parent_id,))
    if KEYS in tables:
        connection.execute(_DESTROY, (DESTROYED, proof.parent_id))
    connection.execute(_EVENTS, (proof.parent_id,))
    connection.execute(_PARENT, (proof.parent_id,))


def _proof(row: Sequence[Any]) -> Dropped:
    _, parent_id, count, version, digest, positions, at, archive, link = row
    return Dropped(parent_id, Head(count, version, bytes(digest)), positions, at, bytes(archive), bytes(link))
