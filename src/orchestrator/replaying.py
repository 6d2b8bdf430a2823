"""Step by step through a run's history: each event, and how the run stood after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from events.log.record import Recorded
from events.log.replay import Replay
from events.log.store import EventLog
from events.open_children import OpenChild, OpenChildren
from events.views import RunStatus, run_status
from orchestrator import given
from orchestrator.points import Point
from orchestrator.queries import HistoryEvent, event_of, placed, require
from orchestrator.time_travel import NAMED_MAX

_NAMED_MAX: Final = 1_000
"""How many it names at most, so that a step stays a small thing."""


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One event of a run, and how the run stood right after it."""

    event: HistoryEvent
    status: RunStatus
    """What `Run.status(at=event.position)` returns."""
    paused: bool
    """Whether no child was to be started for the time being."""
    owner: str | None
    """Who worked on the run; None where nobody did."""
    open: tuple[OpenChild, ...]
    """The first of the open children: those that run, those that will run again, those that never started."""

    @property
    def open_count(self) -> int:
        """How many children were open, named or not."""
        return self.status.counts.pending + self.status.counts.running


class HistoryPlace:
    """A place in a run's history that moves forward, one event at a time. It holds nothing of what it left behind."""

    def __init__(self, log: EventLog, parent_id: str, *, named: int = NAMED_MAX) -> None:
        """Stand before the first event. Raises RunNotFoundError."""
        require(log, parent_id)
        self._log = log
        self._parent_id = parent_id
        self._named = given.whole(named, "replay: open_max", _NAMED_MAX) or 0
        self._replay = Replay(log.location)
        self._hash: bytes | None = None
        self._open: OpenChildren | None = None

    def records(self, upto_position: int | None = None) -> Iterator[Recorded]:
        """Yield what is on record after the place, without moving there."""
        return self._log.read(
            self._parent_id,
            after_version=self._replay.state.version,
            after_hash=self._hash,
            upto_position=upto_position,
        )

    def skip(self, record: Recorded) -> None:
        """Move past a record without a look at it. Raises StoreDamagedError where it cannot stand there."""
        self._replay.take(record)
        self._hash = record.hash
        self._open = None

    def take(self, record: Recorded) -> ReplayStep:
        """Move past a record and return how the run stands then. Raises StoreDamagedError as `skip` does."""
        if self._open is None:
            with placed(self._log, self._parent_id):
                self._open = OpenChildren(self._replay.state, self._named)
        self._replay.take(record)
        state = self._replay.state
        self._hash = record.hash
        with placed(self._log, self._parent_id):
            self._open.take(record.fact, state)
            return ReplayStep(
                event=event_of(record),
                status=run_status(self._parent_id, state, record.position),
                paused=state.paused and not state.settled,
                owner=state.owner,
                open=self._open.named(state),
            )


def replay(
    log: EventLog,
    parent_id: str,
    first: int | datetime | None = None,
    last: int | datetime | None = None,
    *,
    named: int = NAMED_MAX,
) -> Iterator[ReplayStep]:
    """Yield a step for each of a run's events, from the first to the last of these points, both included.

    Constant work for each event, and no step is kept.

    Raises:
        RunNotFoundError: there is no such run.
        UsageError: a point is no position and no time.
        StoreDamagedError: the record is damaged; the steps before that place have been yielded.
    """
    start, end = Point.before(first, "replay: from"), Point(last, "replay: to")
    return _steps(HistoryPlace(log, parent_id, named=named), start, end)


def _steps(place: HistoryPlace, start: Point, end: Point) -> Iterator[ReplayStep]:
    for record in place.records(end.upto_position):
        if not end.covers(record):
            return
        if start.covers(record):
            place.skip(record)
        else:
            yield place.take(record)
