"""What an SQLite store keeps beside the log for privacy's sake: the wrapped data keys of encrypted parents."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from time import sleep
from typing import Any, Final, TypeVar

from events.errors import StoreBusyError
from events.log import sqlite_schema
from events.log.errors import VersionConflictError, is_busy
from events.log.keyring import DESTROYED, WrappedKey
from events.log.record import Batch, Conflict, Verdict
from events.log.recorder import Recorder
from events.log.sqlite_connection import Connection, Deadline

T = TypeVar("T")

KEYS: Final = "parent_keys"

# Rows are only ever added at the end, and a key is destroyed where it stands, by zeros of the same length: so SQLite
# never moves one, and leaves no copy behind in a page.
sqlite_schema.EXTRAS[KEYS] = (
    "CREATE TABLE parent_keys(number INTEGER PRIMARY KEY, parent_id TEXT NOT NULL UNIQUE,"
    " key_id TEXT NOT NULL, wrapped BLOB NOT NULL)"
)

_KEY: Final = "SELECT key_id, wrapped FROM parent_keys WHERE parent_id = ?"

_ADD: Final = """
    INSERT INTO parent_keys(number, parent_id, key_id, wrapped)
    SELECT coalesce((SELECT max(number) FROM parent_keys), 0) + 1, ?, ?, ?
    WHERE NOT EXISTS (SELECT 1 FROM parents WHERE parent_id = ?)
    ON CONFLICT(parent_id) DO NOTHING"""

DESTROY_KEY: Final = "UPDATE parent_keys SET wrapped = ? WHERE parent_id = ?"

_FIRST_WAIT_SECONDS: Final = 0.001
_LONGEST_WAIT_SECONDS: Final = 0.1


class SQLitePrivacy(Recorder):
    """The part of `SQLiteRecorder` that keeps data keys."""

    _extras: frozenset[str] = frozenset()
    """Extra tables that are known to be there."""

    @abstractmethod
    def _deadline(self) -> Deadline:
        """Return how long a call may wait from now on."""

    @abstractmethod
    def _writing(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Hold the one place from which this process writes."""

    @abstractmethod
    def _mapped(self) -> AbstractContextManager[None]:
        """Turn errors of SQLite into ours."""

    @abstractmethod
    def _transaction(self, deadline: Deadline) -> AbstractContextManager[Connection]:
        """Begin a transaction that writes; whatever is not committed in it is given up."""

    @abstractmethod
    def _append(self, writer: Connection, batches: Sequence[Batch], *, distrustful: bool) -> list[Verdict]:
        """Judge batches and write those that fit, in the transaction that is under way."""

    @abstractmethod
    def _ready_writer(self, deadline: Deadline) -> Connection:
        """Return the connection that writes."""

    @abstractmethod
    def _read(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Run a statement that reads, and return all its rows."""

    def _change(self, work: Callable[[Connection], T], *names: str) -> T:
        """Let a function write in one transaction, in extra tables among others; what it frees is overwritten.

        Raises:
            StoreError: nothing of it is in the store, unless the answer to the commit was lost: doing it again is safe.
        """
        deadline = self._deadline()
        with self._writing(deadline), self._mapped(), self._transaction(deadline) as writer:
            writer.execute("PRAGMA secure_delete = ON")
            sqlite_schema.ensure(writer, *names)
            result = work(writer)
            writer.commit()
            return result

    def _has(self, name: str) -> bool:
        """Whether an extra table is there."""
        if name not in self._extras:
            if not self._read("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)):
                return False
            self._extras |= {name}
        return True

    def key_of(self, parent_id: str) -> WrappedKey | None:
        """Return the data key that an encrypted parent has; None where it has none."""
        found = self._read(_KEY, (parent_id,)) if self._has(KEYS) else []
        for key_id, wrapped in found:
            if isinstance(key_id, str) and isinstance(wrapped, bytes):
                return WrappedKey(parent_id, key_id, wrapped)
        return None

    def add_keys(self, keys: Sequence[WrappedKey]) -> None:
        """Keep data keys, on disk when this returns, for those parents that have none yet and are not there yet."""

        def add(writer: Connection) -> None:
            writer.executemany(_ADD, [(key.parent_id, key.key_id, key.wrapped, key.parent_id) for key in keys])

        self._change(add, KEYS)

    def redact(self, batches: Sequence[Batch], parent_ids: Sequence[str]) -> None:
        """Destroy data keys of parents, and write batches, in one transaction; then leave no copy of the keys."""

        def destroy(writer: Connection) -> None:
            verdicts = self._append(writer, batches, distrustful=True) if batches else []
            if any(isinstance(verdict, Conflict) for verdict in verdicts):
                raise VersionConflictError("a parent was appended to meanwhile")
            writer.executemany(DESTROY_KEY, [(DESTROYED, parent_id) for parent_id in parent_ids])

        self._change(destroy, KEYS)
        self._wake()
        self._scrub()

    def _scrub(self) -> None:
        """Move the write-ahead log into the database and empty it: until then, both hold pages as they were before.

        Raises:
            StoreBusyError: somebody read the store all the while, and so kept the log.
        """
        deadline = self._deadline()
        with self._writing(deadline), self._mapped():
            writer = self._ready_writer(deadline)
            wait_seconds = _FIRST_WAIT_SECONDS
            while not self._emptied(writer):
                if not deadline.remaining_seconds():
                    raise StoreBusyError(
                        f"{self.location}: the keys are destroyed, but another program that reads the store keeps old"
                        " bytes of them in its write-ahead log: end it, then do this again"
                    )
                sleep(min(wait_seconds, deadline.remaining_seconds()))
                wait_seconds = min(2 * wait_seconds, _LONGEST_WAIT_SECONDS)

    @staticmethod
    def _emptied(writer: Connection) -> bool:
        """Whether the write-ahead log could be emptied."""
        try:
            busy, *_ = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            if not is_busy(error):
                raise
            return False
        return not busy
