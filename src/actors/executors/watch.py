"""The clocks of attempts: how long they run, how long they are silent, how long they take to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final, Generic, TypeVar

from actors.executors.alarms import Alarms
from actors.executors.attempt import Attempt
from actors.executors.failures import failure
from actors.executors.work import Ending

UNWATCHED: Final = Ending("failed", error=failure("TaskNotStarted", "no thread can be had that watches its timeout"))
_TIME: Final = "time"
_HEARTBEAT: Final = "heartbeat"
_STOP: Final = "stop"
_CLOCKS: Final = (_TIME, _HEARTBEAT, _STOP)

A = TypeVar("A", bound=Attempt)


class Watch(Generic[A]):
    """Sees to it that attempts end in time. One without limits costs nothing.

    `time_is_up` hears, on the alarms' thread, of an attempt whose time is up and the ending that it then has.
    """

    def __init__(self, alarms: Alarms, time_is_up: Callable[[A, Ending], None]) -> None:
        self._alarms = alarms
        self._time_is_up = time_is_up

    def begin(self, attempt: A) -> bool:
        """Start the clocks of an attempt; False where that is not possible."""
        if not attempt.timed:
            return True
        work, watched = attempt.work, self.begin_time(attempt)
        if work.heartbeat_timeout_seconds is not None:
            attempt.heard_at = time.monotonic()
            watched = watched and self._await_heartbeat(attempt, work.heartbeat_timeout_seconds)
        return watched

    def begin_time(self, attempt: A) -> bool:
        """Start only the clock of how long an attempt runs: nobody can hear its heartbeats."""
        seconds = attempt.work.timeout_seconds
        return seconds is None or self._alarms.set((attempt, _TIME), seconds, partial(self._expire, attempt))

    def stop_within(self, attempt: A, seconds: float, call: Callable[[A], None]) -> None:
        """Make a call unless an attempt has ended in so many seconds. It is set once, however often that is asked.

        Where no thread can be had that would make the call, none is made: whoever asked asks again.
        """
        name = (attempt, _STOP)
        self._alarms.set(name, seconds, partial(call, attempt))
        if attempt.ending is not None:  # it ended meanwhile: nothing is to stay behind
            self._alarms.clear(name)

    def end(self, attempt: A) -> None:
        """Stop the clocks of an attempt, which has its ending."""
        if attempt.timed or attempt.asked_to_stop:
            for clock in _CLOCKS:
                self._alarms.clear((attempt, clock))

    def _await_heartbeat(self, attempt: A, seconds: float) -> bool:
        return self._alarms.set((attempt, _HEARTBEAT), seconds, partial(self._listen, attempt))

    def _expire(self, attempt: A) -> None:
        if attempt.ending is None:
            self._time_is_up(attempt, attempt.timed_out())

    def _listen(self, attempt: A) -> None:
        """See whether an attempt was heard of meanwhile. A heartbeat itself only notes the time, and so is cheap."""
        seconds = attempt.work.heartbeat_timeout_seconds
        if attempt.ending is not None or seconds is None:
            return
        left = attempt.heard_at + seconds - time.monotonic()
        if left <= 0 or not self._await_heartbeat(attempt, left):
            self._time_is_up(attempt, attempt.heartbeat_missed())
        elif attempt.ending is not None:
            self.end(attempt)
