"""What fills a whole PostgreSQL store at once, or reads all of it: imports, backups, restores. They may take long."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psycopg

from events.log import postgres_backup, postgres_fill
from events.log.postgres_connection import Connection
from events.log.postgres_deadline import Deadline
from events.log.postgres_errors import translated
from events.log.postgres_seals import refuse_sealed
from events.log.record import Row
from events.log.recorder import Recorder

T = TypeVar("T")


class PostgresFilling(Recorder):
    """The part of `PostgresRecorder` that fills an empty store, and saves all of one."""

    _seconds: float

    @abstractmethod
    def _undertake(self, work: Callable[[Connection], T]) -> T:
        """Do one transaction that may take long; no other writer gets in between."""

    @abstractmethod
    def _opened(self, deadline: Deadline) -> Connection:
        """Open a connection."""

    def fill(self, rows: Iterator[Row]) -> None:
        """Write rows, which keep their positions, to a log that is empty; all of them or none. See `Recorder.fill`."""
        self._undertake(lambda connection: self._fill(connection, rows))
        self._wake()

    def _fill(self, connection: Connection, rows: Iterator[Row]) -> None:
        self._may_fill(connection)
        postgres_fill.fill(connection, rows, self.location)

    def _may_fill(self, connection: Connection) -> None:
        refuse_sealed(connection, self.location)

    def load(self, path: Path) -> None:
        """Write all that an SQLite store holds, views left out, to a log that is empty; all of it or nothing."""

        def work(connection: Connection) -> None:
            refuse_sealed(connection, self.location)  # a backup brings its own seals
            postgres_backup.load(connection, path, self.location)

        self._undertake(work)
        self._dropped_upto = None  # it may have brought proofs
        self._wake()

    def save(self, path: Path, named: str) -> None:
        """Write the store, as it is at one instant, to an empty file as an SQLite store."""
        try:
            connection = self._opened(Deadline(self._seconds))
            try:
                connection.take_long(self._seconds)
                postgres_backup.save(connection, path, named)
            finally:
                connection.drop()
        except psycopg.Error as error:
            raise translated(error, self.location) from error
