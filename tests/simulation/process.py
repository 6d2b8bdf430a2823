"""One simulated operating system process with an orchestrator in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, TypeVar

from actors.buckets import ThrottleRule
from actors.hearing import EndedChild
from actors.messages import Claim, Release, Request
from actors.observers import Observers, ParentFinished, RunHalted
from actors.parent import ParentActor
from actors.pool import PoolActor
from actors.runtime import RuntimeActor
from actors.simulated import Scheduler
from actors.system import ActorSystem
from events.commands import Command
from events.limits import DEFAULT_LIMITS
from events.log import EventLog
from events.projections.engine import ProjectionEngine
from events.projections.projection import Projection
from events.state import ParentState
from tests.simulation.disk import Disk, Door
from tests.simulation.executor import SimulatedExecutor
from tests.simulation.faults import FaultyMeddler
from tests.simulation.watcher import Watcher

A = TypeVar("A", bound=RuntimeActor)

EVENTS_MAX: Final = 20
"""How many events go into the views at a time: few, so that it takes several batches."""


class Process:
    """A process: its actors and its executor live until it crashes; the disk outlives it."""

    def __init__(
        self,
        scheduler: Scheduler,
        disk: Disk,
        meddler: FaultyMeddler,
        watcher: Watcher,
        *,
        name: str,
        max_workers: int,
        owner_alive: Callable[[str], bool],
        throttles: Sequence[ThrottleRule] = (),
        projections: Sequence[Projection] = (),
        snapshot_events: int | None = None,
    ) -> None:
        self.name = name
        self.max_workers = max_workers
        self.runtime = scheduler.runtime(name)
        self.closing = False
        self._watcher = watcher
        self._looked_at = 0
        """How many of its actors were put by their kinds."""
        self._by_kind: defaultdict[type, list[Any]] = defaultdict(list)
        self._held: dict[str, Observers] = {}
        self.replies: list[Future[ParentState]] = []
        self.log = EventLog(Door(disk, self.runtime, meddler, watcher, self.crash, name), disk.catalogue)
        self.views = ProjectionEngine(self.log, projections, events_max=EVENTS_MAX) if projections else None
        self.executor = SimulatedExecutor(self.runtime, meddler, partial(watcher.begun, name), watcher.ended)
        self.system = ActorSystem(
            self.runtime,
            self.log,
            owner=name,
            owner_alive=owner_alive,
            max_workers=max_workers,
            executors={"simulated": self.executor},
            executor_of=lambda task: "simulated" if task == "simulated" else None,
            limits=DEFAULT_LIMITS,
            watch_seconds=0.9,
            throttles=throttles,
            views=self.views,
            snapshot_events=snapshot_events,
        )
        self.system.begin()

    @property
    def alive(self) -> bool:
        """Whether the process has not crashed."""
        return self.runtime.alive

    def crash(self) -> None:
        """Die at this instant."""
        if self.alive:
            self.runtime.crash()

    def dismantle(self) -> None:
        """Take everything apart, once it is over."""
        observers, executor, system = self._held.values(), self.executor, self.system
        for part in (*self.runtime.actors, *observers, executor, system, self.log, self.runtime, self):
            vars(part).clear()

    # Asking

    def claim(self, parent_id: str, create: Iterable[Command] = (), **how: Any) -> Future[ParentState]:
        """Ask for a parent to be created, or gone on with."""
        reply = self._reply(parent_id)
        self._watch(parent_id)
        self._watcher.robbed = self._watcher.robbed or bool(how.get("take_over"))
        self.system.tell_parent(parent_id, Claim(tuple(create), reply=reply, **{"attach": True, **how}))
        return reply

    def request(self, parent_id: str, *commands: Command) -> Future[ParentState]:
        """Ask for commands to be decided together."""
        reply = self._reply(parent_id)
        self.system.tell_parent(parent_id, Request(commands, reply))
        return reply

    def close(self) -> None:
        """Begin to close, as an orchestrator does: start nothing more, give up what was interrupted."""
        self.closing = True
        self.system.drain()
        self.executor.close(grace_seconds=0)
        for parent_id in self.system.directory.snapshot():
            self.system.tell_parent(parent_id, Release("the orchestrator was closed", Future()))

    def _reply(self, parent_id: str) -> Future[ParentState]:
        reply: Future[ParentState] = Future()
        self.replies.append(reply)

        def on_reply(done: Future[ParentState]) -> None:
            if done.exception() is None:
                self._watcher.told_state(parent_id, done.result())

        reply.add_done_callback(on_reply)
        return reply

    def _watch(self, parent_id: str) -> None:
        observers = self.system.observers(parent_id)
        if self._held.get(parent_id) is not observers:
            self._held[parent_id] = observers
            observers.listen(_Listener(self._watcher, observers))
            observers.tell_when_decided(_Engine(self._watcher, self.name))  # type: ignore[arg-type]

    # Looking inside

    def untold(self) -> list[str]:
        """Return the parents whose decision no engine was told, though one of this process asked."""
        return [parent_id for parent_id in self._held if (self.name, parent_id) not in self._watcher.told]

    def pool(self) -> PoolActor | None:
        """Return the pool that lives, if one does."""
        return next((pool for pool in self._of_kind(PoolActor) if not pool.actor_stopped.is_set()), None)

    def parents(self) -> list[ParentActor]:
        """Return the parents' actors that live."""
        return [actor for actor in self._of_kind(ParentActor) if not actor.actor_stopped.is_set()]

    def _of_kind(self, kind: type[A]) -> list[A]:
        """Return all actors of a kind that there ever were here."""
        actors = self.runtime.actors
        if self._looked_at < len(actors):
            for actor in actors[self._looked_at :]:
                self._by_kind[type(actor)].append(actor)
            self._looked_at = len(actors)
        return self._by_kind[kind]


class _Listener:
    """Checks what a listener is told."""

    def __init__(self, watcher: Watcher, observers: Observers) -> None:
        self._watcher = watcher
        self._parent_id = observers.parent_id
        self._observers = observers

    def children_ended(self, ended: Iterable[EndedChild]) -> None:
        self._watcher.told_ended(self._parent_id, list(ended))

    def changed(self) -> None:
        latest = self._observers.latest
        if latest is not None:
            self._watcher.told_state(self._parent_id, latest[0])


class _Engine:
    """Stands for the reference to an actor of an engine, and checks what it is told."""

    def __init__(self, watcher: Watcher, process: str) -> None:
        self._watcher = watcher
        self._process = process

    def tell(self, message: ParentFinished | RunHalted) -> None:
        if isinstance(message, ParentFinished):
            self._watcher.told_finished(self._process, message)
