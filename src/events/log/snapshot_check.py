"""What an audit makes of snapshots: each must be just what the record up to its version adds up to."""

from __future__ import annotations

from collections.abc import Iterator

from events.errors import StoreDamagedError
from events.log.findings import Finding
from events.log.record import StoredSnapshot
from events.log.replay import Replay
from events.log.snapshots import Snapshot
from events.log.store import EventLog
from events.snapshot import difference


def snapshot_findings(log: EventLog, parent_id: str | None) -> Iterator[Finding]:
    """Yield what is wrong with the snapshots of a parent whose record was found to be sound.

    A snapshot that other code made is only checked to be as it was written, and of this record: nobody here uses it.

    Raises:
        StoreDamagedError: the table of snapshots, or the record, cannot be read.
    """
    if parent_id is None:
        return  # what is wrong with the table as a whole, the recorder tells
    waiting: list[tuple[StoredSnapshot, Snapshot]] = []
    for stored, found in log.snapshots.all(parent_id):
        if isinstance(found, StoreDamagedError):
            version = stored.version if type(stored.version) is int else None
            yield Finding(parent_id, version, None, f"its snapshot: {found}")
        elif found is not None:
            waiting.append((stored, found))
    if waiting:
        yield from _forged(log, parent_id, waiting)


def _forged(log: EventLog, parent_id: str, waiting: list[tuple[StoredSnapshot, Snapshot]]) -> Iterator[Finding]:
    """Fold the record, and compare it with snapshots, which come newest first."""
    replay, at = Replay(log.location), 0
    for record in log.read(parent_id):
        replay.take(record)
        at = max(at, record.fact.at)
        if record.version != waiting[-1][0].version:
            continue
        stored, snapshot = waiting.pop()
        field = difference(replay.state, snapshot.state)
        if field is not None:
            problem = f"its snapshot was forged: {field} is not what the record adds up to"
            yield Finding(parent_id, stored.version, stored.position, problem)
        elif at != stored.at:
            yield Finding(parent_id, stored.version, stored.position, "its snapshot was forged: it tells another time")
        if not waiting:
            return
