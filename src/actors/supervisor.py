"""The supervisor: brings parents to life, and restarts every actor that dies.

A dead parent is read back from the log; a dead journal, loader or pool is made anew and all parents are told, so
that each makes sure of what it had under way. A parent that dies again and again, or whose store cannot be used,
is halted: its observers learn why, and the other parents go on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

from actors.directory import Directory, Live
from actors.executors.work import AttemptKey
from actors.messages import (
    Died,
    Drain,
    ParentGone,
    ParentHalted,
    Restarted,
    Retire,
    StopAttempts,
    ToParent,
)
from actors.parent import ParentActor
from actors.runtime import Address, Begin, OnDeath, Runtime, RuntimeActor, tell
from actors.surroundings import Surroundings
from events.errors import RunHaltedError, StoreError

RESTARTS_MAX: Final = 5
"""How often a parent is restarted before it is halted."""
RESTART_SECONDS: Final = 0.05
"""The wait before the first restart; doubled each time."""

MEMORY_SECONDS: Final = 60.0
"""How long a service's death is held against it."""


@dataclass(frozen=True)
class Service:
    """An actor that all parents share: where it is reached, and how a new one is made."""

    name: str
    address: Address
    make: Callable[[Runtime, OnDeath], RuntimeActor]


class _Revive(NamedTuple):
    """From a timer: bring a parent to life again."""

    parent_id: str


class _Replace(NamedTuple):
    """From a timer: begin a service anew."""

    service: Service


class SupervisorActor(RuntimeActor):
    """Starts, restarts and retires all other actors of one orchestrator."""

    lane: ClassVar[str] = "core"

    def __init__(
        self,
        runtime: Runtime,
        on_death: OnDeath,
        surroundings: Surroundings,
        directory: Directory,
        services: tuple[Service, ...],
    ) -> None:
        super().__init__(runtime, on_death)
        self._surroundings = surroundings
        self._directory = directory
        self._services = services
        self._draining = False
        self._deaths: defaultdict[str, list[float]] = defaultdict(list)

    def on_receive(self, message: Any) -> None:
        """Handle one message."""
        if isinstance(message, ToParent):
            self._to_parent(message)
        elif isinstance(message, ParentGone):
            self._retire(message)
        elif isinstance(message, Died):
            self._died(message.actor, message.error)
        elif isinstance(message, _Revive):
            self._revive(message.parent_id)
        elif isinstance(message, _Replace):
            self._replace(message.service)
        elif message is Drain:
            self._draining = True
            for live in self._directory.live.values():
                tell(live.ref, Drain)
        elif message is Begin:
            for service in self._services:
                if service.address.ref is None or not service.address.ref.is_alive():
                    self._start(service)

    def report_death(self, actor: RuntimeActor, error: BaseException) -> None:
        """Hear of a death, on the thread of the one who died."""
        self._surroundings.supervisor.tell(Died(actor, error))

    # Parents

    def _to_parent(self, message: ToParent) -> None:
        live = self._directory.live.get(message.parent_id)
        if live is None:
            live = self._spawn(message.parent_id)
        if live.backlog is not None:
            live.backlog.append(message.message)
        else:
            tell(live.ref, message.message)

    def _spawn(self, parent_id: str, *, working: bool = False) -> Live:
        observers = self._directory.observers(parent_id)

        def make(runtime: Runtime) -> ParentActor:
            return ParentActor(runtime, self.report_death, parent_id, self._surroundings, observers, working=working)

        live = Live(self.runtime.spawn(make), observers)
        if self._draining:
            tell(live.ref, Drain)
        self._directory.live[parent_id] = live
        return live

    def _retire(self, message: ParentGone) -> None:
        live = self._directory.live.get(message.parent_id)
        if live is not None and live.ref is message.ref:
            del self._directory.live[message.parent_id]
        tell(message.ref, Retire)

    # Deaths

    def _died(self, actor: RuntimeActor, error: BaseException) -> None:
        if isinstance(actor, ParentActor):
            live = self._directory.live.get(actor.parent_id)
            if live is not None and live.ref is actor.actor_ref:
                live.working = actor.working
                self._parent_died(actor.parent_id, live, error)
            return
        for service in self._services:
            if service.address.ref is actor.actor_ref:
                self._service_died(service, error)

    def _service_died(self, service: Service, error: BaseException) -> None:
        """Replace it at once, then after longer and longer waits; one that never lives long halts all parents."""
        now = self.runtime.monotonic()
        deaths = self._deaths[service.name] = [at for at in self._deaths[service.name] if now - at < MEMORY_SECONDS]
        deaths.append(now)
        if len(deaths) > RESTARTS_MAX:
            for parent_id, live in list(self._directory.live.items()):
                self._halt(parent_id, live, error)
        delay = RESTART_SECONDS * 2 ** min(len(deaths), 6) if len(deaths) > 1 else 0.0
        self.runtime.tell_later(delay, self.actor_ref, _Replace(service))

    def _replace(self, service: Service) -> None:
        self._start(service)
        for live in self._directory.live.values():
            tell(live.ref, Restarted(service.name))

    def _parent_died(self, parent_id: str, live: Live, error: BaseException) -> None:
        live.restarts += 1
        if isinstance(error, StoreError | RunHaltedError) or live.restarts > RESTARTS_MAX:
            self._halt(parent_id, live, error)
            return
        live.backlog = []
        delay = RESTART_SECONDS * 2 ** (live.restarts - 1)
        self.runtime.tell_later(delay, self.actor_ref, _Revive(parent_id))

    def _revive(self, parent_id: str) -> None:
        dead = self._directory.live.get(parent_id)
        if dead is None or dead.backlog is None:
            return
        live = self._spawn(parent_id, working=dead.working)
        live.restarts = dead.restarts
        for message in dead.backlog:
            tell(live.ref, message)

    def _halt(self, parent_id: str, live: Live, error: BaseException) -> None:
        del self._directory.live[parent_id]
        latest = live.observers.latest
        if latest is not None:
            keys = [AttemptKey(parent_id, child, running.attempt) for child, running in latest[0].running.items()]
            self._surroundings.pool.tell(StopAttempts(keys, "the run was halted"))
        self._surroundings.pool.tell(ParentHalted(parent_id))
        live.observers.halt(error)

    # Services

    def _start(self, service: Service) -> None:
        service.address.ref = self.runtime.spawn(lambda runtime: service.make(runtime, self.report_death))
