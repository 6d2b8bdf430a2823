"""The executor for functions that run in an executor of the user's own: any `concurrent.futures.Executor`."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, Future
from concurrent.futures import Executor as ForeignExecutor
from functools import partial
from queue import SimpleQueue
from typing import Any, Final

from actors.executors.alarms import Alarms
from actors.executors.attempt import CLOSED, CUT_OFF, Attempt
from actors.executors.failures import describe, failure
from actors.executors.futures_call import HERE, Callee, Visit, run_elsewhere
from actors.executors.process_endings import ending_of, not_started
from actors.executors.process_frames import load_json
from actors.executors.roll import Roll
from actors.executors.watch import Watch
from actors.executors.work import AttemptKey, Done, Ending, Hear, Work, hear_nothing
from events.errors import OrchestratorError

FindCallee = Callable[[str], Callee]
"""Returns the function of a task by its name; raises an OrchestratorError where there is none."""

_LOOK_SECONDS: Final = 0.1
"""How often it is looked whether a future runs that has a time limit."""
_LOSSES_MAX: Final = 3
"""How often the executor may break under a child, or cancel it, before that child has failed."""
_OVERHEAD_BYTES: Final = 1_048_576
_JOIN_SECONDS: Final = 1.0


class _Guest(Attempt):
    """One attempt in somebody else's executor."""

    __slots__ = ("future", "submitted_at", "token")

    def __init__(self, work: Work, done: Done, hear: Hear) -> None:
        super().__init__(work, done, hear)
        self.token = secrets.token_hex(16)
        self.future: Future[Any] | None = None
        self.submitted_at = 0.0


class FuturesExecutor:
    """Runs tasks in an executor of the user's own, which is never shut down here.

    What is submitted is a function of a module with plain arguments, and what comes back is JSON text. Where the task
    runs in this very process it can be asked to stop, and heard; elsewhere a future that has begun goes on until it
    ends by itself. An attempt that does not listen is given up after its grace, and what comes of it reported as late.
    Its time counts from when its future says that it runs; where no future of this executor says so, from its hand-out.

    Thread-safe. The user's executor and its futures are called by one thread, begun with the first attempt, since
    their calls may take long.
    """

    def __init__(self, find: FindCallee, executor: ForeignExecutor, *, name: str, payload_bytes_max: int) -> None:
        self._find = find
        self._executor = executor
        self._name = name
        self._payload_bytes_max = payload_bytes_max
        self._losses: Counter[tuple[str, str]] = Counter()
        """How often the executor broke under a child, or cancelled it."""
        self._alarms = Alarms()
        self._watch = Watch(self._alarms, self._give_up)
        self._roll = Roll(_Guest, self._watch)
        self._orders: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._beginning = threading.Lock()
        """Held while work is taken on, and while closing begins: none is taken on after that."""

    def submit(self, work: Iterable[Work], done: Done, hear: Hear = hear_nothing) -> None:
        """Run attempts; see `Executor`."""
        for guest in self._roll.enter(work, done, hear):
            with self._beginning:
                trouble = CLOSED if self._roll.closing else self._begin()
                if trouble is None:
                    self._orders.put(partial(self._submit, guest))
            if trouble is not None:
                self._end(guest, trouble)

    def cancel(self, keys: Iterable[AttemptKey], *, reason: str) -> None:
        """Ask attempts to stop; one that the executor has not begun is taken back."""
        for key in keys:
            guest = self._roll.open.get(key)
            if guest is not None:
                guest.ask_to_stop(reason)
                self._watch.stop_within(guest, guest.grace_seconds, self._stop)
                self._orders.put(partial(self._withdraw, guest))

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        """Drop the endings of these attempts; a late one may follow now."""
        self._roll.forget(keys)

    def begin_to_close(self) -> None:
        """Take no more work, ask every attempt to stop, take back what has not begun; see `Executor`."""
        with self._beginning:
            self._roll.closing = True
        for guest in list(self._roll.open.values()):
            guest.child.cancelled.set()
            self._orders.put(partial(self._withdraw, guest))
        self._roll.note_if_all_ended()

    def close(self, *, grace_seconds: float) -> None:
        """Ask everything to stop, wait for a while, and report the rest as lost. The executor itself goes on."""
        self.begin_to_close()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._roll.all_ended.wait(grace_seconds)
        self._roll.end_all(CUT_OFF)
        self._alarms.close()
        self._orders.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_SECONDS)  # it may be stuck in a call of the user's executor

    def _begin(self) -> Ending | None:
        """Begin the thread, if need be; return the ending of attempts where none can be had."""
        if self._thread is None:
            thread = threading.Thread(target=self._serve, name=f"orchestrator-futures-{self._name}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                return not_started(str(error))
            self._thread = thread
        return None

    def _end(self, guest: _Guest, ending: Ending) -> bool:
        """Give an attempt its ending, unless it has one; say whether this was it."""
        if not self._roll.end(guest, ending):
            return False
        self._alarms.clear((guest, "look"))
        return True

    def _stop(self, guest: _Guest) -> None:
        self._give_up(guest, guest.cancelled())

    def _give_up(self, guest: _Guest, ending: Ending) -> None:
        """End an attempt that may run on all the same."""
        guest.child.cancelled.set()
        if self._end(guest, ending):
            self._orders.put(partial(self._withdraw, guest))

    # In the thread of our own, the only one that calls the executor and its futures

    def _serve(self) -> None:
        while (order := self._orders.get()) is not None:
            order()

    def _submit(self, guest: _Guest) -> None:
        if guest.ending is not None or guest.asked_to_stop:
            self._withdraw(guest)
            return
        key, work = guest.key, guest.work
        visit = Visit(guest.token, os.getpid(), *key, self._payload_bytes_max)
        HERE[guest.token] = (guest, partial(self._note_begin, guest))
        try:
            callee = self._find(work.task)
            guest.submitted_at = time.monotonic()
            guest.future = self._executor.submit(run_elsewhere, callee, visit, work.input)
            guest.future.add_done_callback(partial(self._take, guest))
        except OrchestratorError as error:
            HERE.pop(guest.token, None)
            self._end(guest, not_started(str(error)))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an executor of the user's may raise anything
            HERE.pop(guest.token, None)
            self._end(guest, not_started(f"executor {self._name!r} does not take it: {_brief(error)}"))
        else:
            if work.timeout_seconds is not None:
                self._look(guest)

    def _withdraw(self, guest: _Guest) -> None:
        """Take back what the executor has not begun; its future's end tells the rest."""
        if guest.future is not None:
            guest.future.cancel()
        elif guest.asked_to_stop:
            self._end(guest, guest.cancelled())
        else:
            self._end(guest, CLOSED)

    def _look(self, guest: _Guest) -> None:
        """Start the clock of an attempt once its future runs."""
        future, seconds = guest.future, guest.work.timeout_seconds
        if future is None or seconds is None or guest.ending is not None or guest.started or future.done():
            return
        if future.running():
            self._watch.begin_time(guest)
        elif time.monotonic() >= guest.submitted_at + seconds and not self._any_runs():
            self._give_up(guest, guest.timed_out())
        else:
            again = partial(self._orders.put, partial(self._look, guest))
            self._alarms.set((guest, "look"), min(_LOOK_SECONDS, seconds), again)

    def _any_runs(self) -> bool:
        """Whether any future says that it runs: then one that says nothing waits for its turn."""
        return any(guest.future is not None and guest.future.running() for guest in tuple(self._roll.open.values()))

    # In threads of the user's executor

    def _note_begin(self, guest: _Guest) -> None:
        """Note that a task begins in this very process."""
        guest.started = True
        self._watch.begin(guest)
        if guest.ending is not None:
            self._watch.end(guest)

    def _take(self, guest: _Guest, future: Future[Any]) -> None:
        """Take the end of a future: the one place where what it raises becomes data."""
        HERE.pop(guest.token, None)
        if future.cancelled():
            if guest.asked_to_stop:
                self._end(guest, guest.cancelled())
            else:
                self._end(guest, CLOSED if self._roll.closing else self._lost(guest, "cancelled it"))
            return
        ending = self._ending(guest, future)
        if not self._end(guest, ending) and not self._roll.closing:
            guest.end_late(ending)

    def _ending(self, guest: _Guest, future: Future[Any]) -> Ending:
        error = future.exception()
        if isinstance(error, BrokenExecutor):
            return self._lost(guest, f"broke: {_brief(error)}")
        if error is not None:
            return not_started(f"executor {self._name!r} could not run it: {_brief(error)}")
        text = future.result()
        try:
            if not isinstance(text, str) or len(text) > 2 * self._payload_bytes_max + _OVERHEAD_BYTES:
                raise ValueError("what came is no ending")
            return ending_of(load_json(text), guest, closing=self._roll.closing)
        except ValueError:
            message = f"executor {self._name!r} gave back something else than what the task came to"
            return Ending("failed", error=failure("ExecutorError", message))

    def _lost(self, guest: _Guest, what: str) -> Ending:
        """Return the ending of an attempt that the executor lost: lost, but not for ever."""
        child = (guest.key.parent_id, guest.key.child_id)
        self._losses[child] += 1
        reason = f"executor {self._name!r} {what}"
        if self._losses[child] < _LOSSES_MAX:
            return Ending(None, lost=reason)
        del self._losses[child]
        return Ending("failed", error=failure("ExecutorError", f"{reason} ({_LOSSES_MAX} times)"))


def _brief(error: BaseException) -> str:
    """Return an exception of somebody else's as one line."""
    described = json.loads(describe(error))
    return f"{described['type']}: {described['message']}"
