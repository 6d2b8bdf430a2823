"""The one place from which a process writes to a PostgreSQL store: it tries again, and finds out what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Event, Lock
from time import sleep
from typing import Final, Protocol, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from events.errors import ClosedError, StoreBusyError, StoreError
from events.log.postgres_address import Address
from events.log.postgres_append import STATEMENTS, Append
from events.log.postgres_connection import Connection
from events.log.postgres_deadline import Deadline
from events.log.postgres_errors import is_passing, is_unique_violation, told, translated
from events.log.postgres_exchange import Call, exchange, prepare
from events.log.postgres_look import HASH
from events.log.record import Conflict, Head, Verdict

T = TypeVar("T")

Work = Callable[[Append, Connection], Sequence[Verdict]]
"""Judges what is to be written in a transaction that has begun; nothing is written where it judges nothing."""


class AppendOn(Protocol):
    """Makes what one transaction appends."""

    def __call__(self, connection: Connection, /, *, distrustful: bool) -> Append:
        """Return it. Raises AuditKeyError where nothing may be written so."""


_PART_FOR_WRITING: Final = 0.7
"""Of a call's time; the rest is there to find out what became of a commit whose answer was lost."""
_SHARE: Final = 0.3
"""How much of a call's time one exchange may take, so that there is time to do it again if it never arrived."""

_END: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = %s AND backend_start = %s AND usename = current_user"""


class Writer:
    """Writes over one connection, one transaction at a time. Any thread may call it."""

    def __init__(
        self,
        address: Address,
        seconds: float,
        open_one: Callable[[Deadline], Connection],
        append_on: AppendOn,
    ) -> None:
        """`open_one` opens a connection, `append_on` makes ready what is to be appended over one."""
        self._append_on = append_on
        self._address = address
        self._seconds = seconds
        self._open_one = open_one
        self._lock = Lock()
        self._closing = Event()
        self._connection: Connection | None = None
        self._lost: list[tuple[int, object]] = []
        """The server's processes behind connections that were lost: one may hold the lock that writers wait for."""

    @property
    def process(self) -> int | None:
        """The number of the server's process that writes for us; None where there is none."""
        connection = self._connection
        return None if connection is None else connection.process[0]

    def close(self) -> None:
        """Close the connection, once a transaction that is under way has ended."""
        self._closing.set()
        with self._lock:
            self._drop()

    def transact(
        self, names: Sequence[str], work: Work, *, together: bool = False, distrustful: bool = False
    ) -> tuple[Append, list[Verdict]]:
        """Do one transaction that works on parents of these names, again where the connection was lost before its end.

        With `together`, one conflict keeps everything from being written. Work may be done more than once; what it
        raises comes through, and nothing is written then.

        Raises:
            StoreError: nothing of it is in the store, unless the message says that this could not be found out.
            ClosedError: it was closed.
        """
        deadline = Deadline(self._seconds)
        writing = deadline.part(_PART_FOR_WRITING)
        cause: psycopg.Error | None = None
        with self._mine(writing):
            while True:
                try:
                    return self._once(names, work, writing, deadline, together=together, distrustful=distrustful)
                except psycopg.Error as error:
                    if is_unique_violation(error) and not distrustful:
                        # A damaged stream has rows beyond its head. Find it, so that the others are written.
                        distrustful = True
                        continue
                    cause = told(error, cause)
                    pause_seconds = writing.pause_seconds()
                    if not is_passing(error) or not pause_seconds or self._closing.wait(pause_seconds):
                        raise translated(cause, self._address.location) from error

    def change(self, work: Callable[[Connection], T]) -> T:
        """Do one transaction that changes something else than events; no other writer gets in between.

        Work must do no harm where it is done again, for it may have been kept where its answer was lost.

        Raises:
            StoreError: it was not kept, unless the answer was lost.
            ClosedError: it was closed.
        """
        deadline = Deadline(self._seconds)
        cause: psycopg.Error | None = None
        with self._mine(deadline):
            while True:
                try:
                    return self._changed(work, deadline)
                except psycopg.Error as error:
                    cause = told(error, cause)
                    pause_seconds = deadline.pause_seconds()
                    if not is_passing(error) or not pause_seconds or self._closing.wait(pause_seconds):
                        raise translated(cause, self._address.location) from error

    def undertake(self, work: Callable[[Connection], T]) -> T:
        """Do one transaction that may take long, over a connection of its own; no other writer gets in between.

        It is not done again. Each of its exchanges with the server has a deadline of its own.

        Raises:
            StoreError: it was not kept, unless the answer was lost.
            ClosedError: it was closed.
        """
        with self._mine(Deadline(self._seconds)), ExitStack() as in_the_end:
            try:
                connection = self._open_one(Deadline(self._seconds))
                in_the_end.callback(connection.drop)  # which gives up what was not committed
                connection.take_long(self._seconds)
                Append(connection, self._address, distrustful=False).begin(())
                result = work(connection)
                connection.execute("COMMIT")
            except psycopg.Error as error:
                raise translated(error, self._address.location) from error
        return result

    def _changed(self, work: Callable[[Connection], T], deadline: Deadline) -> T:
        connection = self._ready(deadline)
        try:
            Append(connection, self._address, distrustful=False).begin(())
            result = work(connection)
            connection.execute("COMMIT")
            return result
        finally:
            self._leave(connection)

    @contextmanager
    def _mine(self, deadline: Deadline) -> Iterator[None]:
        location = self._address.location
        if not self._lock.acquire(timeout=deadline.remaining_seconds()):
            waited = f"{deadline.waited_seconds():.1f} seconds"
            raise StoreBusyError(f"{location}: another thread of this process has been writing for {waited}")
        try:
            if self._closing.is_set():
                raise ClosedError(f"{location}: the store was closed")
            yield
        finally:
            self._lock.release()

    def _once(
        self,
        names: Sequence[str],
        work: Work,
        writing: Deadline,
        deadline: Deadline,
        *,
        together: bool,
        distrustful: bool,
    ) -> tuple[Append, list[Verdict]]:
        connection = self._ready(writing)
        try:
            connection.deadline = writing.share(_SHARE)
            append = self._append_on(connection, distrustful=distrustful)
            append.begin(names)
            connection.deadline = writing
            verdicts = list(work(append, connection))
            conflicts = sum(isinstance(verdict, Conflict) for verdict in verdicts)
            if conflicts < len(verdicts) and not (conflicts and together):
                self._commit(append, connection, deadline)
        finally:
            self._leave(connection)
        return append, verdicts

    def _ready(self, deadline: Deadline) -> Connection:
        if self._connection is None or self._connection.is_lost:
            self._drop()
            connection = self._open_one(deadline)
            with ExitStack() as unless_prepared:
                unless_prepared.callback(connection.drop)
                prepare(connection, STATEMENTS)
                unless_prepared.pop_all()
            self._connection = connection
        self._connection.deadline = deadline
        while self._lost:
            self._connection.rows(_END, self._lost[-1])
            self._lost.pop()
        return self._connection

    def _commit(self, append: Append, connection: Connection, deadline: Deadline) -> None:
        """Commit. Raises psycopg.Error where that was not done, and StoreError where nobody can say."""
        connection.deadline = connection.deadline.share(_SHARE)
        try:
            if not append.commit():
                raise psycopg.errors.TransactionRollback("the server gave the transaction up")
        except psycopg.Error as error:
            if not connection.is_lost or not self._kept(append.proof, deadline, error):
                raise

    def _kept(self, proof: tuple[str, Head], deadline: Deadline, error: psycopg.Error) -> bool:
        """Find out, over a fresh connection, whether the transaction of a lost one is in the store, for good."""
        self._drop()
        try:
            while True:
                try:
                    return self._look_back(proof, deadline)
                except psycopg.Error as unknown:
                    pause_seconds = deadline.pause_seconds()
                    if not is_passing(unknown) or not pause_seconds:
                        raise
                sleep(pause_seconds)
        except (psycopg.Error, StoreError) as unknown:
            failure = translated(error, self._address.location)
            text = f"{failure}; whether the append was kept could not be found out: {unknown}"
            raise type(failure)(text) from error

    def _look_back(self, proof: tuple[str, Head], deadline: Deadline) -> bool:
        """Get the lock that the lost transaction held, which it holds until it is over; then look.

        The hash of any of its events tells, for it covers everything in that stream up to it. Where it is there,
        something is committed after it, so that it is also wherever the server waits for copies of it to be.
        """
        name, head = proof
        connection = self._ready(deadline)
        try:
            Append(connection, self._address, distrustful=False).begin(())
            if connection.rows(HASH, (name, head.version)) != [(head.hash,)]:
                return False
            connection.execute("UPDATE store SET position = position")
            connection.execute("COMMIT")
            return True
        finally:
            self._leave(connection)

    def _leave(self, connection: Connection) -> None:
        """Give up whatever is not committed."""
        if connection is not self._connection:
            connection.drop()
        elif connection.is_lost:
            self._drop()
        elif connection.pgconn.transaction_status != TransactionStatus.IDLE:
            try:
                exchange(connection, [Call(b"ROLLBACK")])
            except psycopg.Error:
                self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._lost.append(connection.process)
            connection.drop()
