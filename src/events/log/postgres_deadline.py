"""How long one call to a PostgreSQL store may take, all its waiting and trying again together."""

from __future__ import annotations

from time import monotonic
from typing import Final

SHORTEST_SECONDS: Final = 3.0
"""No call is given less: a new connection over a network takes its time."""
_LONGEST_SECONDS: Final = 1_000_000.0
"""The database counts milliseconds in 32 bits."""
_FIRST_WAIT_SECONDS: Final = 0.02
_LONGEST_WAIT_SECONDS: Final = 0.5


class Deadline:
    """The end of a call."""

    __slots__ = ("_end", "_seconds", "_started", "_wait")

    def __init__(self, seconds: float, *, started: float | None = None, end: float | None = None) -> None:
        self._seconds = min(max(seconds, SHORTEST_SECONDS), _LONGEST_SECONDS)
        self._started = monotonic() if started is None else started
        self._end = self._started + self._seconds if end is None else end
        self._wait = _FIRST_WAIT_SECONDS

    def part(self, fraction: float) -> Deadline:
        """Return an earlier deadline, that of one part of the call."""
        return Deadline(self._seconds, started=self._started, end=self._started + self._seconds * fraction)

    def share(self, fraction: float) -> Deadline:
        """Return a deadline so much of the whole call from now, and not later than this one."""
        end = min(self._end, monotonic() + self._seconds * fraction)
        return Deadline(self._seconds, started=self._started, end=end)

    def remaining_seconds(self) -> float:
        """Return what is left, 0 when it has passed."""
        return max(0.0, self._end - monotonic())

    def has_passed(self) -> bool:
        """Whether nothing is left."""
        return monotonic() >= self._end

    def waited_seconds(self) -> float:
        """Return how long the call has taken so far."""
        return monotonic() - self._started

    def pause_seconds(self) -> float:
        """Return how long to wait before trying again: longer each time, and never past the end."""
        wait, self._wait = self._wait, min(self._wait * 2, _LONGEST_WAIT_SECONDS)
        return min(wait, self.remaining_seconds())
