"""The event log: what happened, kept so that it cannot be lost, reordered or quietly changed.

One interface (`Recorder`, in terms of eventsourcing's `ApplicationRecorder`), recorders for SQLite, for PostgreSQL
and for memory, and over them the `EventLog`, which speaks in facts. Every row carries a hash that covers all rows of
its stream before it (see `events.log.chain`), and every stream has a head that says how long it is and what its last
hash is, written in the same transaction.
"""

from __future__ import annotations

import os
import re

from events.catalogue import DEFAULT_CATALOGUE, Catalogue
from events.errors import MissingExtraError, UsageError
from events.limits import BUSY_TIMEOUT_SECONDS
from events.log.audit_key import AuditKey
from events.log.errors import VersionConflictError
from events.log.keyring import Keyring
from events.log.memory import MemoryRecorder
from events.log.postgres_address import is_postgres, without_password
from events.log.record import Batch, Conflict, Head, Recorded, Row, StoredSnapshot, Verdict, Written
from events.log.recorder import Recorder
from events.log.sqlite import SQLiteRecorder
from events.log.sqlite_sealed import SealedSQLiteRecorder
from events.log.store import EventLog, FactBatch

__all__ = [
    "AuditKey",
    "Batch",
    "Conflict",
    "EventLog",
    "FactBatch",
    "Head",
    "MemoryRecorder",
    "Recorded",
    "Recorder",
    "Row",
    "SQLiteRecorder",
    "SealedSQLiteRecorder",
    "StoredSnapshot",
    "Verdict",
    "VersionConflictError",
    "Written",
    "open_log",
    "path_of",
]


def open_log(
    place: str | os.PathLike[str],
    *,
    must_exist: bool = False,
    busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
    audit_key: AuditKey | None = None,
    seal_anew: bool = False,
    keyring: Keyring | None = None,
    packed_bytes_min: int | None = None,
    catalogue: Catalogue = DEFAULT_CATALOGUE,
) -> EventLog:
    """Open the event log at a place, and make one there unless it `must_exist`.

    A place is a path, `sqlite:///relative/path`, `sqlite:////absolute/path`, `postgresql://user@host/database`, or
    `memory:`. Nothing in the environment changes what it means. With an audit key, what is written is sealed (see
    `events.log.seals`); with `seal_anew` what is there already is sealed, too. A store in memory, which nobody else can
    write to, needs no seals. With a keyring, texts of new parents are encrypted, and those that its keys encrypted are
    opened; texts of at least `packed_bytes_min` bytes are packed, if any are.

    Raises:
        UsageError: the place makes no sense.
        MissingExtraError: it needs an extra that is not installed.
        StoreNotFoundError: there is none, and it must exist.
        AuditKeyError: the audit key does not fit.
        StoreError: what lies there is no store of ours, or cannot be used; the message names it and says why.
    """
    named = os.fspath(place) if isinstance(place, os.PathLike) else place
    if not isinstance(named, str):  # a path object may name its path in bytes
        raise UsageError(f"a store is named by a path, not by a value of type {type(named).__qualname__}")
    if place == "memory:":
        if must_exist:
            raise UsageError("memory: is always new; a store that must exist needs a path")
        return EventLog(MemoryRecorder(), catalogue, keyring=keyring, packed_bytes_min=packed_bytes_min)
    recorder: Recorder
    seconds = busy_timeout_seconds
    path = path_of(place) if isinstance(place, str) and not is_postgres(place) else named
    if isinstance(place, str) and is_postgres(place):
        recorder = _postgres(place, audit_key, must_exist=must_exist, seconds=seconds, seal_anew=seal_anew)
    elif audit_key is None:
        recorder = SQLiteRecorder(path, must_exist=must_exist, busy_timeout_seconds=seconds)
    else:
        recorder = SealedSQLiteRecorder(
            path, audit_key, must_exist=must_exist, busy_timeout_seconds=seconds, seal_anew=seal_anew
        )
    return EventLog(recorder, catalogue, keyring=keyring, packed_bytes_min=packed_bytes_min)


def path_of(place: str) -> str:
    """Return the path that a place names. Raises UsageError where it names none."""
    url = re.fullmatch(r"sqlite:///(?P<path>[^?#]+)", place)
    path = url["path"] if url else place
    if path == ":memory:":
        raise UsageError(f"{place}: for a store in memory write memory:, for a file of that name ./{path}")
    if not url and re.match(r"(\w[\w+.-]*://|sqlite:|file:|memory:)", place):
        raise UsageError(
            f"{without_password(place)}: not a store; give a path, sqlite:///path, sqlite:////absolute/path,"
            " postgresql://user@host/database or memory:"
        )
    return path


def _postgres(url: str, key: AuditKey | None, *, must_exist: bool, seconds: float, seal_anew: bool) -> Recorder:
    try:
        from events.log.postgres import PostgresRecorder
        from events.log.postgres_sealed import SealedPostgresRecorder
    except ImportError as error:
        raise MissingExtraError(
            f"{without_password(url)}: a PostgreSQL store needs psycopg: pip install 'parallel-orchestrator[postgres]'"
            f" ({error})"
        ) from None
    if key is None:
        return PostgresRecorder(url, must_exist=must_exist, busy_timeout_seconds=seconds)
    return SealedPostgresRecorder(url, key, must_exist=must_exist, busy_timeout_seconds=seconds, seal_anew=seal_anew)
