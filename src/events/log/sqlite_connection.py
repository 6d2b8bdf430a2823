"""Connections to an SQLite store: how they are opened, how they wait for locks, and the pool of those that read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Lock
from time import monotonic, sleep
from typing import Any, Final, TypeVar
from urllib.parse import quote

from events.errors import ClosedError, StoreBusyError, StoreUnavailableError
from events.log import sqlite_schema
from events.log.errors import is_busy
from events.log.sqlite_file import StoreFile

T = TypeVar("T")

_FULL: Final = 2
_FIRST_WAIT_SECONDS: Final = 0.0005
_LONGEST_WAIT_SECONDS: Final = 0.02
_IDLE_READERS_MAX: Final = 8
_CACHED_KIB: Final = 8_192  # holds the inner pages of the trees of four million events; what SQLite keeps else does not
_STATEMENTS_KEPT: Final = 256
"""More than there are: appends have one for each number of rows up to 64."""
_WAL_BYTES_KEPT: Final = 64 * 1024 * 1024


class Deadline:
    """How long one call may wait for locks, all of its waits together."""

    __slots__ = ("_seconds", "_started")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._started = monotonic()

    def remaining_seconds(self) -> float:
        """Return what is left, 0 when it has passed."""
        return max(0.0, self._started + self._seconds - monotonic())

    def passed(self, location: str) -> StoreBusyError:
        """Return the error that says how long the call has waited."""
        waited = monotonic() - self._started
        return StoreBusyError(f"{location}: somebody else has held its lock for {waited:.1f} seconds")

    def patiently(self, action: Callable[[], T], location: str) -> T:
        """Do something, again and again while a lock is in its way.

        Raises:
            StoreBusyError: the lock was still held when the deadline passed.
        """
        wait_seconds = _FIRST_WAIT_SECONDS
        while True:
            try:
                return action()
            except sqlite3.Error as error:
                if not is_busy(error):
                    raise
                remaining = self.remaining_seconds()
                if not remaining:
                    raise self.passed(location) from error
            sleep(min(wait_seconds, remaining))
            wait_seconds = min(wait_seconds * 2, _LONGEST_WAIT_SECONDS)


class Connection(sqlite3.Connection):
    """A connection in autocommit mode: transactions begin where the code says so.

    The recorder reaches the database through this class alone; a test may hand it a subclass in which something
    goes wrong.
    """

    def begin(self, deadline: Deadline, location: str) -> None:
        """Begin a transaction that writes, waiting for whoever is writing now."""
        deadline.patiently(lambda: self.execute("BEGIN IMMEDIATE"), location)

    def with_bytes_for_bad_text(
        self,
        statement: str,
        values: Sequence[Any],
        fetch: Callable[[sqlite3.Cursor], list[Any]] = sqlite3.Cursor.fetchall,
    ) -> list[Any]:
        """Return the rows, with bytes in place of texts that are not UTF-8, so that only those rows are damaged."""
        self.text_factory = _text_or_bytes
        try:
            return fetch(self.execute(statement, values))
        finally:
            self.text_factory = str

    def number(self, statement: str) -> Any:
        """Return the one value that a statement yields."""
        row = self.execute(statement).fetchone()
        return None if row is None else row[0]


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def open_writer(
    kind: type[Connection], file: StoreFile, deadline: Deadline, *, may_create: bool = False
) -> Connection | None:
    """Open the connection that writes, and the store in it where it `may_create` one. None: the file is empty.

    Raises:
        NotAStoreError, StoreVersionError: the file is not ours to write to; nothing was written.
        StoreUnavailableError: the database refuses to be as durable as we promise.
    """
    with ExitStack() as unless_sound:
        file.forget_wal()
        connection = _connect(kind, file)
        unless_sound.callback(connection.close)
        if _has_store(connection, file, deadline, may_create=may_create):
            file.watch_wal()
            unless_sound.pop_all()
            return connection
    return None


def _has_store(connection: Connection, file: StoreFile, deadline: Deadline, *, may_create: bool) -> bool:
    location = str(file)
    empty = deadline.patiently(lambda: _is_empty(connection, location), location)
    if empty and not may_create:
        return False
    deadline.patiently(lambda: _make_durable(connection, location), location)
    if empty:
        connection.begin(deadline, location)
        if sqlite_schema.is_empty(connection, location):  # another process may have been faster
            sqlite_schema.create(connection)
        connection.commit()
    return True


def open_reader(kind: type[Connection], file: StoreFile, deadline: Deadline | None = None) -> Connection:
    """Open a connection that can only read, and never moves the write-ahead log into the database.

    SQLite before 3.51.3 can corrupt a store when two connections of it do that at the same instant. With a `deadline`
    it keeps more pages than SQLite would by itself. To tell it so takes a look into the file, and that waits for locks.
    """
    with ExitStack() as unless_sound:
        connection = _connect(kind, file)
        unless_sound.callback(connection.close)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        if deadline is not None:
            deadline.patiently(lambda: connection.execute(f"PRAGMA cache_size = -{_CACHED_KIB}"), str(file))
        unless_sound.pop_all()
    return connection


def open_beside(kind: type[Connection], file: StoreFile) -> Connection:
    """Open a connection for the tables beside the events; see `events.log.sqlite_tables`."""
    with ExitStack() as unless_sound:
        connection = _connect(kind, file)
        unless_sound.callback(connection.close)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA synchronous = NORMAL")
        unless_sound.pop_all()
    return connection


def _connect(kind: type[Connection], file: StoreFile) -> Connection:
    file.check()
    return sqlite3.connect(
        f"file:{quote(os.fsencode(file.path))}?mode=rw",  # a file that is gone by now is not made anew
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
        factory=kind,
        cached_statements=_STATEMENTS_KEPT,
        uri=True,
    )


def _is_empty(connection: Connection, location: str) -> bool:
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("BEGIN")  # so that all of it is seen at one instant
    try:
        return sqlite_schema.is_empty(connection, location)
    finally:
        connection.rollback()


def _make_durable(connection: Connection, location: str) -> None:
    """Make a commit mean that the events are on the disk, and make sure that SQLite agrees."""
    journal = connection.number("PRAGMA journal_mode = WAL")
    if str(journal).lower() != "wal":
        raise StoreUnavailableError(
            f"{location}: SQLite cannot keep a write-ahead log there (it answers {journal!r});"
            " put the store on a local disk"
        )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # on macOS fsync alone leaves data in the drive's cache
    synchronous = connection.number("PRAGMA synchronous")
    if synchronous != _FULL:
        raise StoreUnavailableError(
            f"{location}: SQLite does not accept synchronous=FULL (it answers {synchronous!r}),"
            " so events would not survive a power loss"
        )
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")


class Readers:
    """A pool of connections that read. It opens one when all are in use and keeps a few."""

    def __init__(self, open_one: Callable[[], Connection]) -> None:
        self._open_one = open_one
        self._idle: list[Connection] = []
        self._lock = Lock()
        self._closed = False

    @contextmanager
    def lend(self, location: str) -> Iterator[Connection]:
        """Lend a connection to the calling thread; one that fails is not used again.

        Raises:
            ClosedError: the pool was closed.
        """
        with self._lock:
            if self._closed:
                raise ClosedError(f"{location}: the store was closed")
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._open_one()
        sound = False
        try:
            yield connection
            sound = True
        finally:
            self._give_back(connection, sound=sound)

    def _give_back(self, connection: Connection, *, sound: bool) -> None:
        with self._lock:
            if sound and not self._closed and len(self._idle) < _IDLE_READERS_MAX:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close the idle connections now, and those in use as they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
