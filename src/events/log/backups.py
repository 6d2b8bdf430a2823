"""Backups: a store as it is at one instant, as a file, made while others write; and a store made of such a file.

A file is audited before it has its name. A store in PostgreSQL becomes a file of the same kind, row by row, and back.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from events.errors import StoreDamagedError, StoreVersionError, UsageError
from events.log.audit import Audit
from events.log.audit_key import AuditKey
from events.log.findings import Finding, damage
from events.log.new_file import new_file, refuse_store
from events.log.payloads import FilePayloads, PayloadStore
from events.log.sqlite import SQLiteRecorder
from events.log.store import EventLog
from events.payload_files import referred

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
        UsageError: there is something of that name, the store itself say, or the store is in memory.
        StoreDamagedError: the store is damaged, so that the copy would be.
        StoreError: the store cannot be read, or the copy cannot be written.
    """
    refuse_store(log.location, path)
    if not os.path.lexists(path) and os.path.lexists(f"{path}-wal"):  # beside a file, it is that of a store in use
        raise UsageError(f"{path}-wal: it belongs to a store that was there; move it away, or give another name")
    with new_file(path) as unnamed:
        log.recorder.save(unnamed, str(path))
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


def restore(source: EventLog, log: EventLog, *, key: AuditKey | None = None) -> BackedUp:
    """Copy a backup, which is a store in a file, into a log that is empty, and is no file; all of it or nothing.

    The backup is audited before, and the log after that. Positions go on where they were.

    Raises:
        UsageError: the backup is in no file, or the log is not empty, or cannot be restored to.
        StoreDamagedError: the backup is damaged; nothing was written. Or the log is not what was written to it.
        StoreError: one of them cannot be used.
    """
    if not isinstance(source.recorder, SQLiteRecorder):
        raise UsageError(f"{source.location}: a backup is a file; make one with `orchestrator backup`")
    if log.last_position():
        raise UsageError(f"{log.location}: there are events in it; restore into an empty store")
    _sound(source, key, f"{source.location}: it is damaged, so that nothing was restored")
    _copy_payloads(source, source.payloads, log.payloads)
    log.recorder.load(Path(source.location))
    audit = _sound(log, key, f"{log.location}: it was restored, and is not what was written to it")
    return BackedUp(audit.parents, audit.events, log.last_position())


def _sound(log: EventLog, key: AuditKey | None, otherwise: str) -> Audit:
    """Audit a log. Raises StoreDamagedError where it is not sound."""
    audit = Audit(log, key=key)
    findings = list(islice(audit.verify(), _FINDINGS_TOLD))
    if findings:
        told = "; ".join(map(str, findings))
        raise StoreDamagedError(f"{otherwise}: {told}; `orchestrator audit verify` says all")
    return audit


def _copy_payloads(copy: EventLog, source: PayloadStore, target: PayloadStore) -> None:
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
