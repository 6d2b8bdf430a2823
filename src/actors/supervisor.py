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

from actors.answers import refuse
from actors.directory import Directory, Live
from actors.executors.work import AttemptKey
from actors.messages import (
    Claim,
    Died,
    Drain,
    Halt,
    News,
    ParentGone,
    ParentHalted,
    Release,
    Request,
    Restarted,
    Retire,
    StopAttempts,
    ToParent,
)
from actors.parent import ParentActor
from actors.runtime import Address, Begin, OnDeath, Runtime, RuntimeActor, tell
from actors.surroundings import Surroundings
from events.errors import LimitExceededError, RunHaltedError, StoreError

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
            for live in self._directory.live.values():
                tell(live.ref, Drain)
        elif message is Begin:
            self._begin()

    def report_death(self, actor: RuntimeActor, error: BaseException) -> None:
        """Hear of a death, on the thread of the one who died."""
        if isinstance(actor, ParentActor):
            self._directory.note_death(actor.parent_id, actor.actor_ref, error, working=actor.working)
        self._surroundings.supervisor.tell(Died(actor, error))

    def reject(self, message: Any) -> None:
        """Pass on to the next supervisor what came too late. What this one dies of is refused."""
        if self.actor_stopped.is_set():
            self._surroundings.supervisor.tell(message)
        elif isinstance(message, ToParent) and isinstance(message.message, Request | Claim | Release):
            error = RunHaltedError("the supervisor died of it; try again")
            refuse((message.message,), message.parent_id, error)

    def _begin(self) -> None:
        """See to everything that an earlier supervisor may have left undone. Its timers died with it."""
        for service in self._services:
            if service.address.ref is None or not service.address.ref.is_alive():
                self._replace(service)
        for parent_id, live in list(self._directory.live.items()):
            if live.backlog is not None:
                self.runtime.tell_later(RESTART_SECONDS, self.actor_ref, _Revive(parent_id))
            elif live.error is not None:
                self._parent_died(parent_id, live)

    # Parents

    def _to_parent(self, message: ToParent) -> None:
        parent_id = message.parent_id
        live = self._directory.live.get(parent_id)
        if live is not None and live.error is not None:  # it has just died, and the news is still on its way
            self._parent_died(parent_id, live)
            live = self._directory.live.get(parent_id)
        if live is not None and live.backlog is not None:
            live.backlog.append(message.message)
        elif live is None and message.message is News:
            return  # of a parent that was halted, or is over: nobody is to be brought to life for it
        elif live is None and len(self._directory.live) >= self._surroundings.limits.live_runs_max:
            self._refuse_one_more(message)
        elif live is None or not tell(live.ref, message.message):
            tell(self._spawn(parent_id).ref, message.message)

    def _refuse_one_more(self, message: ToParent) -> None:
        if isinstance(message.message, Request | Claim | Release):
            most = self._surroundings.limits.live_runs_max
            error = LimitExceededError(f"{most:,} runs are live here, which is the limit live_runs_max")
            refuse((message.message,), message.parent_id, error)

    def _spawn(self, parent_id: str, *, working: bool = False) -> Live:
        observers = self._directory.observers(parent_id)

        def make(runtime: Runtime) -> ParentActor:
            return ParentActor(runtime, self.report_death, parent_id, self._surroundings, observers, working=working)

        live = Live(self.runtime.spawn(make), observers)
        if self._directory.draining:
            tell(live.ref, Drain)
        self._directory.live[parent_id] = live
        return live

    def _retire(self, message: ParentGone) -> None:
        """Let a parent go that has nothing to do. It stays in the directory until it has gone."""
        if tell(message.ref, Retire):
            return
        live = self._directory.live.get(message.parent_id)
        if live is not None and live.ref is message.ref and live.error is None and live.backlog is None:
            del self._directory.live[message.parent_id]
            self._surroundings.pool.tell(ParentHalted(message.parent_id))

    # Deaths

    def _died(self, actor: RuntimeActor, error: BaseException) -> None:
        if isinstance(actor, ParentActor):
            live = self._directory.live.get(actor.parent_id)
            if live is not None and live.ref is actor.actor_ref and live.error is not None:
                self._parent_died(actor.parent_id, live)
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
            self.halt_all(error)
        delay = RESTART_SECONDS * 2 ** min(len(deaths), 6) if len(deaths) > 1 else 0.0
        self.runtime.tell_later(delay, self.actor_ref, _Replace(service))

    def _replace(self, service: Service) -> None:
        if service.address.ref is not None and service.address.ref.is_alive():
            return  # another supervisor was faster
        service.address.ref = self.runtime.spawn(lambda runtime: service.make(runtime, self.report_death))
        for live in self._directory.live.values():
            tell(live.ref, Restarted(service.name))

    def _parent_died(self, parent_id: str, live: Live) -> None:
        error, live.error = live.error, None
        live.restarts += 1
        if isinstance(error, StoreError | RunHaltedError) or live.restarts > RESTARTS_MAX:
            self._halt(parent_id, live, error or RunHaltedError("its actor died"))
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

    def halt_all(self, error: BaseException) -> None:
        """Halt every parent: something that all of them need does not work."""
        for parent_id, live in list(self._directory.live.items()):
            self._halt(parent_id, live, error)

    def _halt(self, parent_id: str, live: Live, error: BaseException) -> None:
        del self._directory.live[parent_id]
        latest = live.observers.latest
        if latest is not None:
            keys = [AttemptKey(parent_id, child, running.attempt) for child, running in latest[0].running.items()]
            self._surroundings.pool.tell(StopAttempts(keys, "the run was halted"))
        self._surroundings.pool.tell(ParentHalted(parent_id))
        tell(live.ref, Halt(error))
        asked = [each for each in live.backlog or () if isinstance(each, Request | Claim | Release)]
        refuse(asked, parent_id, error)
        live.observers.halt(error)
