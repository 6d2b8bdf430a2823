"""Children that are Python functions, run by threads of this process.

The one place where functions of users are called, and the one place where everything they may raise, `SystemExit` and
`KeyboardInterrupt` included, becomes data. (Coroutines have theirs in `coroutines`.)
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from actors.executors.alarms import Alarms
from actors.executors.attempt import CLOSED, CUT_OFF, Attempt
from actors.executors.calling import call_task
from actors.executors.context import CURRENT, CurrentChild
from actors.executors.failures import failure
from actors.executors.forks import leave_fork
from actors.executors.handout import LOOK_SECONDS, HandOut
from actors.executors.roll import Roll
from actors.executors.watch import UNWATCHED, Watch
from actors.executors.work import AttemptKey, Done, Ending, Hear, Work, hear_nothing
from events.limits import DEFAULT_LIMITS

Find = Callable[[str], Callable[..., Any]]
"""Returns the function of a task by its name; raises where there is none."""


class ThreadExecutor:
    """Runs tasks in up to `threads_max` threads.

    No thread can be stopped. One whose task outlives its timeout, misses its heartbeats, or does not end when it was
    asked to stop, is abandoned, and replaced; what its task comes to in the end is reported as late. Over
    `abandoned_threads_max` none is replaced any more; once all threads are stuck, attempts fail at once.
    """

    def __init__(
        self,
        find: Find,
        *,
        threads_max: int,
        payload_bytes_max: int,
        abandoned_threads_max: int = DEFAULT_LIMITS.abandoned_threads_max,
    ) -> None:
        self._find = find
        self._threads_max = threads_max
        self._payload_bytes_max = payload_bytes_max
        self._handout: HandOut[Attempt] = HandOut()
        self._threads: set[threading.Thread] = set()
        self._abandoned: set[Attempt] = set()
        """Attempts that are over and whose tasks still run."""
        self._abandoned_max = abandoned_threads_max
        self._trouble = ""
        """Why a thread could not be had, the last time."""
        self._numbers = count(1)
        self._alarms = Alarms()
        self._watch = Watch(self._alarms, self._give_up)
        self._roll = Roll(Attempt, self._watch)
        self._growing = threading.Lock()
        """Held while a thread is begun, and while closing begins: none begins after that."""
        self._handed_out = False
        """Whether anything was handed out to fewer threads than it has parts, since the last look."""

    def submit(self, work: Iterable[Work], done: Done, hear: Hear = hear_nothing) -> None:
        """Run attempts; one that is known already reports its ending again, once it has one."""
        if self._handout.put(self._roll.enter(work, done, hear)):
            self._handed_out = True
            if not self._alarms.set("look", LOOK_SECONDS, self._look):
                self._handout.look()
        while self._usable() < min(self._threads_max, len(self._roll.open)) and self._add_thread():
            pass
        if self._roll.closing:
            self._roll.end_all(CLOSED)
        self._fail_if_stuck()

    def cancel(self, keys: Iterable[AttemptKey], *, reason: str) -> None:
        """Ask attempts to stop. One that has not begun ends at once; a running one sees `cancelled` set."""
        self._roll.ask_to_stop(keys, reason, self._stop)

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        """Drop the endings of these attempts; a late one may follow now."""
        self._roll.forget(keys)

    def begin_to_close(self) -> None:
        """Take no more work, and ask every attempt to stop; see `Executor`."""
        with self._growing:
            self._roll.closing = True
        self._roll.ask_all_to_stop()

    def close(self, *, grace_seconds: float) -> None:
        """Ask every attempt to stop, wait for a while, and report those that do not listen as lost."""
        deadline = time.monotonic() + grace_seconds
        self.begin_to_close()
        self._handout.send_home(len(self._threads))
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        self._roll.end_all(CUT_OFF)
        self._alarms.close()

    def _look(self) -> None:
        """See to what was handed out and still lies there; look again while hand-outs go on."""
        self._handout.look()
        if self._handed_out:
            self._handed_out = False
            self._alarms.set("look", LOOK_SECONDS, self._look)

    def _usable(self) -> int:
        return len(self._threads) - len(self._abandoned)

    def _add_thread(self) -> bool:
        """Begin another thread, where one may be had."""
        if len(self._abandoned) > self._abandoned_max:
            self._trouble = f"more than {self._abandoned_max:,} tasks run on that were given up"
            self._trouble += " (limit abandoned_threads_max)"
            return False
        name = f"orchestrator-worker-{next(self._numbers)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        with self._growing:
            if self._roll.closing:
                return False
            self._threads.add(thread)
            try:
                thread.start()
            except RuntimeError as error:
                self._threads.discard(thread)
                self._trouble = str(error)
                return False
        return True

    def _fail_if_stuck(self) -> None:
        """Fail what waits, where no thread is left to run it: better than to wait for what may never come."""
        if self._usable() > 0 or self._roll.closing:
            return
        for attempt in list(self._roll.open.values()):
            if not attempt.started:
                message = f"the task could not be started: {self._trouble}"
                self._roll.end(attempt, Ending("failed", error=failure("TaskNotStarted", message)))

    def _work(self) -> None:
        thread = threading.current_thread()
        take, took = self._handout.take, self._handout.took
        while (attempt := take()) is not None:
            started = time.perf_counter()
            child = attempt.child
            attempt.started = True
            if attempt.ending is not None:
                continue  # cancelled before it began
            ending = self._run(attempt, child) if self._watch.begin(attempt) else UNWATCHED
            if not self._roll.end(attempt, ending) and self._ended_late(attempt, ending):
                self._threads.discard(thread)
                self._abandoned.discard(attempt)
                return  # another thread has taken this one's place
            took(started)
        self._threads.discard(thread)

    def _ended_late(self, attempt: Attempt, ending: Ending) -> bool:
        """Report what a task came to that had been given up; say whether its thread was abandoned."""
        if not self._roll.closing:
            attempt.end_late(ending)
        return attempt in self._abandoned

    def _stop(self, attempt: Attempt) -> None:
        self._give_up(attempt, attempt.cancelled())

    def _give_up(self, attempt: Attempt, ending: Ending) -> None:
        """End an attempt that runs on all the same; its thread is abandoned, since no thread can be stopped."""
        attempt.child.cancelled.set()
        self._abandoned.add(attempt)  # before its end: its thread looks here afterwards
        if self._roll.end(attempt, ending):
            self._add_thread()
            self._fail_if_stuck()
        else:
            self._abandoned.discard(attempt)

    def _run(self, attempt: Attempt, child: CurrentChild) -> Ending:
        """Run the task and turn whatever happens into an ending."""
        work = attempt.work
        CURRENT.set(child)
        process_id = os.getpid()
        try:
            what = f"child {child.id!r}"
            output = call_task(self._find(work.task), work.input, what=what, bytes_max=self._payload_bytes_max)
            if os.getpid() != process_id:
                leave_fork(None)
            return Ending("succeeded", output)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything; here it becomes data
            if os.getpid() != process_id:
                leave_fork(error)
            return attempt.raised(error, closing=self._roll.closing)
