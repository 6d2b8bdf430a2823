"""Back and forth through a run's history, with only some of its steps in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from events.log.record import Recorded
from events.log.recorder import LAST
from events.log.store import EventLog
from orchestrator.points import Point
from orchestrator.replaying import HistoryPlace, ReplayStep

_KEPT_MAX: Final = 1_000
"""How many steps are kept to go back to."""
_BACK: Final = 500
"""How many steps before the one that is gone back to are kept then. Further back, the history is read again."""


class Stepper:
    """A place in a run's history that moves both ways. What is appended meanwhile can be reached."""

    def __init__(
        self, log: EventLog, parent_id: str, first: int | datetime | None = None, last: int | datetime | None = None
    ) -> None:
        """Stand at the first step between two points. Raises RunNotFoundError, UsageError."""
        self._log = log
        self._parent_id = parent_id
        self._first, self._last = first, last
        Point.before(first, "replay: from"), Point(last, "replay: to")
        self._steps: deque[ReplayStep] = deque(maxlen=_KEPT_MAX)
        self._index = -1
        self._begin()
        self._first_version = 0
        if self.forward():
            self._first_version = self.step.event.version

    @property
    def step(self) -> ReplayStep:
        """The step that we stand at."""
        return self._steps[self._index]

    @property
    def empty(self) -> bool:
        """Whether there is no event between the points."""
        return self._index < 0

    def _begin(self) -> None:
        self._place = HistoryPlace(self._log, self._parent_id)
        self._start, self._end = Point.before(self._first), Point(self._last)
        self._records: Iterator[Recorded] = iter(())
        self._steps.clear()
        self._index = -1

    def forward(self, count: int = 1) -> bool:
        """Go on by so many steps, or as far as there are; whether there was one."""
        moved = False
        for _ in range(count):
            if self._index + 1 == len(self._steps) and not self._pull():
                break
            self._index += 1
            moved = True
        return moved

    def _pull(self, skip_to: int = 0) -> bool:
        """Read the next step; those below a version are passed over."""
        record = next(self._records, None)
        if record is None:
            self._records = self._place.records(self._end.upto_position)
            record = next(self._records, None)
        while record is not None and self._end.covers(record):
            if not self._start.covers(record) and record.version >= skip_to:
                full = len(self._steps) == _KEPT_MAX
                self._steps.append(self._place.take(record))
                self._index -= full  # the oldest one fell out
                return True
            self._place.skip(record)
            record = next(self._records, None)
        self._records = iter(())
        return False

    def back(self, count: int = 1) -> bool:
        """Go back by so many steps, or to the first one; whether there was one."""
        if self.step.event.version == self._first_version:
            return False
        version = max(self._first_version, self.step.event.version - count)
        self._to_version(version)
        return True

    def _to_version(self, version: int) -> None:
        """Go to an event between the points, by its version."""
        kept_from = self._steps[0].event.version
        if not kept_from <= version <= self._steps[-1].event.version + _BACK:
            self._begin()
            self._pull(skip_to=max(self._first_version, version - _BACK))
        while self._steps[-1].event.version < version and self._pull():
            pass
        self._index = max(0, version - self._steps[0].event.version)

    def home(self) -> None:
        """Go to the first step."""
        self._to_version(self._first_version)

    def end(self) -> None:
        """Go to the last step that there is now."""
        self._to_version(self._version_at(self._last))

    def to(self, at: int | datetime) -> None:
        """Go to the last event at or before a point; to the first step where that would be none.

        Raises:
            UsageError: the point is no position and no time.
        """
        self._to_version(min(self._version_at(at), self._version_at(self._last)))

    def _version_at(self, at: int | datetime | None) -> int:
        """Return the version of the last event at or before a point, that of the first step at least."""
        point = Point(at)
        version = self._first_version
        if isinstance(at, datetime):
            for record in self._log.read(self._parent_id):
                if not point.covers(record):
                    break
                version = max(version, record.version)
            return version
        upto = LAST if point.upto_position is None else point.upto_position
        rows = self._log.recorder.stream(self._parent_id, upto_position=upto, descending=True, limit=1)
        return max([version, *(row.version for row in rows)])
