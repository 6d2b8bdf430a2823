"""The table of snapshots in an SQLite store: made when the first one is kept, and never needed.

The statements are in the SQL that SQLite and PostgreSQL share.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from events.errors import Place, StoreDamagedError
from events.log import sqlite_schema
from events.log.record import StoredSnapshot
from events.log.recorder import Recorder
from events.log.snapshot_flaws import snapshot_flaws
from events.log.sqlite_connection import Connection, Deadline

_HASH_BYTES: Final = 32
_CODE_CHARS_MAX: Final = 200

_MADE: Final = "SELECT sql FROM sqlite_master WHERE name = 'snapshots'"

_KEY: Final = "SELECT parent FROM parents WHERE parent_id = ?"

_LIST: Final = f"""
    SELECT version, position, at, CASE WHEN length(hash) = {_HASH_BYTES} THEN hash END,
      CASE WHEN length(code) <= {_CODE_CHARS_MAX} THEN code END,
      CASE WHEN length(digest) = {_HASH_BYTES} THEN digest END, length(body)
    FROM snapshots WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?)
    ORDER BY version DESC LIMIT 10"""  # noqa: S608 - numbers of ours

_BODY: Final = """
    SELECT body FROM snapshots
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?) AND version = ? AND length(body) <= ?"""

_DROP_OTHERS: Final = """
    DELETE FROM snapshots WHERE parent = ? AND (version >= ? OR version <
      (SELECT max(version) FROM snapshots AS kept WHERE kept.parent = ? AND kept.version < ?))"""

_INSERT: Final = """
    INSERT INTO snapshots(parent, version, position, at, hash, code, digest, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""

_DROP: Final = "DELETE FROM snapshots WHERE parent = ?"

_STRAYS: Final = """
    SELECT DISTINCT parent FROM snapshots WHERE parent NOT IN (SELECT parent FROM parents) ORDER BY parent LIMIT 10"""


class SnapshotTable(Recorder):
    """The part of an SQLite recorder that keeps snapshots."""

    @abstractmethod
    def _read(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Run one statement that reads, and return its rows."""

    @abstractmethod
    def _mapped(self) -> AbstractContextManager[None]:
        """Raise our errors for those of SQLite."""

    @abstractmethod
    def _deadline(self) -> Deadline:
        """Return until when a call may wait."""

    @abstractmethod
    def _writing(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Hold the one place from which this process writes."""

    @abstractmethod
    def _transaction(self, deadline: Deadline) -> AbstractContextManager[Connection]:
        """Begin a transaction that writes; whatever is not committed in it is given up."""

    def snapshots(self, parent_id: str) -> list[StoredSnapshot]:
        """Return a parent's snapshots without their bodies, newest first."""
        return [StoredSnapshot(parent_id, *row) for row in self._read(_LIST, (parent_id,))] if self._has_table() else []

    def snapshot_body(self, parent_id: str, version: int, bytes_max: int) -> bytes | None:
        """Return the body of a snapshot; None where there is none, or a larger one."""
        found = self._read(_BODY, (parent_id, version, bytes_max)) if self._has_table() else []
        return found[0][0] if found else None

    def keep_snapshot(self, snapshot: StoredSnapshot, body: bytes) -> None:
        """Keep a snapshot, and of the others of its parent the newest one before it."""
        deadline = self._deadline()
        with self._writing(deadline), self._mapped(), self._transaction(deadline) as writer:
            key = writer.execute(_KEY, (snapshot.parent_id,)).fetchone()
            if key is None:
                return
            sqlite_schema.ensure(writer, "snapshots")
            writer.execute(_DROP_OTHERS, (key[0], snapshot.version, key[0], snapshot.version))
            writer.execute(_INSERT, (key[0], *snapshot[1:7], body))
            writer.commit()

    def drop_snapshots(self, parent_id: str) -> None:
        """Drop all snapshots of a parent."""
        if not self._has_table():
            return
        deadline = self._deadline()
        with self._writing(deadline), self._mapped(), self._transaction(deadline) as writer:
            for (key,) in writer.execute(_KEY, (parent_id,)).fetchall():
                writer.execute(_DROP, (key,))
            writer.commit()

    def flaws(self) -> Iterator[Place]:
        """Yield what is wrong with the table of snapshots as a whole."""
        yield from snapshot_flaws(self.location, lambda: self._read(_STRAYS, ()) if self._has_table() else [])

    def _has_table(self) -> bool:
        """Whether there is a table of snapshots. Raises StoreDamagedError where it is another one than is made here."""
        found = self._read(_MADE, ())
        if found and found != [(sqlite_schema.EXTRAS["snapshots"],)]:
            raise StoreDamagedError(f"{self.location}: its table snapshots is not the one that is made there")
        return bool(found)
