"""The file of an SQLite store: where it is, how it comes to be, and whether it is still the same one."""

from __future__ import annotations

import errno
import os
import stat
import struct
from pathlib import Path
from threading import Lock
from typing import Final

from events.errors import (
    NotAStoreError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreNotFoundError,
    StoreUnavailableError,
    UsageError,
)
from events.log import sqlite_wal

_SMALLEST_BYTES: Final = 512
_FILE_BEGINS: Final = b"SQLite format 3\0"
_JOURNAL_HEADER: Final = struct.Struct(">8s3I")
"""Of a rollback journal of SQLite: magic, records, a nonce, and how many pages the file had before."""
_JOURNAL_BEGINS: Final = bytes.fromhex("d9d505f920a163d7")
"""With this it begins while it is in force."""

_creating = Lock()
"""Held while this process creates a file and closes it again. Closing any descriptor of a file gives up all of the
process's POSIX locks on it, SQLite's among them; so nobody may open the file as a database before that is done."""


class StoreFile:
    """A plain path that leads to one file.

    It is made absolute, so that SQLite reads no meaning into it (":memory:", "file:...") and a later change of the
    working folder does not move it. Symbolic links are followed once, here.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        text = os.fspath(path)
        if not text:
            raise UsageError("the store's path is empty")
        if "\0" in text:
            raise UsageError(f"the store's path {text!r} contains a zero byte")
        if text.endswith(os.sep):
            raise NotAStoreError(f"{text}: it names a folder; give the path of a file")
        try:
            self.path = Path(os.path.realpath(text))
        except FileNotFoundError:
            raise StoreUnavailableError(f"{text}: the current folder was removed; give an absolute path") from None
        self._wal_path = f"{self.path}-wal"
        self._identity: tuple[int, int] | None = None
        self._wal_identity: tuple[int, int] | None = None

    def __str__(self) -> str:
        return str(self.path)

    def open(self, *, must_exist: bool) -> None:
        """Make sure that the file is there and fit to be opened as a database; create it if it may be created.

        A new file can be read and written by its owner alone from its first instant.

        Raises:
            StoreNotFoundError: it is not there and must be.
            StoreError: it is no plain file, or may not be read and written, or cannot be created.
        """
        try:
            with _creating:
                if not self.path.exists() and not must_exist:
                    self._create()
                self._identity = self._look()
            self._check_access()
        except OSError as error:
            raise self._translated(error) from error

    def check(self) -> None:
        """Make sure that the path still leads to the file that was opened, and its write-ahead log is next to it.

        SQLite would go on writing to a file that somebody removed or replaced, and all of it would be lost.

        Raises:
            StoreUnavailableError: the file, or its write-ahead log, was removed or replaced.
        """
        try:
            there = os.stat(self.path)  # noqa: PTH116 - twice as fast as Path.stat, and called for every append
        except OSError as error:
            raise self._translated(error) from error
        if (there.st_dev, there.st_ino) != self._identity:
            raise StoreUnavailableError(f"{self}: the file was replaced by another one while it was in use")
        if self._wal_identity is not None and self._look_at_wal() != self._wal_identity:
            name = os.path.basename(self._wal_path)  # noqa: PTH119 - of a text
            raise StoreUnavailableError(
                f"{self}: {name}, which belongs to it, was removed or replaced while it was in use;"
                " what is on record is safe once all programs that use the store have ended in good order"
            )

    def watch_wal(self) -> None:
        """Take note of the write-ahead log, which stays the same while a connection to the file is open."""
        self._wal_identity = self._look_at_wal()

    def forget_wal(self) -> None:
        """Expect no particular write-ahead log: no connection of ours keeps it there."""
        self._wal_identity = None

    def _look_at_wal(self) -> tuple[int, int] | None:
        try:
            there = os.stat(self._wal_path)  # noqa: PTH116 - see above
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._translated(error) from error
        return there.st_dev, there.st_ino

    def check_log(self) -> None:
        """Make sure that SQLite will not silently drop the end of the write-ahead log.

        Raises:
            StoreDamagedError: it would.
            StoreError: the log cannot be read.
        """
        try:
            sqlite_wal.check(self.path)
        except OSError as error:
            raise self._translated(error) from error

    def _create(self) -> None:
        wal = Path(self._wal_path)
        if wal.exists() and not self.path.exists():
            raise StoreDamagedError(
                f"{self}: the file is gone, but {wal.name}, which belongs to it, is still there;"
                " put the file back, or move that one away"
            )
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            return  # another process was faster

    def _look(self) -> tuple[int, int]:
        found = self.path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise NotAStoreError(f"{self}: it is a folder; give the path of a file")
        if not stat.S_ISREG(found.st_mode):
            raise NotAStoreError(f"{self}: it is no plain file")
        if (
            0 < found.st_size < _SMALLEST_BYTES and not self._was_being_made()
        ):  # SQLite takes one byte for an empty file
            raise NotAStoreError(f"{self}: it is no SQLite database")
        return found.st_dev, found.st_ino

    def _was_being_made(self) -> bool:
        """Whether the power went while the first page of a new store was being written: SQLite takes it back.

        What is there begins as a database does, as far as it was written, and a journal says that the file was empty.
        """
        journal = Path(f"{self.path}-journal")
        try:
            if not stat.S_ISREG(journal.lstat().st_mode):
                return False
            with journal.open("rb") as file:
                header = file.read(_JOURNAL_HEADER.size)
            begun = self.path.read_bytes()[: len(_FILE_BEGINS)]
        except FileNotFoundError:
            return False
        if len(header) < _JOURNAL_HEADER.size or any(
            a not in (0, b) for a, b in zip(begun, _FILE_BEGINS, strict=False)
        ):
            return False
        magic, _, _, pages = _JOURNAL_HEADER.unpack(header)
        return bool(magic == _JOURNAL_BEGINS and pages == 0)

    def _check_access(self) -> None:
        effective = os.access in os.supports_effective_ids
        if not os.access(self.path, os.R_OK | os.W_OK, effective_ids=effective):
            raise StoreUnavailableError(f"{self}: it may not be read and written; check its permissions")
        if not os.access(self.path.parent, os.W_OK | os.X_OK, effective_ids=effective):
            raise StoreUnavailableError(
                f"{self}: its folder may not be written to, and SQLite keeps files next to the store;"
                " check the folder's permissions"
            )

    def _translated(self, error: OSError) -> StoreError:
        if error.errno == errno.ENOENT and self._identity is not None:
            return StoreUnavailableError(f"{self}: the file was removed while it was in use")
        if error.errno == errno.ENOENT and self.path.parent.is_dir():
            return StoreNotFoundError(f"{self}: there is no store; check the path, or start a run, which makes one")
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return StoreFullError(f"{self}: the disk or a quota is full")
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            return StoreUnavailableError(f"{self}: its folder does not exist; make it first")
        return StoreUnavailableError(f"{self}: {error.strerror or error}")
