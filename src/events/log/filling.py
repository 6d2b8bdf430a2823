"""What is done to a store as a whole: filling an empty one, saving one to a file, and making one of such a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from events.errors import UsageError
from events.log.record import Row


class Filling:
    """The part of a recorder that does so. This one does nothing of it."""

    location: str

    def fill(self, rows: Iterator[Row]) -> None:
        """Write rows, which keep their positions, to a log that is empty; all of them or none.

        The rows of a stream come one after the other, streams in order of creation. What their iterator raises leaves
        nothing written, and comes through.

        Raises:
            UsageError: there are events in the log, or such a log cannot be filled.
            StoreDamagedError: two rows have one position.
            StoreError: it cannot be used; nothing was written.
        """
        del rows
        raise UsageError(f"{self.location}: nothing can be imported into a store of this kind")

    def save(self, path: Path, named: str) -> None:
        """Write the store, as it is at one instant, to an empty file as an SQLite store. `named`: its name in messages.

        Raises:
            UsageError: the store is in memory.
            StoreError: it cannot be read, or the file cannot be written.
        """
        del path, named
        raise UsageError(f"{self.location}: it is in memory; use `orchestrator audit export`")

    def load(self, path: Path) -> None:
        """Write all that an SQLite store holds, views left out, to a log that is empty; all of it or nothing.

        Raises:
            UsageError: the log is not empty, or cannot be written so.
            StoreError: one of both cannot be used; nothing was written.
        """
        raise UsageError(f"{self.location}: nothing can be restored into a store of this kind from {path}")
