"""A copy of an SQLite store as it is at one instant, made while others write, and checked before it has its name."""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from events.errors import StoreDamagedError, StoreVersionError, UsageError
from events.log.audit import Audit
from events.log.audit_key import AuditKey
from events.log.errors import translated
from events.log.findings import Finding, damage
from events.log.new_file import new_file
from events.log.payloads import FilePayloads, PayloadStore
from events.log.sqlite import SQLiteRecorder
from events.log.sqlite_connection import Connection, open_reader
from events.log.sqlite_file import StoreFile
from events.log.store import EventLog
from events.payload_files import referred

_PAGES: Final = 4096
"""How many pages are copied between two looks at whether somebody wants us to end."""
_FINDINGS_TOLD: Final = 3
_REMEMBERED_MAX: Final = 100_000


class BackedUp(NamedTuple):
    """What is in a copy."""

    runs: int
    events: int
    position: int


def back_up(log: EventLog, path: Path, *, key: AuditKey | None = None) -> BackedUp:
    """Copy a store to a file that is not there yet, with its payload files; audit the copy, then give it its name.

    It is as the store was at one instant; positions go on from there. Nobody who writes waits for it. Where anything
    goes wrong, or the process is killed, there is no file of that name.

    Raises:
        UsageError: there is something of that name, or the store is in no file.
        StoreDamagedError: the store is damaged, so that the copy would be.
        StoreError: the store cannot be read, or the copy cannot be written.
    """
    if not isinstance(log.recorder, SQLiteRecorder):
        raise UsageError(f"{log.location}: only a store in a file can be copied so; use `orchestrator audit export`")
    if os.path.lexists(f"{path}-wal"):
        raise UsageError(f"{path}-wal: it belongs to a store that was there; move it away, or give another name")
    with new_file(path) as unnamed:
        _copy(Path(log.location), unnamed, path)
        payloads = FilePayloads(Path(f"{path}.payloads"))
        recorder = SQLiteRecorder(unnamed, must_exist=True)
        recorder.payloads_folder = payloads.folder
        with EventLog(recorder) as copy:
            try:
                _copy_payloads(copy, log.payloads, payloads)
            except (StoreDamagedError, StoreVersionError) as error:
                raise StoreDamagedError(_told(log.location, path, [damage(None, error)])) from error
            audit = Audit(copy, key=key)
            findings = list(islice(audit.verify(), _FINDINGS_TOLD))
            if findings:
                raise StoreDamagedError(_told(log.location, path, findings))
            done = BackedUp(audit.parents, audit.events, copy.last_position())
        for rest in ("-wal", "-shm"):
            Path(f"{unnamed}{rest}").unlink(missing_ok=True)
    return done


def _copy(source: Path, target: Path, path: Path) -> None:
    """Copy all pages as they are at one instant: a transaction that reads sees nothing of what is written meanwhile."""
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
        raise translated(error, f"copying {source} to {path}") from error


def _look_up(_status: int, _remaining: int, _total: int) -> None:
    """Do nothing: that Python is called is what lets a signal through."""


def _copy_payloads(copy: EventLog, source: PayloadStore, target: FilePayloads) -> None:
    """Copy every payload file that an event of the copy refers to."""
    kept: set[str] = set()
    for parent_id in copy.recorder.ids():
        for record in copy.read(parent_id):
            for payload in referred(record.fact):
                if payload.ref.sha256 not in kept:
                    target.put(source.get(payload.ref))
                    if len(kept) >= _REMEMBERED_MAX:
                        kept.clear()
                    kept.add(payload.ref.sha256)


def _told(location: str, path: Path, findings: list[Finding]) -> str:
    told = "; ".join(map(str, findings))
    return f"{location}: it is damaged, so {path} was not made: {told}; `orchestrator audit verify` says all"
