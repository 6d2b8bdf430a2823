"""Tables beside the events in PostgreSQL, written over a connection of their own.

What is written there can be made again from the events, so its commits do not wait for the disk: a crash of the server
can take the latest of them, each as a whole, and never leaves a table that is ahead of the events, which were on the
disk before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from threading import Lock
from typing import Any, Final, LiteralString, TypeVar

import psycopg

from events.errors import ClosedError, StoreBusyError, UsageError, ViewDamagedError, ViewRowsError
from events.log.postgres_connection import Connection
from events.log.postgres_deadline import Deadline
from events.log.postgres_errors import translated
from events.log.tables import Session, Tables, Values, first_cause

T = TypeVar("T")

LOCK: Final = 1347383908
"""Whoever writes these tables holds the advisory lock of this number and the schema's own one."""

_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SHARE: Final = 0.3
"""How much of a call's time it may take to begin: the connection may have gone dead since it was used last."""
_COLUMNS: Final = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
_OF_A_TABLE: Final = ("42P01", "42703", "42804", "42P07", "42701", "42P16", "42809", "42883")
"""Codes of statements that do not fit the tables that are there: gone, or altered by hand."""
_OF_A_VALUE: Final = ("22",)
_OF_A_STATEMENT: Final = ("0A", "21", "22", "42")
"""Classes of codes that say what is wrong with a statement or its values."""
_NO_PRIVILEGE: Final = "42501"
_OF_ROWS: Final = ("23",)


@lru_cache(maxsize=1024)
def _as_here(statement: str) -> LiteralString:
    """Return a statement as PostgreSQL has it: other marks for values, and texts in the order of their bytes."""
    told = statement.replace("%", "%%").replace("?", "%s")
    if told.lstrip().startswith("CREATE TABLE"):
        told = told.replace(" TEXT", ' TEXT COLLATE "C"')
    return told  # made of names that a `Table` has checked


@contextmanager
def _told(location: str) -> Iterator[None]:
    """Tell what is wrong with a table, or with a value, from what is wrong with the store."""
    try:
        yield
    except psycopg.Error as error:
        code = error.sqlstate or ""
        if code in _OF_A_TABLE:
            raise ViewDamagedError(f"{location}: a table is not the one that was made there ({error})") from error
        if code.startswith(_OF_ROWS):
            raise ViewRowsError(f"{location}: a table holds rows that were never written there ({error})") from error
        if code.startswith(_OF_A_VALUE) or (isinstance(error, psycopg.ProgrammingError) and not code):
            raise UsageError(f"{location}: a value that no table can hold ({error})") from error
        raise
    except (UnicodeEncodeError, OverflowError) as error:
        raise UsageError(f"{location}: a value that no table can hold ({error})") from error


class PostgresSession(Session):
    """A transaction on one connection."""

    def __init__(self, connection: Connection, location: str) -> None:
        self._connection = connection
        self._location = location

    def execute(self, statement: str, values: Values = ()) -> int:
        """Run a statement and return how many rows it touched."""
        with _told(self._location):
            return self._connection.execute(_as_here(statement), values).rowcount

    def query(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Run a statement that reads, and return its rows."""
        with _told(self._location):
            return self._connection.rows(_as_here(statement), values)


class PostgresTables(Tables):
    """Tables beside the events in a schema of a PostgreSQL database."""

    def __init__(
        self,
        location: str,
        key: int,
        open_one: Callable[[Deadline], Connection],
        patiently: Callable[[Callable[[Connection], Any]], Any],
        seconds: float,
    ) -> None:
        """`open_one` opens a connection; `patiently` does over one that reads what may be done twice."""
        self.location = location
        self._key = key
        self._open_one = open_one
        self._patiently = patiently
        self._seconds = seconds
        self._turn = Lock()
        self._connection: Connection | None = None
        self._spare: Connection | None = None
        """That of the latest transaction that read, kept for the next one."""
        self._closed = False

    def read(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Run one statement that reads."""

        def ask(connection: Connection) -> list[tuple[Any, ...]]:
            with _told(self.location):
                return connection.rows(_as_here(statement), values)

        found: list[tuple[Any, ...]] = self._patiently(ask)
        return found

    def slip(self, error: BaseException) -> str | None:
        """Return what is wrong with a statement that could not be read; None where the trouble is the store's."""
        cause = first_cause(error)
        if isinstance(cause, psycopg.Error):
            code = cause.sqlstate or ""
            is_ours = code.startswith(_OF_A_STATEMENT) and code != _NO_PRIVILEGE
            if not is_ours and (code or not isinstance(cause, psycopg.ProgrammingError | psycopg.DataError)):
                return None
        elif not isinstance(cause, UnicodeEncodeError | OverflowError):
            return None
        return " ".join(str(cause).split())

    @contextmanager
    def transaction(self, timeout_seconds: float | None = None) -> Iterator[Session]:
        """Begin a transaction; whoever appends does not wait for it."""
        deadline = Deadline(self._seconds if timeout_seconds is None else timeout_seconds)
        if not self._turn.acquire(timeout=deadline.remaining_seconds()):
            raise StoreBusyError(f"{self.location}: its tables were in use for {deadline.waited_seconds():.1f} seconds")
        try:
            with ExitStack() as unless_kept:
                unless_kept.callback(self._drop)  # a connection on which something failed is not used again
                if self._closed:
                    raise ClosedError(f"{self.location}: the store was closed")
                connection = self._connection = self._connection or self._open_one(deadline)
                connection.deadline = deadline.share(_SHARE)
                connection.execute("BEGIN")
                connection.execute("SET LOCAL synchronous_commit = off")
                connection.deadline = deadline
                connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCK, self._key))
                yield PostgresSession(connection, self.location)
                connection.execute("COMMIT")
                unless_kept.pop_all()
        except psycopg.Error as error:
            raise translated(error, self.location) from error
        finally:
            self._turn.release()

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Begin a transaction that reads, over a connection of its own: it may be a long one."""
        try:
            connection = self._begun()
            try:
                yield PostgresSession(connection, self.location)
                connection.execute("ROLLBACK")
                if not self._closed:
                    self._spare, connection = connection, self._spare
            finally:
                if connection is not None:
                    connection.drop()
        except psycopg.Error as error:
            raise translated(error, self.location) from error

    def _begun(self) -> Connection:
        """Return a connection on which such a transaction has begun: that of an earlier one, where it still serves."""
        spare, self._spare = self._spare, None
        if spare is not None:
            with suppress(psycopg.Error):
                spare.execute(_SNAPSHOT)
                return spare
            spare.drop()
        connection = self._open_one(Deadline(self._seconds))
        with ExitStack() as unless_begun:
            unless_begun.callback(connection.drop)
            connection.take_long(self._seconds)
            connection.execute(_SNAPSHOT)
            unless_begun.pop_all()
        return connection

    def columns(self, table: str) -> list[str]:
        """Return the names of a table's columns in order."""
        return [name for (name,) in self._patiently(lambda connection: connection.rows(_COLUMNS, (table,)))]

    def close(self) -> None:
        """Close the connection, once a transaction that is under way has come to its end."""
        with self._turn:
            self._closed = True
            self._drop()
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()  # which gives up what was not committed
