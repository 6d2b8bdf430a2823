"""Hearing from a PostgreSQL server that somebody has written. Only a hint: who waits for news looks by itself too."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from threading import Lock, Thread
from typing import Final

import psycopg
from psycopg.sql import SQL, Identifier

from events.errors import StoreError
from events.log.postgres_connection import Connection
from events.log.postgres_deadline import Deadline

_ASKED_SECONDS: Final = 5.0
"""After so long without a word the server is asked whether it is still there."""
_ANSWERED_SECONDS: Final = 3.0
_PACE_SECONDS: Final = 0.05
"""However much others write, no more is heard of it than once in so long."""
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0


class Hints:
    """Listens, in a thread of its own and over a connection of its own, from when it is begun until it is closed."""

    def __init__(
        self,
        channel: str,
        open_one: Callable[[Deadline], Connection],
        own_process: Callable[[], int | None],
        heard: Callable[[], None],
    ) -> None:
        self._channel = channel
        self._open_one = open_one
        self._own_process = own_process
        self._heard = heard
        self._lock = Lock()
        self._closed = False
        self._thread: Thread | None = None
        self._stopping: tuple[int, int] | None = None

    def begin(self) -> None:
        """Listen from now on; it does nothing where that has begun, or is over."""
        with self._lock:
            if self._closed or self._thread is not None:
                return
            self._stopping = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            self._thread = Thread(
                target=self._run, args=(self._stopping[0],), name="orchestrator-postgres-hints", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
            pipe, self._stopping = self._stopping, None
        if thread is not None and pipe is not None:
            os.close(pipe[1])
            thread.join()
            os.close(pipe[0])

    def _run(self, stopping: int) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while not _readable([stopping], pause_seconds):
            try:
                connection = self._open_one(Deadline(_ANSWERED_SECONDS))
            except (psycopg.Error, StoreError):
                pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
                continue
            pause_seconds = _FIRST_PAUSE_SECONDS
            try:
                self._listen(connection, stopping)
            except psycopg.Error:  # it is lost: connect again, and look in case something was missed
                continue
            finally:
                connection.drop()

    def _listen(self, connection: Connection, stopping: int) -> None:
        connection.deadline = Deadline(_ANSWERED_SECONDS)
        connection.execute(SQL("LISTEN {}").format(Identifier(self._channel)))
        self._heard()
        while True:
            found = _readable([stopping, connection.pgconn.socket], _ASKED_SECONDS)
            if stopping in found:
                return
            if not found:
                connection.deadline = Deadline(_ANSWERED_SECONDS)
                connection.execute("SELECT 1")
            connection.pgconn.consume_input()
            senders = []
            while (note := connection.pgconn.notifies()) is not None:
                senders.append(note.be_pid)
            own = self._own_process()
            if any(sender != own for sender in senders):
                self._heard()
                if _readable([stopping], _PACE_SECONDS):
                    return


def _readable(descriptors: list[int], seconds: float) -> list[int]:
    """Return those that can be read from, as soon as there is one, or nothing after a time."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(seconds * 1000)]
