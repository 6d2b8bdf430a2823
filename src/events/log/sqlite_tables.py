"""Tables beside the events of an SQLite store, written through a connection of their own.

That connection never moves the write-ahead log into the database: before 3.51.3, SQLite can corrupt a store when two
connections do so while one of them commits. It does not wait for the disk either (synchronous=NORMAL): what it wrote
lies in the write-ahead log behind the events it was made from, so a power cut can take the former alone, and never
leaves a table that is ahead of the events.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from threading import RLock
from typing import Any, Final, Protocol

from events.errors import (
    ClosedError,
    StoreBusyError,
    StoreError,
    StoreUnavailableError,
    UsageError,
    ViewDamagedError,
    ViewRowsError,
)
from events.log.errors import translated
from events.log.sqlite_connection import Connection, Deadline
from events.log.tables import Session, Tables, Values, first_cause

_COLUMNS: Final = "SELECT name FROM pragma_table_info(?) ORDER BY cid"
_MEMORY_SECONDS: Final = 30.0
_OF_A_VALUE: Final = (sqlite3.ProgrammingError, sqlite3.InterfaceError, OverflowError, UnicodeEncodeError)
"""Errors of a value that cannot be handed in, or of a text that is not one statement."""


class Turn(Protocol):
    """The one place from which a process writes to its store."""

    def __call__(self, deadline: Deadline, /) -> AbstractContextManager[None]:
        """Hold the place. Raises StoreBusyError where it is not free in time, ClosedError once the store is closed."""


@contextmanager
def _told(location: str) -> Iterator[None]:
    """Tell what is wrong with a table, or with a value, from what is wrong with the store."""
    try:
        yield
    except _OF_A_VALUE as error:
        raise UsageError(f"{location}: a value that no table can hold ({error})") from error
    except sqlite3.IntegrityError as error:
        raise ViewRowsError(f"{location}: a table holds rows that were never written there ({error})") from error
    except sqlite3.OperationalError as error:
        if _is_of_a_table(error):
            raise ViewDamagedError(f"{location}: a table is not the one that was made there ({error})") from error
        raise


def _is_of_a_table(error: sqlite3.Error) -> bool:
    """Whether a statement does not fit the tables that are there: gone, or altered by hand."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


def _slip(error: BaseException) -> str | None:
    cause = first_cause(error)
    is_of_a_value = isinstance(cause, _OF_A_VALUE)
    return str(cause) if is_of_a_value or (isinstance(cause, sqlite3.Error) and _is_of_a_table(cause)) else None


class SQLiteSession(Session):
    """A transaction on one connection."""

    def __init__(self, connection: sqlite3.Connection, location: str) -> None:
        self._connection = connection
        self._location = location

    def execute(self, statement: str, values: Values = ()) -> int:
        """Run a statement and return how many rows it touched."""
        with _told(self._location):
            return self._connection.execute(statement, values).rowcount

    def query(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Run a statement that reads, and return its rows."""
        with _told(self._location):
            return self._connection.execute(statement, values).fetchall()


class SQLiteTables(Tables):
    """Tables beside the events in an SQLite file."""

    table_options = " WITHOUT ROWID"

    def __init__(
        self,
        location: str,
        open_one: Callable[[], Connection],
        lend: Callable[[], AbstractContextManager[Connection]],
        read: Callable[[str, Sequence[Any]], list[Any]],
        turn: Turn,
        timeout_seconds: float,
    ) -> None:
        """`open_one` opens a connection that may write, `lend` lends one that reads, `read` runs a statement on it."""
        self.location = location
        self._open_one = open_one
        self._lend = lend
        self._read = read
        self._turn = turn
        self._timeout_seconds = timeout_seconds
        self._connection: Connection | None = None
        self._closed = False

    def read(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Run one statement that reads."""
        try:
            return self._read(statement, values)
        except StoreUnavailableError as error:
            if isinstance(error.__cause__, sqlite3.Error) and _is_of_a_table(error.__cause__):
                raise ViewDamagedError(f"{error}: a table is not the one that was made there") from error
            raise
        except (OverflowError, UnicodeEncodeError) as error:
            raise UsageError(f"{self.location}: a value that no table can hold ({error})") from error

    def slip(self, error: BaseException) -> str | None:
        """Return what is wrong with a statement that could not be read; None where the trouble is the store's."""
        return _slip(error)

    @contextmanager
    def transaction(self, timeout_seconds: float | None = None) -> Iterator[Session]:
        """Begin a transaction; whoever appends in this process waits for it, and it waits for them, in turn."""
        deadline = Deadline(self._timeout_seconds if timeout_seconds is None else timeout_seconds)
        with self._turn(deadline), ExitStack() as unless_kept:
            unless_kept.callback(self._drop)  # a connection on which something failed is not used again
            if self._closed:
                raise ClosedError(f"{self.location}: the store was closed")
            try:
                connection = self._connection = self._connection or self._open_one()
                connection.begin(deadline, self.location)
                yield SQLiteSession(connection, self.location)
                connection.commit()
            except sqlite3.Error as error:
                raise translated(error, self.location) from error
            unless_kept.pop_all()

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Begin a transaction that reads."""
        try:
            with self._lend() as connection:
                connection.execute("BEGIN")
                try:
                    yield SQLiteSession(connection, self.location)
                finally:
                    connection.rollback()
        except sqlite3.Error as error:
            raise translated(error, self.location) from error

    def columns(self, table: str) -> list[str]:
        """Return the names of a table's columns in order."""
        return [name for (name,) in self.read(_COLUMNS, (table,))]

    def close(self) -> None:
        """Close the connection, once a transaction that is under way has come to its end."""
        if not self._closed:
            with suppress(StoreError, ClosedError), self._turn(Deadline(self._timeout_seconds)):
                self._closed = True
                self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()  # which gives up what was not committed


class MemoryTables(Tables):
    """Tables in a private SQLite database in memory, for logs that are in no database."""

    table_options = " WITHOUT ROWID"

    def __init__(self, location: str = "memory:") -> None:
        self.location = location
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False
        )

    def read(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Run one statement that reads."""
        with self._held(_MEMORY_SECONDS) as connection, _told(self.location):
            connection.execute("PRAGMA query_only = ON")
            try:
                return connection.execute(statement, values).fetchall()
            finally:
                connection.execute("PRAGMA query_only = OFF")

    def slip(self, error: BaseException) -> str | None:
        """Return what is wrong with a statement that could not be read; None where the trouble is the store's."""
        return _slip(error)

    @contextmanager
    def transaction(self, timeout_seconds: float | None = None) -> Iterator[Session]:
        """Begin a transaction."""
        with self._held(_MEMORY_SECONDS if timeout_seconds is None else timeout_seconds) as connection:
            connection.execute("BEGIN")
            try:
                yield SQLiteSession(connection, self.location)
                connection.commit()
            finally:
                connection.rollback()  # which does nothing where all was committed

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Keep everybody else away while something is read."""
        with self._held(_MEMORY_SECONDS) as connection:
            yield SQLiteSession(connection, self.location)

    @contextmanager
    def _held(self, timeout_seconds: float) -> Iterator[sqlite3.Connection]:
        if not self._lock.acquire(timeout=timeout_seconds):
            raise StoreBusyError(f"{self.location}: its tables were in use for {timeout_seconds:g} seconds")
        try:
            if self._connection is None:
                raise ClosedError(f"{self.location}: the store was closed")
            yield self._connection
        except sqlite3.Error as error:
            raise translated(error, self.location) from error
        finally:
            self._lock.release()

    def columns(self, table: str) -> list[str]:
        """Return the names of a table's columns in order."""
        return [name for (name,) in self.read(_COLUMNS, (table,))]

    def close(self) -> None:
        """Forget all tables."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()
