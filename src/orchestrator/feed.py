"""One run whose children come over time: items are pulled from its source and put on record as slots free up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from actors.observers import Observers
from actors.runtime import logger
from events.commands import ChildSpec, CloseMembership, Command, CreateChildren, PrepareChildren
from events.errors import (
    ClosedError,
    ContentConflictError,
    DeadlineExceededError,
    OrchestratorError,
    RunHaltedError,
    StoreBusyError,
    UsageError,
)
from events.facts import ChildPrepared
from events.state import ParentState
from orchestrator.definition import Parallel
from orchestrator.failed_source import failed_source
from orchestrator.given import CALL_SECONDS
from orchestrator.pulling import Puller
from orchestrator.streams import ChildStream
from orchestrator.tasks import SOURCE_TASK

if TYPE_CHECKING:
    from orchestrator.engine import Engine

AHEAD_MAX: Final = 1_000
"""How many items more than the workers need are pulled ahead at most, and as many again where children are quick."""
_BATCH_MAX: Final = 1_000
"""Most children of one append."""
_QUICK_SECONDS: Final = 0.25
"""Where children are quick, so much work is pulled ahead."""
_MEASURE_SECONDS: Final = 0.02
_WAIT_SECONDS: Final = 1.0
"""Longest wait for news before a look at what may have been missed."""
_TRIES_MAX: Final = 5
_AGAIN: Final = (DeadlineExceededError, StoreBusyError, RunHaltedError)
"""After these, the same is asked once more: known children are passed over."""


READ_ONCE_MAX: Final = 100_000
"""How many children of what can be read only once may wait for a start."""


class Ahead:
    """How far ahead of the children that have ended the source is pulled."""

    def __init__(self, monotonic: Callable[[], float], *, read_once: bool) -> None:
        """Pull whatever can be `read_once` only as it comes: a resume has what is on record, and nothing else."""
        self._monotonic = monotonic
        self._read_once = read_once
        self._quick = 0
        self._since: tuple[float, int] | None = None

    def measure(self, state: ParentState) -> None:
        """Take note of how many children have ended by now."""
        now, ended = self._monotonic(), state.ended
        if self._since is None:
            self._since = (now, ended)
        elif now - self._since[0] >= _MEASURE_SECONDS:
            per_second = (ended - self._since[1]) / (now - self._since[0])
            self._quick = max(0, min(AHEAD_MAX, int(per_second * _QUICK_SECONDS)))
            self._since = (now, ended)

    def most(self, state: ParentState) -> int:
        """Return how many children may wait for a start."""
        if self._read_once:
            return max(READ_ONCE_MAX, state.max_workers)
        return state.max_workers + min(3 * state.max_workers, AHEAD_MAX) + self._quick

    def least(self, state: ParentState) -> int:
        """Return how few may be left of them before more are pulled."""
        return max(state.max_workers, self.most(state) // 2)


class Feed:
    """Feeds one run from one source until either is over. `take_leave` is called when nothing more is fed."""

    def __init__(
        self,
        engine: Engine,
        parent_id: str,
        parallel: Parallel,
        observers: Observers,
        take_leave: Callable[[], object],
    ) -> None:
        self._engine = engine
        self._parent_id = parent_id
        self._observers = observers
        self._take_leave = take_leave
        self._stays_open = parallel.open
        self._spec_of = engine.creation.over_time(parallel)
        self._puller = Puller(
            parallel.children, self._room, observers.look_again, f"orchestrator-source-{parent_id[:40]}"
        )
        self._thread = threading.Thread(target=self._run, name=f"orchestrator-feed-{parent_id[:40]}", daemon=True)
        read_once = isinstance(parallel.children, ChildStream) and parallel.children.read_once
        self._ahead = Ahead(engine.runtime.monotonic, read_once=read_once)
        self._count = 0
        """How many children the source has given."""
        self._given: set[str] = set()
        """Their ids."""
        self._known: dict[str, int] = {}
        """The work, as a hash, of the children that were on record before, by id."""
        self._failed_before: set[str] = set()
        """Which of those stand for a source that failed."""
        self._owned = False
        self._stopping = False

    @property
    def source(self) -> object:
        """Where the children come from."""
        return self._puller.source

    @property
    def alive(self) -> bool:
        """Whether a thread of it still runs."""
        return self._thread.is_alive() or self._puller.thread.is_alive()

    def begin(self) -> None:
        """Begin to feed."""
        self._thread.start()

    def stop(self) -> None:
        """Feed no more. Does not wait."""
        self._stopping = True
        self._puller.stop()
        self._observers.look_again()

    def join(self, seconds: float) -> bool:
        """Wait for the end of both threads; say whether they ended. The source's may be in user code for long."""
        deadline = self._engine.runtime.monotonic() + seconds
        for thread in (self._thread, self._puller.thread):
            if thread.is_alive():
                thread.join(max(0.0, deadline - self._engine.runtime.monotonic()))
        return not self.alive

    def _run(self) -> None:
        try:
            self._learn()
            self._puller.begin()
            while self._turn():
                pass
        except ClosedError:
            pass  # what is on record can be fed on by whoever starts the run again
        except OrchestratorError as error:
            logger.error("run %r is fed no more, and stays open: %s", self._parent_id, error)
        finally:
            self._puller.stop()
            self._take_leave()

    def _learn(self) -> None:
        """Learn which children are on record already, and with what work."""
        latest = self._observers.latest
        if latest is not None and latest[0].total == 0:
            return
        for record in self._engine.log.read(self._parent_id):
            fact = record.fact
            if isinstance(fact, ChildPrepared):
                self._known[fact.child_id] = _work(fact)
                if fact.task == SOURCE_TASK:
                    self._failed_before.add(fact.child_id)

    # How far ahead

    def _over(self, state: ParentState) -> bool:
        """Whether nothing is to be fed any more. Asked on an actor's thread, too."""
        owner, ours = state.owner, self._engine.owner
        self._owned = self._owned or owner == ours
        lost = self._owned and owner is not None and owner != ours
        over = lost or state.halting or state.membership_closed
        return over or self._stopping or self._observers.halted is not None

    def _waiting(self, state: ParentState) -> int:
        """Return how many children wait for a start, those on their way to the record included."""
        return state.total - state.ended - state.running_count + self._puller.outstanding

    def _room(self) -> int:
        def ready(state: ParentState) -> bool:
            return self._over(state) or self._waiting(state) <= self._ahead.least(state)

        state = self._observers.wait(ready, _WAIT_SECONDS)
        if state is None or self._over(state):
            return 0
        self._ahead.measure(state)
        return max(0, self._ahead.most(state) - self._waiting(state))

    # What is pulled goes on record

    def _turn(self) -> bool:
        """Put on record what was pulled; say whether there is more to come."""
        state = self._observers.wait(lambda state: self._puller.has_news or self._over(state), _WAIT_SECONDS)
        if state is None and self._observers.halted is None:
            return True
        if state is None or self._over(state):
            return False
        pulled = self._puller.take(_BATCH_MAX)
        specs, why = self._specs(pulled.items)
        why = self._record(specs) or why
        self._puller.recorded(len(pulled.items))
        self._observers.look_again()
        why = why or pulled.broken
        if why is not None:
            self._fail(f"no more children after {self._count:,}: {why}")
        if why is None and not pulled.over:
            return True
        if not self._stays_open or why is not None:
            self._ask(CloseMembership(at=self._now(), arriving=True))
        return False

    def _specs(self, items: Sequence[Any]) -> tuple[list[tuple[int, ChildSpec]], str | None]:
        """Return what is new among these children, and why one of them cannot be run; what follows it is left out."""
        specs: list[tuple[int, ChildSpec]] = []
        for item in items:
            try:
                (spec,) = self._engine.creation.filed(self._parent_id, (self._spec_of(item, self._count),))
                if spec.child_id in self._given:
                    raise UsageError(f"children[{self._count}]: the id {spec.child_id!r} is used twice")
                fresh = self._is_fresh(spec)
            except UsageError as error:
                return specs, str(error)
            self._given.add(spec.child_id)
            if fresh:
                specs.append((self._count, spec))
            self._count += 1
        return specs, None

    def _is_fresh(self, spec: ChildSpec) -> bool:
        known = self._known.get(spec.child_id)
        if known is not None and known != _work(spec):
            raise ContentConflictError(f"child {spec.child_id!r} is on record with other work")
        return known is None

    def _record(self, specs: Sequence[tuple[int, ChildSpec]]) -> str | None:
        """Put children on record; return why one of them is refused. Those before it are on record then."""
        if not specs:
            return None
        children = tuple(spec for _, spec in specs)
        try:
            self._ask(PrepareChildren(at=self._now(), children=children), CreateChildren(at=self._now()))
        except UsageError as error:
            latest = self._observers.latest
            if latest is not None and self._over(latest[0]):
                return None  # closed, or decided, in between
            if len(specs) == 1:
                self._count = specs[0][0]
                return str(error)
            return next((why for why in (self._record([spec]) for spec in specs) if why is not None), None)
        return None

    def _fail(self, message: str) -> None:
        """Add the child that stands for the source's failure, unless it stands there from before."""
        name = f"source-{self._count}"
        while name in self._given:
            name += "-failed"
        if name not in self._failed_before:
            why = self._record([(self._count, failed_source(name, message))])
            if why is not None:
                logger.error("run %r: %s", self._parent_id, message)

    def _ask(self, *commands: Command) -> None:
        """Ask the parent, a few times where it cannot answer."""
        for again in range(_TRIES_MAX):
            try:
                self._engine.request(self._parent_id, commands, CALL_SECONDS)
                return
            except _AGAIN:
                if again == _TRIES_MAX - 1 or self._stopping or self._observers.halted is not None:
                    raise
                self._engine.pause(0.1 * 2**again)

    def _now(self) -> int:
        return self._engine.runtime.now()


def _work(child: ChildSpec | ChildPrepared) -> int:
    return hash((child.task, child.input, child.input_file, child.limits))
