"""The clock of one parent: the wall clock, which may jump, made fit for a record and for waiting."""

from __future__ import annotations

from actors.runtime import Runtime
from events.commands import Command

_MICROSECONDS = 1_000_000


class ParentClock:
    """Follows the wall clock forwards. It never goes back behind what is on record, and never stands still.

    While the wall clock is behind (somebody set it back, or it stopped), time goes on from the latest one known, by
    the monotonic clock: a retry that waits comes back in its time, and no duration is negative.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._anchor = runtime.now()
        self._anchored_at = runtime.monotonic()
        self._recorded = 0

    def now(self) -> int:
        """Return the time in microseconds since 1970."""
        monotonic = self._runtime.monotonic()
        steady = self._anchor + int((monotonic - self._anchored_at) * _MICROSECONDS)
        wall = self._runtime.now()
        if wall <= steady:
            return steady
        self._anchor, self._anchored_at = wall, monotonic
        return wall

    def record(self, at: int) -> None:
        """Note a time that is on record: nothing that follows may be earlier."""
        self._recorded = max(self._recorded, at)
        if at > self.now():
            self._anchor, self._anchored_at = at, self._runtime.monotonic()

    def stamped(self, command: Command, now: int) -> Command:
        """Return a command with a time that may follow what is on record: it was made a while ago."""
        at = min(max(command.at, self._recorded), now)
        self._recorded = at
        return command if at == command.at else command.model_copy(update={"at": at})
