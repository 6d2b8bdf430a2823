"""One attempt at a Python function, from its hand-out to its ending, and to a late one where it did not listen."""

from __future__ import annotations

import threading
import time
from typing import Final

from actors.executors.context import CurrentChild
from actors.executors.failures import describe, failure
from actors.executors.work import AttemptKey, Done, Ending, Hear, Progress, Work

GRACE_SECONDS: Final = 5.0
"""How long an attempt that was asked to stop has to end by itself, where its work says nothing."""
CANCEL_SECONDS: Final = 1.0
"""How long a coroutine has to end once it was cancelled."""
CLOSED: Final = Ending(None, lost="the orchestrator was closed")
CUT_OFF: Final = Ending(None, lost="the orchestrator was closed before the task ended")
_NOBODY: Final = CurrentChild("", "", 0)
"""In the place of the child once an attempt has ended: they would keep one another alive."""
_REPORTING: Final = threading.Lock()
"""Held while somebody takes a late ending, to report it. Late endings are rare; one lock does for all."""


class Attempt:
    """One attempt that was submitted. It has one ending, given by whoever comes first."""

    __slots__ = (
        *("asked_to_stop", "child", "claim", "done", "ending", "forgotten", "hear", "heard_at"),
        *("late", "reason", "started", "timed", "work"),
    )

    def __init__(self, work: Work, done: Done, hear: Hear) -> None:
        self.work = work
        self.done = done
        self.hear = hear
        key = work.key
        self.child = CurrentChild(key.child_id, key.parent_id, key.attempt, self.beat)
        self.claim = threading.Lock()
        """Taken, for good, by whoever gives the attempt its ending."""
        self.ending: Ending | None = None
        self.late: Ending | None = None
        """What it came to after it had been given up, until that is reported."""
        self.forgotten = False
        self.started = False
        self.asked_to_stop = False
        self.reason = ""
        """Why it was asked to stop."""
        self.timed = work.timeout_seconds is not None or work.heartbeat_timeout_seconds is not None
        self.heard_at = 0.0
        """When its latest heartbeat came, by the monotonic clock; of interest where heartbeats may be missed."""

    @property
    def key(self) -> AttemptKey:
        """Which attempt it is."""
        return self.work.key

    @property
    def grace_seconds(self) -> float:
        """How long it has to end by itself once it was asked to stop."""
        return GRACE_SECONDS if self.work.grace_seconds is None else self.work.grace_seconds

    def beat(self, progress: float | None, message: str | None) -> None:
        """Take a heartbeat of the task; once the attempt has ended nobody listens."""
        if self.ending is not None:
            return
        if self.timed:
            self.heard_at = time.monotonic()
        if progress is not None or message is not None:
            self.hear(self.work.key, Progress(progress, message))

    def ask_to_stop(self, reason: str) -> None:
        """Let the task see that it should end, for this reason."""
        if not self.asked_to_stop:
            self.reason = reason
            self.asked_to_stop = True
        self.child.cancelled.set()

    def submitted_again(self, done: Done, hear: Hear) -> None:
        """Report to these from now on, and report the ending again where there is one."""
        self.hear = hear
        self.done = done  # before the look at the ending, which is set before `done` is read
        if self.ending is not None:
            done(self.work.key, self.ending)

    def end(self, ending: Ending) -> bool:
        """Take an ending, unless there is one; say whether this was it."""
        if not self.claim.acquire(blocking=False):
            return False
        self.ending = ending
        self.child = _NOBODY
        return True

    def end_late(self, ending: Ending) -> None:
        """Take what the task came to after all, and report it once the ending that was reported is on record.

        So no two endings of one attempt are ever on their way at the same time.
        """
        self.late = ending._replace(late=True)
        if self.forgotten:
            self._report_late()

    def forget(self) -> None:
        """Take note that the ending is on record."""
        self.forgotten = True
        if self.late is not None:
            self._report_late()

    def _report_late(self) -> None:
        with _REPORTING:
            late, self.late = self.late, None
        if late is not None:
            self.done(self.work.key, late)

    # The endings that it may have besides what the task returns

    def raised(self, error: BaseException, *, closing: bool) -> Ending:
        """Return the ending of a task that raised."""
        if closing and not self.asked_to_stop:
            return CLOSED
        return Ending("cancelled" if self.asked_to_stop else "failed", error=describe(error))

    def cancelled(self) -> Ending:
        """Return the ending of an attempt that was asked to stop, and did not end by itself."""
        return Ending("cancelled", error=failure("Cancelled", self.reason))

    def timed_out(self) -> Ending:
        """Return the ending of an attempt that ran for too long."""
        return Ending("timed_out", error=failure("TimedOut", self.work.timed_out))

    def heartbeat_missed(self) -> Ending:
        """Return the ending of an attempt that was silent for too long."""
        seconds = self.work.heartbeat_timeout_seconds or 0.0
        message = f"was silent for longer than its heartbeat_timeout of {seconds:g} s"
        return Ending("timed_out", error=failure("HeartbeatMissed", message))
