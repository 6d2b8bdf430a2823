"""The one place where the errors of SQLite become ours, and the log's own conflict."""

from __future__ import annotations

import sqlite3
from typing import Final

from events.errors import (
    ClosedError,
    NotAStoreError,
    OrchestratorError,
    StoreBusyError,
    StoreDamagedError,
    StoreFullError,
    StoreUnavailableError,
)
from events.log.library import IntegrityError


class VersionConflictError(OrchestratorError, IntegrityError):
    """Somebody else wrote to the stream first; nothing of the call was written. Read what is new, decide again."""


_PRIMARY: Final = 0xFF
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})

_KINDS: Final[dict[int, tuple[type[OrchestratorError], str]]] = {
    sqlite3.SQLITE_BUSY: (StoreBusyError, "another program holds its lock"),
    sqlite3.SQLITE_LOCKED: (StoreBusyError, "another program holds its lock"),
    sqlite3.SQLITE_PROTOCOL: (StoreBusyError, "another program holds its lock"),
    sqlite3.SQLITE_FULL: (StoreFullError, "the disk or a quota is full"),
    sqlite3.SQLITE_CORRUPT: (StoreDamagedError, "the file is damaged"),
    sqlite3.SQLITE_CONSTRAINT: (StoreDamagedError, "it holds rows that its heads do not know"),
    sqlite3.SQLITE_NOTADB: (NotAStoreError, "it is no SQLite database"),
    sqlite3.SQLITE_READONLY: (StoreUnavailableError, "it cannot be written to; check its permissions"),
    sqlite3.SQLITE_PERM: (StoreUnavailableError, "permission denied"),
    sqlite3.SQLITE_AUTH: (StoreUnavailableError, "permission denied"),
    sqlite3.SQLITE_CANTOPEN: (StoreUnavailableError, "it cannot be opened; check its folder and permissions"),
    sqlite3.SQLITE_IOERR: (StoreUnavailableError, "the disk reports an error"),
}

_EXTENDED: Final[dict[int, tuple[type[OrchestratorError], str]]] = {
    # What SQLite says of every failed write but one to a full disk.
    sqlite3.SQLITE_IOERR_WRITE: (
        StoreUnavailableError,
        "it cannot be written to: a quota or a limit on the size of files is reached, or the disk reports an error",
    ),
    sqlite3.SQLITE_IOERR_SHMSIZE: (
        StoreFullError,
        "a file next to it cannot grow: the disk or a quota is full, or a limit on the size of files is reached",
    ),
}


def is_busy(error: sqlite3.Error) -> bool:
    """Whether it is only a lock that somebody holds, so that trying again may help."""
    return _code(error) & _PRIMARY in _BUSY


def is_undecodable(error: sqlite3.Error) -> bool:
    """Whether a text is not UTF-8: raised by Python's own module, which gives it no code."""
    return str(error).startswith("Could not decode")


def translated(error: sqlite3.Error, location: str) -> OrchestratorError:
    """Return our error for one of SQLite's, naming the store."""
    known = _EXTENDED.get(_code(error)) or _KINDS.get(_code(error) & _PRIMARY)
    if known is not None:
        kind, meaning = known
        return kind(f"{location}: {meaning} ({error})")
    if isinstance(error, sqlite3.ProgrammingError) and "closed database" in str(error):
        return ClosedError(f"{location}: the store was closed")
    if is_undecodable(error):
        return StoreDamagedError(f"{location}: it holds text that is not UTF-8 ({error})")
    return StoreUnavailableError(f"{location}: {error}")


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)  # Python's own module gives its errors none
    return code
