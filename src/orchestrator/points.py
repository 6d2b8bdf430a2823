"""Points in the log: a position, a time, or its end."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Self

from events.errors import UsageError
from events.log.record import Recorded
from events.views import microseconds
from orchestrator import given

POSITION_MAX: Final = 2**63 - 1
"""The largest position that a store can hold."""


class Point:
    """A point in the log. It says of one run's records, asked for in their order, which ones it covers."""

    def __init__(self, at: int | datetime | None, what: str = "a position") -> None:
        """Make the point at a position, at a time, or (None) at the end of the log.

        Raises:
            UsageError: it is neither, or a time that does not say its zone.
        """
        self._position = POSITION_MAX
        self._time: int | None = None
        self._passed = False
        if isinstance(at, datetime):
            self._time = microseconds(zoned(at))
        elif at is not None:
            self._position = given.whole(at, what, POSITION_MAX) or 0

    @classmethod
    def before(cls, at: int | datetime | None, what: str = "a position") -> Self:
        """Return the point right before a position or a time; before everything for None. Raises UsageError."""
        point = cls(0 if at is None else at, what)
        if point._time is None:
            point._position -= 1
        else:
            point._time -= 1
        return point

    def covers(self, record: Recorded) -> bool:
        """Whether a record is at or before the point. Once one is not, none is that follows."""
        late = record.position > self._position or (self._time is not None and record.fact.at > self._time)
        self._passed = self._passed or late
        return not self._passed

    @property
    def upto_position(self) -> int | None:
        """How far the log has to be read at most, where that is known before."""
        return None if self._position == POSITION_MAX else self._position


def zoned(at: datetime) -> datetime:
    """Return a time that knows its zone. Raises UsageError for one that does not."""
    if at.tzinfo is None:
        raise UsageError(f"the time {at} has no zone: say which one, UTC for example")
    return at
