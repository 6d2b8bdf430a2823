"""The one place where the errors of PostgreSQL become ours."""

from __future__ import annotations

import re
from typing import Final

import psycopg

from events.errors import (
    OrchestratorError,
    StoreBusyError,
    StoreDamagedError,
    StoreFullError,
    StoreNotFoundError,
    StoreUnavailableError,
    UsageError,
)

UNIQUE_VIOLATION: Final = "23505"

_BUSY: Final = "another program holds its lock, or the server has too much to do"
_KINDS: Final[dict[str, tuple[type[OrchestratorError], str]]] = {
    "22021": (UsageError, "PostgreSQL keeps no text with a zero byte"),
    "23": (StoreDamagedError, "it holds rows that its heads do not know"),
    "25006": (StoreUnavailableError, "it can only be read there: it is a standby, or was set so; name the primary"),
    "25P03": (StoreBusyError, "our transaction was idle for so long that the server ended it"),
    "25P04": (StoreBusyError, "our transaction took so long that the server ended it"),
    "28": (StoreUnavailableError, "the server does not accept the user or the password"),
    "3D000": (StoreNotFoundError, "there is no such database; make it first"),
    "40": (StoreBusyError, _BUSY),
    "42501": (
        StoreUnavailableError,
        "the role may not do that; `orchestrator schema --store URL` prints the privileges it needs",
    ),
    "42P01": (StoreUnavailableError, "its tables were removed while it was in use"),
    "3F000": (StoreUnavailableError, "its schema was removed while it was in use"),
    "53100": (StoreFullError, "the server's disk or a quota is full"),
    "53300": (StoreBusyError, "all of the server's connections are taken"),
    "53400": (StoreFullError, "a limit of the server was reached"),
    "54000": (UsageError, "a run's id is longer than PostgreSQL can keep in an index (about 2,700 bytes)"),
    "55P03": (StoreBusyError, _BUSY),
    "57014": (StoreBusyError, "it took longer than the call may take"),
    "58030": (StoreUnavailableError, "the server's disk reports an error"),
    "XX001": (StoreDamagedError, "the server finds its data damaged"),
    "XX002": (StoreDamagedError, "the server finds its index damaged"),
}
"""By the server's code, or the class of it: its first two characters."""

_PASSING: Final = ("08", "40", "57P", "25P03", "53300", "55006", "55P03")
"""Codes after which trying again may help: the server went away or comes up, or nothing but chance was in the way."""


_FINAL: Final = re.compile(
    r'FATAL: +((database|role) ".*" does not exist|password authentication failed|no pg_hba.conf entry)'
    r"|no password supplied"
)
"""What a server says that no connection will be had; its codes are kept from us then."""


class OverdueError(psycopg.OperationalError):
    """The server did not answer while its call could wait. Its connection is of no use any more."""


def is_passing(error: psycopg.Error) -> bool:
    """Whether trying again, over a new connection, may help. Only for what the server cannot have committed."""
    if error.sqlstate is not None:
        return error.sqlstate.startswith(_PASSING)
    # Otherwise the connection is lost, or there was none to be had.
    return isinstance(error, psycopg.OperationalError) and not _FINAL.search(str(error))


def told(error: psycopg.Error, before: psycopg.Error | None) -> psycopg.Error:
    """Return which of two errors says more of why something still fails: the later one, unless time merely ran out."""
    return before if before is not None and isinstance(error, OverdueError) else error


def is_unique_violation(error: psycopg.Error) -> bool:
    """Whether a row was there already that nobody should have written."""
    return error.sqlstate == UNIQUE_VIOLATION


def translated(error: psycopg.Error, location: str) -> OrchestratorError:
    """Return our error for one of the database's, naming the store."""
    text = " ".join(str(error).split()) or type(error).__name__
    code = error.sqlstate
    known = None if code is None else _KINDS.get(code) or _KINDS.get(code[:2])
    if known is not None:
        kind, meaning = known
        return kind(f"{location}: {meaning} ({text})")
    if isinstance(error, OverdueError):
        return StoreUnavailableError(f"{location}: {text}")
    if code is None and re.search(r'FATAL: +database ".*" does not exist', text):  # its code is kept from us
        return StoreNotFoundError(f"{location}: there is no such database; make it first ({text})")
    return StoreUnavailableError(f"{location}: {text}")
