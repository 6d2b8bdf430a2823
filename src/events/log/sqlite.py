"""The embedded recorder: one SQLite file, one connection that writes, others that read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

from events.errors import ClosedError, StoreDamagedError, StoreError, StoreNotFoundError, UsageError
from events.limits import BUSY_TIMEOUT_SECONDS
from events.log import sqlite_backup, sqlite_fill, sqlite_schema, sqlite_seals
from events.log import sqlite_statements as statements
from events.log.errors import is_undecodable, translated
from events.log.record import Batch, Conflict, Row, Verdict, Written
from events.log.recorder import Source
from events.log.sqlite_append import Append, Known
from events.log.sqlite_connection import Connection, Deadline, Readers, open_beside, open_reader, open_writer
from events.log.sqlite_dropped import SQLiteDropping
from events.log.sqlite_file import StoreFile
from events.log.sqlite_look import Look
from events.log.sqlite_others import OthersAppends
from events.log.sqlite_reading import SQLiteReading
from events.log.sqlite_snapshots import SnapshotTable
from events.log.sqlite_tables import SQLiteTables
from events.log.tables import Tables


class SQLiteRecorder(SQLiteDropping, SQLiteReading, SnapshotTable):
    """Events in one SQLite file, durable against power loss: write-ahead log, synchronous=FULL, read back.

    Any number of threads and processes may use a file at once. Whoever finds it locked waits up to
    `busy_timeout_seconds`, all the waits of a call together, and then raises StoreBusyError.
    """

    can_be_sealed = True
    connection_class: ClassVar[type[Connection]] = Connection

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
        must_exist: bool = False,
    ) -> None:
        """Open the store at a plain path, and make one there unless it `must_exist`.

        Raises:
            UsageError: the path is empty or cannot be a path.
            StoreNotFoundError: there is none, and it must exist.
            NotAStoreError: something else lies at the path. Nothing was written to it.
            StoreVersionError: a newer release made it.
            StoreError: it cannot be used; the message says why.
        """
        super().__init__()
        self._file = StoreFile(path)
        self.location = str(self._file)
        self.payloads_folder = Path(f"{self._file}.payloads")
        self._timeout_seconds = busy_timeout_seconds
        self._lock = Lock()
        self._closed = False
        self._seen: int | None = None
        """The number that changed when another connection last committed, as far as we looked."""
        self._others = OthersAppends()
        self._writer: Connection | None = None
        self._unsealed: Connection | None = None
        self._latest: tuple[str, Known] | None = None
        """The stream that was written to last, alone, and what it became; see `Append`."""
        self._readers = Readers(lambda: open_reader(self.connection_class, self._file, self._deadline()))
        self._file.open(must_exist=must_exist)
        with ExitStack() as unless_open, self._mapped():
            unless_open.callback(self.close)
            self._file.check_log()
            deadline = self._deadline()
            self._writer = open_writer(self.connection_class, self._file, deadline, may_create=not must_exist)
            if self._writer is None:
                raise StoreNotFoundError(f"{self.location}: the file is empty, there is no store in it yet")
            self._seen = self._data_version(self._writer, deadline)
            unless_open.pop_all()

    def close(self) -> None:
        """End all subscriptions and close all connections, the one that writes last. Waits for a running append."""
        super().close()
        self._readers.close()
        with self._lock:
            self._closed = True
            self._drop_writer()

    def _make_tables(self) -> Tables:
        ways = partial(open_beside, self.connection_class, self._file), partial(self._readers.lend, self.location)
        return SQLiteTables(self.location, *ways, self._read, self._writing, self._timeout_seconds)

    # Writing.

    def _write(self, batches: Sequence[Batch], *, together: bool) -> list[Verdict]:
        deadline = self._deadline()
        with self._writing(deadline), self._mapped():
            try:
                verdicts, doubt = self._transact(batches, deadline, together=together)
            except sqlite3.IntegrityError:
                # A damaged stream has rows beyond its head. Find it, so that the others are written all the same;
                # who is told of a conflict reads the stream, and then learns of the damage.
                verdicts, doubt = self._transact(batches, deadline, together=together, distrustful=True)
            if doubt is not None:
                self._settle(batches, verdicts, doubt)
            self._others.note_own(verdicts)
        return verdicts

    def _transact(
        self, batches: Sequence[Batch], deadline: Deadline, *, together: bool, distrustful: bool = False
    ) -> tuple[list[Verdict], sqlite3.Error | None]:
        """Return what became of the batches, and the error of a COMMIT whose answer is unknown."""
        with self._transaction(deadline) as writer:
            verdicts = self._append(writer, batches, distrustful=distrustful)
            conflicts = sum(isinstance(verdict, Conflict) for verdict in verdicts)
            if conflicts == len(batches) or (conflicts and together):
                return verdicts, None
            return verdicts, _commit(writer)

    def _write_after_look(self, decide: Callable[[Source], Batch | None]) -> Verdict | None:
        deadline = self._deadline()
        with self._writing(deadline), self._mapped():
            with self._transaction(deadline) as writer:
                batch = decide(Look(writer, self.location))
                if batch is None:
                    return None
                verdicts = self._append(writer, [batch], distrustful=True)
                doubt = None if isinstance(verdicts[0], Conflict) else _commit(writer)
            if doubt is not None:
                self._settle([batch], verdicts, doubt)
            self._others.note_own(verdicts)
        return verdicts[0]

    def fill(self, rows: Iterator[Row]) -> None:
        """Write rows, which keep their positions, to a log that is empty; all of them or none. See `Recorder.fill`."""
        deadline = self._deadline()
        with self._writing(deadline), self._mapped(), self._transaction(deadline) as writer:
            self._fill(writer, rows)
            writer.commit()
        self._wake()

    def save(self, path: Path, named: str) -> None:
        """Copy the file, as it is at one instant, to an empty one."""
        sqlite_backup.copy_pages(Path(self.location), path, named)

    def _fill(self, writer: Connection, rows: Iterator[Row]) -> None:
        sqlite_seals.refuse_sealed(writer, self.location)
        sqlite_fill.fill(writer, rows, self.location)

    def _append(self, writer: Connection, batches: Sequence[Batch], *, distrustful: bool) -> list[Verdict]:
        """Judge batches and write those that fit, in the transaction that is under way."""
        if self._unsealed is not writer:  # asked once for each connection: a statement more would cost every append
            sqlite_seals.refuse_sealed(writer, self.location)
            self._unsealed = writer
        append = Append(writer, distrustful=distrustful, latest=self._latest)
        verdicts = append.write(batches)
        self._latest = append.latest
        return verdicts

    @contextmanager
    def _transaction(self, deadline: Deadline) -> Iterator[Connection]:
        """Begin a transaction that writes; whatever is not committed in it is given up."""
        writer = self._ready_writer(deadline)
        self._file.check()
        writer.begin(deadline, self.location)
        try:
            yield writer
        finally:
            self._leave(writer)

    def _leave(self, writer: Connection) -> None:
        """Give up whatever is not committed; closing the connection does that too."""
        if not writer.in_transaction:
            return
        self._latest = None
        try:
            writer.rollback()
        except sqlite3.Error:
            self._drop_writer()

    def _settle(self, batches: Sequence[Batch], verdicts: Sequence[Verdict], error: sqlite3.Error) -> None:
        """Find out, over a fresh connection, whether a transaction is in the store; raise its error if it is not.

        The hash of any of its events tells, for it covers everything in that stream up to it. A transaction that is
        absent might yet come back: after a crash, SQLite recovers what lies whole in the write-ahead log. So another
        one is committed, which takes its place there.
        """
        parent_id, head = next(
            (batch.parent_id, verdict.head)
            for batch, verdict in zip(batches, verdicts, strict=True)
            if isinstance(verdict, Written)
        )
        self._drop_writer()
        deadline = self._deadline()
        try:
            writer = self._ready_writer(deadline)
            writer.begin(deadline, self.location)
            try:
                found = writer.execute(statements.HASH, (parent_id, head.version)).fetchone()
                if found == (head.hash,):
                    return
                sqlite_schema.mark(writer)
                writer.commit()
            finally:
                self._leave(writer)
        except (sqlite3.Error, StoreError) as unknown:
            failure = translated(error, self.location)
            text = f"{failure}; whether the append was kept could not be found out: {unknown}"
            raise type(failure)(text) from error
        raise translated(error, self.location) from error

    def _ready_writer(self, deadline: Deadline) -> Connection:
        if self._writer is None:
            self._writer = open_writer(self.connection_class, self._file, deadline)
            self._seen = None
        if self._writer is None:
            raise StoreDamagedError(f"{self.location}: the file was emptied while it was in use")
        return self._writer

    def _drop_writer(self) -> None:
        writer, self._writer, self._latest = self._writer, None, None
        if writer is not None:
            writer.close()

    @contextmanager
    def _writing(self, deadline: Deadline) -> Iterator[None]:
        """Hold the one place from which this process writes."""
        if not self._lock.acquire(timeout=deadline.remaining_seconds()):
            raise deadline.passed(self.location)
        try:
            if self._closed:
                raise ClosedError(f"{self.location}: the store was closed")
            yield
        finally:
            self._lock.release()

    # Reading.

    def changed_elsewhere(self) -> bool:
        """Whether somebody else appended since the last call.

        It may say yes needlessly, after an append that failed or while one waits for a lock.
        """
        if not self._lock.acquire(timeout=0.01):
            return True
        try:
            if self._closed:
                raise ClosedError(f"{self.location}: the store was closed")
            with self._mapped():
                deadline = self._deadline()
                writer = self._ready_writer(deadline)
                before, self._seen = self._seen, self._data_version(writer, deadline)
                if self._seen == before:
                    self._others.note_none()
                    return False
                # Another connection may have written nothing but views.
                return deadline.patiently(lambda: self._others.look(writer), self.location)
        finally:
            self._lock.release()

    def _read(
        self,
        statement: str,
        values: Sequence[Any],
        fetch: Callable[[sqlite3.Cursor], list[Any]] = sqlite3.Cursor.fetchall,
    ) -> list[Any]:
        with self._mapped(), self._readers.lend(self.location) as reader:
            try:
                return fetch(reader.execute(statement, values))
            except sqlite3.Error as error:
                if is_undecodable(error):
                    return reader.with_bytes_for_bad_text(statement, values, fetch)
                return self._deadline().patiently(lambda: fetch(reader.execute(statement, values)), self.location)

    # What both need.

    def _data_version(self, writer: Connection, deadline: Deadline) -> int:
        """Return a number that changes whenever another connection than this one commits."""
        return int(deadline.patiently(lambda: writer.number("PRAGMA data_version"), self.location))

    def _deadline(self) -> Deadline:
        return Deadline(self._timeout_seconds)

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise translated(error, self.location) from error
        except UnicodeDecodeError as error:  # SQLite's own message names a part of the schema that is no text any more
            raise StoreDamagedError(f"{self.location}: the file is damaged ({error})") from error
        except UnicodeEncodeError as error:
            raise UsageError(f"{self.location}: not valid Unicode text: {error.object!r}") from error


def _commit(writer: Connection) -> sqlite3.Error | None:
    """Commit; return the error where it is not known whether that was done."""
    try:
        writer.commit()
    except sqlite3.Error as error:
        return error
    return None
