"""The few connections over which a process reads a PostgreSQL store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import Final

from psycopg.pq import TransactionStatus

from events.errors import ClosedError, StoreBusyError
from events.log.postgres_connection import Connection
from events.log.postgres_deadline import Deadline

CONNECTIONS_MAX: Final = 8

_SHARE: Final = 0.3
"""How much of a call's time an idle connection gets: it may have gone dead, and a new one is to have the rest."""


class Readers:
    """A pool of connections that read, opened as they are needed."""

    def __init__(self, location: str, open_one: Callable[[Deadline], Connection]) -> None:
        self._location = location
        self._open_one = open_one
        self._free = BoundedSemaphore(CONNECTIONS_MAX)
        self._idle: list[Connection] = []
        self._lock = Lock()
        self._closed = False

    @contextmanager
    def lend(self, deadline: Deadline) -> Iterator[Connection]:
        """Lend a connection to the calling thread; one that was lost is not used again.

        Raises:
            ClosedError: the pool was closed.
            StoreBusyError: other threads had all of them until the deadline.
            psycopg.Error: there is none to be had.
        """
        if not self._free.acquire(timeout=deadline.remaining_seconds()):
            raise StoreBusyError(f"{self._location}: all connections of this process have been busy until the deadline")
        try:
            connection = self._taken()
            if connection is None:
                connection = self._open_one(deadline)
                connection.deadline = deadline
            else:
                connection.deadline = deadline.share(_SHARE)
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._free.release()

    def _taken(self) -> Connection | None:
        with self._lock:
            if self._closed:
                raise ClosedError(f"{self._location}: the store was closed")
            return self._idle.pop() if self._idle else None

    def _give_back(self, connection: Connection) -> None:
        sound = not connection.is_lost and connection.pgconn.transaction_status == TransactionStatus.IDLE
        with self._lock:
            if sound and not self._closed:
                self._idle.append(connection)
                return
        connection.drop()

    def forget(self) -> None:
        """Let go of the idle connections: the server has gone away, and they with it."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.drop()

    def close(self) -> None:
        """Close the idle connections now, and those in use as they are given back."""
        with self._lock:
            self._closed = True
        self.forget()
