"""A copy of an SQLite store's file as it is at one instant, made while others write."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from events.log.errors import translated
from events.log.sqlite_connection import Connection, open_reader
from events.log.sqlite_file import StoreFile

_PAGES: Final = 4096
"""How many pages are copied between two looks at whether somebody wants us to end."""


def copy_pages(source: Path, target: Path, named: str) -> None:
    """Copy all pages as they are at one instant: a transaction that reads sees nothing of what is written meanwhile.

    `named` is what the copy is called in messages. Raises StoreError where that cannot be done.
    """
    file = StoreFile(source)
    file.open(must_exist=True)
    try:
        with ExitStack() as open_ones:
            reader = open_ones.enter_context(closing(open_reader(Connection, file)))
            writer = open_ones.enter_context(closing(sqlite3.connect(str(target), isolation_level=None)))
            writer.execute("PRAGMA journal_mode = OFF")  # nobody sees the file before all of it is on disk
            writer.execute("PRAGMA synchronous = OFF")
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
            reader.backup(writer, pages=_PAGES, progress=_look_up)
    except sqlite3.Error as error:
        raise translated(error, f"copying {source} to {named}") from error


def _look_up(_status: int, _remaining: int, _total: int) -> None:
    """Do nothing: that Python is called is what lets a signal through."""
