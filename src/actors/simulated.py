"""The runtime of tests: every actor in one thread, under one seed, with simulated time.

The scheduler picks, by its seed, which of the waiting messages is delivered next; messages from anybody to one actor
keep their order. When none waits, time jumps to the next timer. So one seed gives one history, every time, and a
failure can be played again. The actors are the very classes that run in real life.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, Final, NamedTuple

import pykka
from pykka._actor import ActorInbox
from pykka._envelope import Envelope

from actors.runtime import Runtime, RuntimeActor, deliver, tell

START_MICROSECONDS: Final = 1_767_225_600_000_000
"""When simulated time begins: 1 January 2026, UTC."""


class _Timer(NamedTuple):
    due: float
    number: int
    call: Callable[[], object]


class _Mailbox:
    """One actor's waiting messages."""

    def __init__(self, actor: RuntimeActor) -> None:
        self.actor = actor
        self.waiting: deque[Envelope[Any]] = deque()

    def put(self, envelope: Envelope[Any], /) -> None:
        self.waiting.append(envelope)

    def get(self) -> Envelope[Any]:
        return self.waiting.popleft()

    def empty(self) -> bool:
        return not self.waiting


class SimulatedRuntime(Runtime):
    """A seeded scheduler for actors. `trace` tells what happened, one line a delivery."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a simulation, not secrets
        self.trace: list[str] = []
        self._mailboxes: list[_Mailbox] = []
        self._timers: list[_Timer] = []
        self._elapsed = 0.0
        self._numbers = count()
        self._ids = count(1)

    def now(self) -> int:
        """Return the simulated wall clock's time in microseconds since 1970."""
        return START_MICROSECONDS + round(self._elapsed * 1_000_000)

    def monotonic(self) -> float:
        """Return simulated seconds since the start."""
        return self._elapsed

    def new_id(self) -> str:
        """Return the next id, a number after `run-`."""
        return f"run-{next(self._ids)}"

    def inbox(self, actor: RuntimeActor) -> ActorInbox:
        """Return a new actor's mailbox."""
        mailbox = _Mailbox(actor)
        self._mailboxes.append(mailbox)
        return mailbox

    def begin(self, actor: RuntimeActor) -> None:
        """Do nothing: the scheduler looks at every mailbox."""

    def tell_later(self, delay_seconds: float, ref: pykka.ActorRef[Any], message: Any) -> None:
        """Tell an actor something once simulated time has come so far."""
        self.call_later(delay_seconds, lambda: tell(ref, message))

    def call_later(self, delay_seconds: float, call: Callable[[], object]) -> None:
        """Call something once simulated time has come so far: for simulated executors and disks."""
        timer = _Timer(self._elapsed + delay_seconds, next(self._numbers), call)
        heapq.heappush(self._timers, timer)

    def step(self) -> bool:
        """Deliver one message, or let time pass to the next timer; False where nothing is left to happen."""
        waiting = [mailbox for mailbox in self._mailboxes if mailbox.waiting]
        if waiting:
            mailbox = self.random.choice(waiting)
            envelope = mailbox.get()
            self.trace.append(f"{self._elapsed:.6f} {type(mailbox.actor).__name__} {_shown(envelope.message)}")
            deliver(mailbox.actor, envelope)
            return True
        if self._timers:
            timer = heapq.heappop(self._timers)
            self._elapsed = max(self._elapsed, timer.due)
            timer.call()
            return True
        return False

    def run_until(self, done: Callable[[], bool], *, steps_max: int = 1_000_000) -> None:
        """Step until `done`. Raises AssertionError where nothing more happens, or too much does."""
        for _ in range(steps_max):
            if done():
                return
            if not self.step():
                raise AssertionError("nothing is left to happen, and what was waited for has not come")
        raise AssertionError(f"what was waited for has not come in {steps_max:,} steps")

    def crash(self) -> None:
        """Lose every actor, message and timer at once, as kill -9 does. Time goes on."""
        for mailbox in self._mailboxes:
            mailbox.actor.actor_stopped.set()
        self._mailboxes.clear()
        self._timers.clear()
        self.trace.append(f"{self._elapsed:.6f} crash")


def _shown(message: Any) -> str:
    """Return a message for the trace: no addresses in memory, no ids that differ from run to run."""
    if isinstance(message, type):
        return message.__name__
    if not hasattr(message, "_fields"):
        return type(message).__name__
    parts = (f"{name}={value!r}" for name, value in message._asdict().items() if isinstance(value, int | str | bytes))
    return f"{type(message).__name__}({', '.join(parts)})"
