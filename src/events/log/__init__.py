"""The event log: what happened, kept so that it cannot be lost, reordered or quietly changed.

One interface (`Recorder`, in terms of eventsourcing's `ApplicationRecorder`), recorders for SQLite and for memory,
and over them the `EventLog`, which speaks in facts. Every row carries a hash that covers all rows of its stream
before it (see `events.log.chain`), and every stream has a head that says how long it is and what its last hash is,
written in the same transaction.
"""

from __future__ import annotations

import os
import re

from events.catalogue import DEFAULT_CATALOGUE, Catalogue
from events.errors import MissingExtraError, UsageError
from events.limits import BUSY_TIMEOUT_SECONDS
from events.log.errors import VersionConflictError
from events.log.keyring import Keyring
from events.log.memory import MemoryRecorder
from events.log.record import Batch, Conflict, Head, Recorded, Row, Verdict, Written
from events.log.recorder import Recorder
from events.log.sqlite import SQLiteRecorder
from events.log.store import EventLog, FactBatch

__all__ = [
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
    "Verdict",
    "VersionConflictError",
    "Written",
    "open_log",
]


def open_log(
    place: str | os.PathLike[str],
    *,
    must_exist: bool = False,
    busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
    keyring: Keyring | None = None,
    packed_bytes_min: int | None = None,
    catalogue: Catalogue = DEFAULT_CATALOGUE,
) -> EventLog:
    """Open the event log at a place, and make one there unless it `must_exist`.

    A place is a path, `sqlite:///relative/path`, `sqlite:////absolute/path`, or `memory:`. Nothing in the
    environment changes what it means. With a keyring, texts of new parents are encrypted, and those that its keys
    encrypted are opened; texts of at least `packed_bytes_min` bytes are packed, if any are.

    Raises:
        UsageError: the place makes no sense, or names a kind of store that this release does not have.
        StoreNotFoundError: there is none, and it must exist.
        StoreError: what lies there is no store of ours, or cannot be used; the message names it and says why.
    """
    named = os.fspath(place) if isinstance(place, os.PathLike) else place
    if not isinstance(named, str):  # a path object may name its path in bytes
        raise UsageError(f"a store is named by a path, not by a value of type {type(named).__qualname__}")
    if place == "memory:":
        if must_exist:
            raise UsageError("memory: is always new; a store that must exist needs a path")
        return EventLog(MemoryRecorder(), catalogue, keyring=keyring, packed_bytes_min=packed_bytes_min)
    path = _path(place) if isinstance(place, str) else named
    recorder = SQLiteRecorder(path, must_exist=must_exist, busy_timeout_seconds=busy_timeout_seconds)
    return EventLog(recorder, catalogue, keyring=keyring, packed_bytes_min=packed_bytes_min)


def _path(place: str) -> str:
    """Return the path that a place names."""
    if re.match(r"postgres(ql)?(\+\w+)?:", place):
        raise MissingExtraError(f"{_without_secrets(place)}: PostgreSQL is not available in this release; give a path")
    url = re.fullmatch(r"sqlite:///(?P<path>[^?#]+)", place)
    path = url["path"] if url else place
    if path == ":memory:":
        raise UsageError(f"{place}: for a store in memory write memory:, for a file of that name ./{path}")
    if not url and re.match(r"(\w[\w+.-]*://|sqlite:|file:|memory:)", place):
        raise UsageError(
            f"{_without_secrets(place)}: not a store; give a path, sqlite:///path, sqlite:////absolute/path or memory:"
        )
    return path


def _without_secrets(place: str) -> str:
    return re.sub(r"//[^/@]*@", "//...@", place)
