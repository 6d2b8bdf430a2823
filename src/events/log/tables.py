"""Tables beside the events, in the same database: how projections read and write theirs, whatever the store.

Statements are in the SQL that SQLite and PostgreSQL share, with `?` for each value.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

Values = Sequence[Any]


def first_cause(error: BaseException) -> BaseException:
    """Return what the database itself said, which lies beneath an error of ours."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


class Session(ABC):
    """One transaction that writes. Nobody else writes meanwhile, so it must be short."""

    @abstractmethod
    def execute(self, statement: str, values: Values = ()) -> int:
        """Run a statement and return how many rows it touched."""

    @abstractmethod
    def query(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Run a statement that reads, and return its rows."""


class Tables(ABC):
    """The tables beside the events. Any thread may call any method."""

    location: str
    """The store, for messages."""
    table_options: str = ""
    """What stands at the end of a CREATE TABLE."""

    @abstractmethod
    def read(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Run one statement that reads, and return its rows as they stood at one instant.

        Raises:
            StoreError: the store cannot be read; also where there is no such table, or no such column.
        """

    @abstractmethod
    def slip(self, error: BaseException) -> str | None:
        """Return, in the database's words, what is wrong with a statement that could not be read, or with its values.

        None where the trouble is the store's. Whether tables are missing that should be there is for others to say.
        """

    @abstractmethod
    def transaction(self, timeout_seconds: float | None = None) -> AbstractContextManager[Session]:
        """Begin a transaction: committed where the body comes to its end, undone where it raises.

        What it wrote may be lost in a power cut, as a whole, and never without what was written after it: everything
        in these tables can be made again from the events.

        Raises:
            StoreBusyError: somebody else kept writing for longer than `timeout_seconds` (as long as the store waits
                for anything, where it is left out).
            StoreError: it was not kept. Where the answer to its commit was lost it may have been: look.
        """

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Session]:
        """Begin a transaction that reads: all of it sees the tables, and nothing else, as they stood at one instant."""

    @abstractmethod
    def columns(self, table: str) -> list[str]:
        """Return the names of a table's columns in order; nothing where there is no such table."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held open. Closing again does nothing."""
