"""The embedded recorder: one SQLite file, one connection that writes, others that read."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Final

from events.errors import ClosedError, Place, StoreDamagedError, StoreError, StoreNotFoundError, UsageError
from events.limits import BUSY_TIMEOUT_SECONDS
from events.log import sqlite_flaws, sqlite_schema
from events.log.errors import is_undecodable, translated
from events.log.record import Batch, Conflict, Head, Row, Verdict, Written
from events.log.recorder import LAST, Source
from events.log.sqlite_append import Append
from events.log.sqlite_connection import Connection, Deadline, Readers, open_reader, open_writer
from events.log.sqlite_dropped import SQLiteDropping
from events.log.sqlite_file import StoreFile
from events.log.sqlite_look import HEAD, STREAM, Look, sound_head

_PARENTS: Final = "SELECT parent_id, count, version, hash FROM parents WHERE parent > ? ORDER BY parent LIMIT ?"

_STREAM_OF_TYPES: Final = """
    SELECT position, version, type, data, hash FROM events
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?)
      AND version > ? AND version <= ? AND position <= ?
      AND type IN (SELECT value FROM json_each(?))
    ORDER BY version LIMIT ?"""

_PAGE: Final = """
    SELECT position, parent_id, events.version, type, data, events.hash
    FROM events LEFT JOIN parents ON parents.parent = events.parent
    WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"""

_PAGE_OF_TYPES: Final = """
    SELECT position, parent_id, events.version, type, data, events.hash
    FROM events LEFT JOIN parents ON parents.parent = events.parent
    WHERE position > ? AND position <= ? AND type IN (SELECT value FROM json_each(?))
    ORDER BY position LIMIT ?"""

_TALLY: Final = """
    SELECT type, count(*) FROM events
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?) AND position <= ? GROUP BY type"""

_HOLDING: Final = """
    SELECT position, version, type, data, hash FROM events
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?) AND position <= ?
      AND (? OR type IN (SELECT value FROM json_each(?))) AND instr(data, ?)
    ORDER BY version"""

_CHANGED: Final = """
    SELECT parent_id, max(position) FROM events JOIN parents ON parents.parent = events.parent
    WHERE position > ? GROUP BY events.parent ORDER BY 2"""

_HASH: Final = """
    SELECT hash FROM events WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?) AND version = ?"""

_FIRST: Final = float("-inf")
"""Lies below every key of a parent, those too that somebody made up: whoever has one is listed."""

_IDS: Final = 1024
"""How many ids of parents are read at a time."""


class SQLiteRecorder(SQLiteDropping):
    """Events in one SQLite file, durable against power loss: write-ahead log, synchronous=FULL, read back.

    Any number of threads and processes may use a file at once. Whoever finds it locked waits up to
    `busy_timeout_seconds`, all the waits of a call together, and then raises StoreBusyError.
    """

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
        self._writer: Connection | None = None
        self._readers = Readers(lambda: open_reader(self.connection_class, self._file))
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
        return verdicts

    def _transact(
        self, batches: Sequence[Batch], deadline: Deadline, *, together: bool, distrustful: bool = False
    ) -> tuple[list[Verdict], sqlite3.Error | None]:
        """Return what became of the batches, and the error of a COMMIT whose answer is unknown."""
        with self._transaction(deadline) as writer:
            verdicts = Append(writer, distrustful=distrustful).write(batches)
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
                verdicts = Append(writer, distrustful=True).write([batch])
                doubt = None if isinstance(verdicts[0], Conflict) else _commit(writer)
            if doubt is not None:
                self._settle([batch], verdicts, doubt)
        return verdicts[0]

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
        try:
            writer.rollback()  # which does nothing where all was committed
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
                found = writer.execute(_HASH, (parent_id, head.version)).fetchone()
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
        writer, self._writer = self._writer, None
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

    def head(self, parent_id: str) -> Head | None:
        """Return the head of a parent's stream; None where there is no such parent."""
        return sound_head(self._read(HEAD, (parent_id,)), parent_id, self.location)

    def parents(self, after: str | None = None, limit: int | None = None) -> list[tuple[str, Head]]:
        """Return parents and their heads in order of creation, those after the parent `after`."""
        key = _FIRST
        if after is not None:
            found = self._read("SELECT parent FROM parents WHERE parent_id = ?", (after,))
            if not found:
                raise UsageError(f"there is no run {after!r} to go on after")
            [(key,)] = found
        rows = self._read(_PARENTS, (key, LAST if limit is None else limit))
        return [(parent_id, Head(count, version, digest)) for parent_id, count, version, digest in rows]

    def ids(self) -> Iterator[str]:
        """Yield the ids of all parents in order of creation, in bounded memory; before a damaged place all of them."""
        key, limit = _FIRST, _IDS
        while True:
            try:
                found = self._read(
                    "SELECT parent, parent_id FROM parents WHERE parent > ? ORDER BY parent LIMIT ?", (key, limit)
                )
            except StoreDamagedError:
                if limit == 1:
                    raise
                limit = 1
                continue
            for number, parent_id in found:
                if number <= key:
                    raise StoreDamagedError(f"{self.location}: its runs are out of order")
                key = number
                yield parent_id
            if len(found) < limit:
                return

    def stream(
        self,
        parent_id: str,
        *,
        after_version: int = 0,
        upto_version: int = LAST,
        upto_position: int = LAST,
        types: Sequence[str] = (),
        descending: bool = False,
        limit: int = LAST,
    ) -> list[Row]:
        """Return one stream's rows in order of version; all of those types where types are named."""
        statement = _STREAM_OF_TYPES if types else STREAM
        if descending:
            statement = statement.replace("ORDER BY version", "ORDER BY version DESC")
        values: list[Any] = [parent_id, after_version, upto_version, upto_position]
        if types:
            values.append(json.dumps(list(types)))
        found = self._read(statement, (*values, limit))
        return [
            Row(position, parent_id, version, name, data, digest) for position, version, name, data, digest in found
        ]

    def tally(self, parent_id: str, upto_position: int) -> dict[str, int]:
        """Return how many rows of each type one stream has, up to a position."""
        return dict(self._read(_TALLY, (parent_id, upto_position)))

    def holding(self, parent_id: str, text: bytes, upto_position: int, types: Sequence[str] = ()) -> list[Row]:
        """Return those of one stream's rows, of those types if any, up to a position, whose data hold a text."""
        found = self._read(_HOLDING, (parent_id, upto_position, not types, json.dumps(list(types)), text))
        return [
            Row(position, parent_id, version, name, data, digest) for position, version, name, data, digest in found
        ]

    def page(
        self, after_position: int, *, upto_position: int = LAST, types: Sequence[str] = (), limit: int = 1000
    ) -> list[Row]:
        """Return the rows of all streams after a position, in order of position."""
        if types:
            values = (after_position, upto_position, json.dumps(list(types)), limit)
            rows = list(map(Row._make, self._read(_PAGE_OF_TYPES, values)))
        else:
            rows = list(map(Row._make, self._read(_PAGE, (after_position, upto_position, limit))))
        for row in rows:
            if row.parent_id is None:
                raise StoreDamagedError.at(self.location, Place(None, None, row.position, "it belongs to no run"))
        return rows

    def last_position(self) -> int:
        """Return the position of the last event of all, 0 where there is none."""
        position: int
        [(position,)] = self._read("SELECT coalesce(max(position), 0) FROM events", ())
        return position

    def changed_elsewhere(self) -> bool:
        """Whether another connection or process committed since the last call.

        It may say yes needlessly, after an append that failed or while one waits for a lock.
        """
        if not self._lock.acquire(timeout=0.01):
            return True
        try:
            if self._closed:
                raise ClosedError(f"{self.location}: the store was closed")
            with self._mapped():
                deadline = self._deadline()
                seen = self._data_version(self._ready_writer(deadline), deadline)
            before, self._seen = self._seen, seen
            return seen != before
        finally:
            self._lock.release()

    def changed_parents(self, after_position: int) -> tuple[int, list[str]]:
        """Return the last position and the parents that have events after `after_position`, latest last."""
        found = self._read(_CHANGED, (after_position,))
        last = found[-1][1] if found else after_position
        return last, [parent_id for parent_id, _ in found]

    def flaws(self) -> Iterator[Place]:
        """Yield what is wrong with the file, with rows that no stream shows, and with positions."""
        return sqlite_flaws.flaws(self._read, self.all_dropped)

    def _read(self, statement: str, values: Sequence[Any]) -> list[Any]:
        with self._mapped(), self._readers.lend(self.location) as reader:
            try:
                return reader.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                if is_undecodable(error):
                    return reader.with_bytes_for_bad_text(statement, values)
                return self._deadline().patiently(lambda: reader.execute(statement, values).fetchall(), self.location)

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
