"""Children that are `async def` functions, all on one event loop.

The one place where what their coroutines raise becomes data, as it is for functions in `threads`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from actors.executors.alarms import Alarms
from actors.executors.attempt import CANCEL_SECONDS, CLOSED, CUT_OFF, Attempt
from actors.executors.calling import await_task
from actors.executors.context import CURRENT, CurrentChild
from actors.executors.failures import failure
from actors.executors.forks import leave_fork
from actors.executors.roll import Roll
from actors.executors.watch import UNWATCHED, Watch
from actors.executors.work import AttemptKey, Done, Ending, Hear, Work, hear_nothing

if TYPE_CHECKING:  # asyncio is imported with the first coroutine: that takes as long as many a small run
    from actors.executors.event_loop import LoopThread, StubbornTask

FindCoroutine = Callable[[str], Callable[..., Coroutine[Any, Any, Any]]]
"""Returns the `async def` function of a task by its name; raises where there is none."""


class _Coroutine(Attempt):
    """One attempt at an `async def` function."""

    __slots__ = ("over", "task")

    def __init__(self, work: Work, done: Done, hear: Hear) -> None:
        super().__init__(work, done, hear)
        self.task: StubbornTask | None = None
        self.over: Ending | None = None
        """The ending that it has for certain, whatever it does: its time was up."""

    def raised(self, error: BaseException, *, closing: bool) -> Ending:
        """Return the ending of a coroutine that raised."""
        import asyncio

        if isinstance(error, asyncio.CancelledError) and self.asked_to_stop:
            return self.cancelled()
        return super().raised(error, closing=closing)


class AsyncExecutor:
    """Runs coroutines on one event loop, thousands at a time; thread and loop begin with the first work.

    A coroutine that is asked to stop sees `cancelled` set. If it has not ended after its grace period it is cancelled,
    as asyncio does it: `CancelledError` is raised where it waits. One whose time is up is cancelled at once. What goes
    on all the same is abandoned, and what it comes to in the end is reported as late.

    A coroutine that blocks holds up all others, but not their clocks: these are watched by another thread.
    """

    def __init__(self, find: FindCoroutine, *, payload_bytes_max: int) -> None:
        self._find = find
        self._payload_bytes_max = payload_bytes_max
        self._abandoned: set[_Coroutine] = set()
        """Attempts that are over and whose coroutines still run. (A loop itself does not keep its tasks alive.)"""
        self._loop: LoopThread | None = None
        self._beginning = threading.Lock()
        """Held while the loop begins, and while closing begins: it does not begin after that."""
        self._alarms = Alarms()
        self._watch = Watch(self._alarms, self._time_is_up)
        self._roll = Roll(_Coroutine, self._watch)
        self._process_id = os.getpid()

    def submit(self, work: Iterable[Work], done: Done, hear: Hear = hear_nothing) -> None:
        """Run attempts; one that is known already reports its ending again, once it has one."""
        fresh = self._roll.enter(work, done, hear)
        if not fresh:
            return
        trouble = self._begin()
        for attempt in fresh:
            if trouble is not None:
                self._roll.end(attempt, trouble)
            elif not self._watch.begin(attempt):  # from now on: a loop begins its tasks at once, unless it is blocked
                self._roll.end(attempt, UNWATCHED)
        if self._loop is not None and not self._loop.call(self._start, fresh):
            for attempt in fresh:
                self._roll.end(attempt, CLOSED)

    def cancel(self, keys: Iterable[AttemptKey], *, reason: str) -> None:
        """Ask attempts to stop. One that has not begun ends at once; a running one sees `cancelled` set."""
        self._roll.ask_to_stop(keys, reason, self._insist)

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        """Drop the endings of these attempts; a late one may follow now."""
        self._roll.forget(keys)

    def begin_to_close(self) -> None:
        """Take no more work, and ask every attempt to stop; see `Executor`."""
        with self._beginning:
            self._roll.closing = True
        self._roll.ask_all_to_stop()

    def close(self, *, grace_seconds: float) -> None:
        """Ask every attempt to stop, wait for a while, cancel, and report those that do not listen as lost."""
        self.begin_to_close()
        loop = self._loop
        if loop is not None:
            if not loop.is_here:
                self._roll.all_ended.wait(grace_seconds)
                if loop.call(self._cancel_all):
                    self._roll.all_ended.wait(CANCEL_SECONDS)
            self._roll.end_all(CUT_OFF)
            loop.stop(2 * CANCEL_SECONDS)
        self._alarms.close()

    def _begin(self) -> Ending | None:
        """See to it that there is a loop; return what becomes of attempts where there can be none."""
        with self._beginning:
            if self._roll.closing:
                return CLOSED
            if self._loop is None:
                try:
                    from actors.executors.event_loop import LoopThread

                    self._loop = LoopThread(self._loop_ended)
                except (OSError, RuntimeError) as error:
                    return Ending("failed", error=failure("TaskNotStarted", f"no event loop can be had: {error}"))
        return None

    # When time is up; on the alarms' thread, which goes on where the loop is blocked

    def _time_is_up(self, attempt: _Coroutine, ending: Ending) -> None:
        """Cancel an attempt that ran, or was silent, for too long; it has its grace period to clean up."""
        attempt.over = attempt.over or ending
        attempt.child.cancelled.set()
        if attempt.started:
            self._cancel(attempt, attempt.grace_seconds)
        else:
            self._roll.end(attempt, ending)

    def _insist(self, attempt: _Coroutine) -> None:
        """Cancel an attempt that was asked to stop and did not."""
        if attempt.ending is None:
            self._cancel(attempt, CANCEL_SECONDS)

    def _cancel(self, attempt: _Coroutine, seconds: float) -> None:
        """Cancel a coroutine, and give it up if it goes on for so long."""
        if self._loop is not None:
            self._loop.call(self._throw, attempt)
        self._watch.stop_within(attempt, seconds, self._give_up)

    def _give_up(self, attempt: _Coroutine) -> None:
        """End an attempt that cannot be stopped."""
        self._abandoned.add(attempt)  # before its end: its coroutine looks here afterwards
        if not self._roll.end(attempt, attempt.over or attempt.cancelled()):
            self._abandoned.discard(attempt)

    def _loop_ended(self, loop: LoopThread) -> None:
        """Give up what ran on a loop that has ended; on its thread. Unless we close, that is no doing of ours."""
        if self._loop is loop and not self._roll.closing:
            self._loop = None
            self._roll.end_all(Ending(None, lost="the event loop that it ran on died"))

    # On the loop

    def _start(self, attempts: Iterable[_Coroutine]) -> None:
        import asyncio

        from actors.executors.event_loop import StubbornTask

        loop = asyncio.get_running_loop()
        for attempt in attempts:
            if attempt.ending is None:
                attempt.task = StubbornTask(self._run(attempt), loop=loop)

    def _throw(self, attempt: _Coroutine) -> None:
        if attempt.task is not None:
            attempt.task.cancel()

    def _cancel_all(self) -> None:
        for attempt in list(self._roll.open.values()):
            self._throw(attempt)

    async def _run(self, attempt: _Coroutine) -> None:
        """Run a coroutine to its end and report that."""
        child = attempt.child
        attempt.started = True
        if attempt.ending is None:  # else it was over before it began
            ending = await self._ending(attempt, child)
            if not self._roll.end(attempt, attempt.over or ending):
                self._abandoned.discard(attempt)
                if not self._roll.closing:
                    attempt.end_late(ending)
        attempt.task = None

    async def _ending(self, attempt: _Coroutine, child: CurrentChild) -> Ending:
        """Await the coroutine and turn whatever happens into an ending."""
        work = attempt.work
        CURRENT.set(child)
        try:
            what = f"child {child.id!r}"
            output = await await_task(self._find(work.task), work.input, what=what, bytes_max=self._payload_bytes_max)
            if os.getpid() != self._process_id:
                leave_fork(None)
            return Ending("succeeded", output)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything; here it becomes data
            if os.getpid() != self._process_id:
                leave_fork(error)
            return attempt.raised(error, closing=self._roll.closing)
