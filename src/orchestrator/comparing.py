"""What changed in a run between two points of its history, read from the log in one pass."""

from __future__ import annotations

from datetime import datetime

from events.comparison import Comparison, RunDiff
from events.log.replay import Replay
from events.log.store import EventLog
from orchestrator.points import Point
from orchestrator.queries import require, require_then


def diff(log: EventLog, parent_id: str, a: int | datetime, b: int | datetime) -> RunDiff:
    """Return what is different at point `b` from what was at point `a`; either may be the earlier one.

    Raises:
        RunNotFoundError: there is no such run, or was none yet at one of the points.
        UsageError: a point is no position and no time.
        StoreDamagedError: the record is damaged.
    """
    require(log, parent_id)
    first, second = Point(a, "diff: a"), Point(b, "diff: b")
    replay, position, turned = Replay(log.location), 0, False
    found: Comparison | None = None
    for record in log.read(parent_id, upto_position=_farther(first, second)):
        in_first, in_second = first.covers(record), second.covers(record)
        if not (in_first or in_second):
            break
        if found is None and in_first != in_second:
            turned = in_first
            require_then(log, parent_id, replay.state, b if turned else a)
            found = Comparison(parent_id, replay.state, position)
        if found is not None:
            found.take(replay.state, record.fact)
        replay.take(record)
        position = record.position
    state = replay.state
    require_then(log, parent_id, state, a)
    difference = (found or Comparison(parent_id, state, position)).difference(state, position)
    return difference.turned() if turned else difference


def _farther(first: Point, second: Point) -> int | None:
    """Return how far the log has to be read at most to get to both points; None for its end."""
    if first.upto_position is None or second.upto_position is None:
        return None
    return max(first.upto_position, second.upto_position)
