"""The runtime of simulations: every actor of every process in one thread, under one seed, with simulated time.

The scheduler picks, by its seed, which of the waiting messages is delivered next. When none waits, time jumps to the
next timer. So one seed gives one history, every time and everywhere, and a failure can be played again. The actors
are the very classes that run in real life. What may go wrong is decided by a `Meddler`, which is asked about every
message on its way and every delivery.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import count
from operator import itemgetter
from typing import Any, Final, Literal, Protocol

import pykka
from pykka._actor import ActorInbox
from pykka._envelope import Envelope

from actors.runtime import Runtime, RuntimeActor, deliver, tell

AT_ONCE: Final = (0.0,)
"""How a message arrives as a rule."""

START_US: Final = 1_767_225_600_000_000
"""When simulated time begins: 1 January 2026, UTC."""

Delivery = Literal["plain", "die_before", "die_after"]
"""What becomes of a delivery: the actor handles the message, or dies before or after it did."""


class SimulatedDeathError(Exception):
    """An actor died because the simulation wanted it to."""


class Meddler(Protocol):
    """Decides what goes wrong."""

    def delays(self, runtime: SimulatedRuntime, actor: RuntimeActor, message: Any) -> Sequence[float]:
        """Return after how many seconds each copy of a message arrives: AT_ONCE as a rule, () if it is lost."""

    def delivery(self, runtime: SimulatedRuntime, actor: RuntimeActor, message: Any) -> Delivery:
        """Say what becomes of a delivery."""

    def overtakes(self, waiting: int) -> int:
        """Return which of an actor's waiting messages is delivered next; 0 is the one that came first."""

    def dawdles(self) -> bool:
        """Whether time passes to the next timer although messages wait."""


_Timer = tuple[int, int, "SimulatedRuntime | None", Callable[[], object]]
"""When it is due, its number, and what is called then, in which process if in any."""


class _Mailbox:
    """One actor's waiting messages."""

    __slots__ = ("actor", "name", "runtime", "waiting")

    def __init__(self, runtime: SimulatedRuntime, actor: RuntimeActor) -> None:
        self.runtime = runtime
        self.actor = actor
        self.name = type(actor).__name__
        self.waiting: deque[Envelope[Any]] = deque()

    def put(self, envelope: Envelope[Any], /) -> None:
        runtime = self.runtime
        scheduler = runtime.scheduler
        delays = scheduler.meddler.delays(runtime, self.actor, envelope.message)
        if delays is AT_ONCE:  # as `arrive` does, which most messages would call
            if not self.waiting:
                runtime.ready.append(self)
            self.waiting.append(envelope)
            return
        for delay in delays:
            if delay:
                scheduler.call_later(delay, partial(self.arrive, envelope), runtime)
            else:
                self.arrive(envelope)

    def arrive(self, envelope: Envelope[Any]) -> None:
        if not self.waiting:
            self.runtime.ready.append(self)
        self.waiting.append(envelope)

    def get(self) -> Envelope[Any]:
        raise RuntimeError("the scheduler delivers; nobody takes from an inbox")

    def empty(self) -> bool:
        return not self.waiting


class Scheduler:
    """One simulated machine: its time, its chance, and the processes on it. `trace` tells what happened.

    Give it a `meddler` before anything happens.
    """

    meddler: Meddler

    def __init__(self, seed: int) -> None:
        self.random: Final = random.Random(seed)  # noqa: S311 - a simulation, not secrets
        self.elapsed_us = 0
        self.clock_jump_us = 0
        """By how much the wall clock is wrong."""
        self.trace: list[tuple[int, str, str, Any]] = []
        self.quiet: Callable[[], object] = lambda: None
        """Called whenever no message waits anywhere, before time passes."""
        self.died: Callable[[RuntimeActor, BaseException], object] = lambda _actor, _error: None
        """Called when an actor dies."""
        self._runtimes: list[SimulatedRuntime] = []
        self._timers: list[_Timer] = []
        self._numbers = count()

    def runtime(self, name: str) -> SimulatedRuntime:
        """Begin a process."""
        runtime = SimulatedRuntime(self, name)
        self._runtimes.append(runtime)
        return runtime

    def note(self, who: str, what: str, detail: Any = "") -> None:
        """Add a line to the trace."""
        self.trace.append((self.elapsed_us, who, what, detail))

    def call_later(
        self, delay_seconds: float, call: Callable[[], object], runtime: SimulatedRuntime | None = None
    ) -> None:
        """Call something once simulated time has come so far; not where the process has died before."""
        due_us = self.elapsed_us + round(delay_seconds * 1_000_000) + 1  # rounded down, it might ring before its time
        heapq.heappush(self._timers, (due_us, next(self._numbers), runtime, call))

    def step(self) -> bool:
        """Deliver one message, or let time pass to the next timer; False where nothing is left to happen."""
        awake = []
        for runtime in self._runtimes:
            if runtime.ready and not runtime.paused:
                awake.append(runtime)
        if not awake:
            self.quiet()
        elif not self.meddler.dawdles():
            runtime = awake[0] if len(awake) == 1 else self.random.choice(awake)
            runtime.deliver_one()
            return True
        return self._next_timer()

    def _next_timer(self) -> bool:
        while self._timers:
            due_us, _, runtime, call = heapq.heappop(self._timers)
            if runtime is not None and not runtime.alive:
                continue
            if due_us > self.elapsed_us:
                self.elapsed_us = due_us
            if runtime is not None and runtime.paused:
                runtime.overdue.append(call)
            else:
                call()
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

    def forget(self, runtime: SimulatedRuntime) -> None:
        """Take a process that died off the machine."""
        self._runtimes.remove(runtime)

    def lines(self) -> Iterable[str]:
        """Yield the trace as text: time, who, what, and what can be shown of it."""
        latest, at = -1, ""
        for elapsed_us, who, what, detail in self.trace:
            if elapsed_us != latest:
                latest, at = elapsed_us, f"{elapsed_us // 1_000_000}.{elapsed_us % 1_000_000:06}"
            kind = type(detail)
            if kind is str:
                shown = detail
            elif kind is type:
                shown = detail.__name__
            else:
                template, plain = _SHOWN.get(kind) or _template(kind)
                shown = template if plain is None else template % plain(detail)
            yield f"{at} {who} {what} {shown}"

    def digest(self) -> str:
        """Return a SHA-256 (hex) of the trace: equal for equal histories."""
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()


class SimulatedRuntime(Runtime):
    """One simulated process."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self.scheduler: Final = scheduler
        self.name: Final = name
        self.random = scheduler.random
        self._draw: Final = scheduler.random.random
        self.alive = True
        self.paused = False
        self.actors: list[RuntimeActor] = []
        self.ready: list[_Mailbox] = []
        self.overdue: list[Callable[[], object]] = []
        """Timers that came while the process was paused."""
        self._ids = count(1)

    def now(self) -> int:
        """Return the simulated wall clock's time in microseconds since 1970."""
        return START_US + self.scheduler.elapsed_us + self.scheduler.clock_jump_us

    def monotonic(self) -> float:
        """Return simulated seconds since the start."""
        return self.scheduler.elapsed_us / 1_000_000

    def new_id(self) -> str:
        """Return the next id, a number after the process's name."""
        return f"{self.name}-{next(self._ids)}"

    def inbox(self, actor: RuntimeActor) -> ActorInbox:
        """Return a new actor's mailbox."""
        self.actors.append(actor)
        return _Mailbox(self, actor)

    def give_way(self) -> None:
        """Do nothing: here nobody waits for a lock."""

    def begin(self, actor: RuntimeActor) -> None:
        """Do nothing: the scheduler looks at every mailbox."""

    def tell_later(self, delay_seconds: float, ref: pykka.ActorRef[Any], message: Any) -> None:
        """Tell an actor something once simulated time has come so far."""
        self.scheduler.call_later(delay_seconds, partial(tell, ref, message), self)

    def report(self, actor: RuntimeActor, error: BaseException) -> None:
        """Take note of a death."""
        self.scheduler.note(self.name, "dies", f"{type(actor).__name__}: {type(error).__name__}")
        if self.alive:
            self.scheduler.died(actor, error)

    def deliver_one(self) -> None:
        """Deliver one of the waiting messages."""
        scheduler, ready = self.scheduler, self.ready
        meddler = scheduler.meddler
        place = int(self._draw() * len(ready))
        mailbox = ready[place]
        waiting = mailbox.waiting
        if len(waiting) > 1 and (overtaken := meddler.overtakes(len(waiting))):
            envelope = waiting[overtaken]
            del waiting[overtaken]
        else:
            envelope = waiting.popleft()
        if not waiting:
            ready[place] = ready[-1]
            ready.pop()
        actor, message = mailbox.actor, envelope.message
        scheduler.trace.append((scheduler.elapsed_us, self.name, mailbox.name, message))
        fate = meddler.delivery(self, actor, message)
        if fate == "plain":
            deliver(actor, envelope)
            return
        if fate == "die_after":
            deliver(actor, envelope)
        if not actor.actor_stopped.is_set():
            actor.reject(message)
            actor.die(SimulatedDeathError(fate))

    def pause(self) -> None:
        """Stop the process, as SIGSTOP does: time passes, and it does nothing."""
        self.paused = True
        self.scheduler.note(self.name, "pauses")

    def resume(self) -> None:
        """Let a paused process go on; the timers that came meanwhile come now."""
        if not self.paused or not self.alive:
            return
        self.paused = False
        self.scheduler.note(self.name, "resumes")
        overdue, self.overdue = self.overdue, []
        for call in overdue:
            call()

    def crash(self) -> None:
        """Lose every actor, message and timer of the process at once, as kill -9 does. Time goes on."""
        self.alive = False
        for actor in self.actors:
            actor.actor_stopped.set()
        self.ready.clear()
        self.scheduler.forget(self)
        self.scheduler.note(self.name, "crashes")


def _template(kind: type) -> tuple[str, Callable[[Any], Any] | None]:
    """Return how messages of a class are shown: a template, and what takes its plain fields out of one.

    So there are no addresses in memory in a trace, and no ids that differ from run to run.
    """
    names = getattr(kind, "_fields", ())
    hints = [getattr(hint, "__forward_arg__", hint) for hint in map(kind.__annotations__.get, names)]
    plain = [place for place, hint in enumerate(hints) if hint in _PLAIN]
    fields = ", ".join(f"{names[place]}=%r" for place in plain)
    shown = _SHOWN[kind] = (
        f"{kind.__name__}({fields})" if names else kind.__name__,
        itemgetter(*plain) if plain else None,
    )
    return shown


_SHOWN: Final[dict[type, tuple[str, Callable[[Any], Any] | None]]] = {}
_PLAIN: Final = frozenset({"int", "float", "str", "bytes", "bool", "int | None", "float | None", "str | None"})
