"""What a parent's record adds up to, now or at an earlier point: from the nearest snapshot on, or from the start."""

from __future__ import annotations

from typing import NamedTuple

from events.errors import StoreDamagedError
from events.evolve import INITIAL
from events.log.recorder import LAST
from events.log.replay import Replay
from events.log.snapshots import logger
from events.log.store import EventLog
from events.state import ParentState


class Folded(NamedTuple):
    """A state, and the place in the record that it holds at: that of its last event."""

    state: ParentState
    position: int = 0
    hash: bytes | None = None
    at: int = 0
    """The latest time on record up to there, in microseconds since 1970."""
    snapshot: int = 0
    """The version of the snapshot that it was made from; 0 where it was made of the whole record."""


_NOTHING = Folded(INITIAL)


def folded(log: EventLog, parent_id: str, *, upto_position: int | None = None, upto_at: int | None = None) -> Folded:
    """Return what a parent's record adds up to: all of it, or up to a position, or before the first later time.

    Where there is no such parent, or was none yet, that is the state before every other.

    Raises:
        StoreDamagedError, StoreVersionError: see `EventLog.read`; or what is on record cannot have happened.
    """
    base = log.snapshots.latest(
        parent_id,
        upto_position=LAST if upto_position is None else upto_position,
        upto_at=LAST if upto_at is None else upto_at,
    )
    if base is not None:
        start = Folded(base.state, base.position, base.hash, base.at, base.state.version)
        found = _from(log, parent_id, start, upto_position, upto_at)
        if found is not None:
            return found
        logger.warning("run %r: what follows its snapshot of version %d cannot follow it", parent_id, start.snapshot)
    return _from(log, parent_id, _NOTHING, upto_position, upto_at) or _NOTHING


def _from(
    log: EventLog, parent_id: str, start: Folded, upto_position: int | None, upto_at: int | None
) -> Folded | None:
    """Go on from a state; None where it is a snapshot's, and what is on record after it cannot follow it."""
    state, position, digest, at, snapshot = start
    replay = Replay(log.location, state)
    for record in log.read(parent_id, after_version=state.version, after_hash=digest, upto_position=upto_position):
        if upto_at is not None and record.fact.at > upto_at:
            break
        try:
            replay.take(record)
        except StoreDamagedError:
            if snapshot:
                return None
            raise
        position, digest, at = record.position, record.hash, max(at, record.fact.at)
    return Folded(replay.state, position, digest, at, snapshot)
