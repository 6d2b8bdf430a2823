"""The supervisor: brings parents to life, and restarts every actor that dies.

A dead parent is read back from the log; a dead journal, loader or pool is made anew and all parents are told, so
that each makes sure of what it had under way. A parent that dies again and again, or whose store cannot be used,
is halted: its observers learn why, and the other parents go on. Once a second it looks by itself whether anybody
died unnoticed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

from actors.answers import Asked, refuse
from actors.claiming import is_fresh
from actors.directory import Burial, Directory, Live, Tenure
from actors.executors.work import AttemptKey
from actors.messages import (
    AttemptsEnded,
    Died,
    Drain,
    Halt,
    MayGo,
    News,
    ParentLeft,
    Release,
    Restarted,
    Retire,
    Retired,
    Returned,
    StopAttempts,
    Tick,
    ToParent,
    Whereabouts,
)
from actors.parent import ParentActor
from actors.runtime import Address, Begin, OnDeath, Ref, Runtime, RuntimeActor, tell
from actors.surroundings import Surroundings
from events.errors import LimitExceededError, RunHaltedError, StoreDamagedError, StoreError, StoreVersionError

RESTARTS_MAX: Final = 5
"""How often a parent is restarted before it is halted."""
RESTART_SECONDS: Final = 0.05
"""The wait before the first restart; doubled each time."""

BURIAL_SECONDS_MAX: Final = 30.0
"""The longest wait before it is tried again to put on record what a halt interrupted."""
BURIALS_MAX: Final = 3
"""How often that is tried where the record may be beyond repair."""
LOOK_SECONDS: Final = 1.0
"""How often the supervisor looks whether it missed anything."""
MEMORY_SECONDS: Final = 60.0
"""How long a service's death is held against it."""


_UNNOTICED: Final = RuntimeError("the actor died and nobody was told")


@dataclass(frozen=True)
class Service:
    """An actor that all parents share: where it is reached, and how a new one is made."""

    name: str
    address: Address
    make: Callable[[Runtime, OnDeath], RuntimeActor]
    vital: bool = True
    """Whether parents need it to go on."""


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
        self._due: set[str | Ref] = set()
        """Parents and services whose new lives are on their way."""
        self._handlers = self._make_handlers()

    def _make_handlers(self) -> dict[Any, Callable[[Any], None]]:
        return {
            Begin: self._on_begin,
            ToParent: self._to_parent,
            MayGo: self._retire,
            Retired: self._retired,
            Returned: self._returned,
            Whereabouts: self._answer_whereabouts,
            Died: self._died,
            _Revive: self._revive,
            _Replace: self._replace,
            Drain: self._drain,
            Tick: self._look,
        }

    def on_receive(self, message: Any) -> None:
        """Handle one message."""
        self._handlers[message if isinstance(message, type) else type(message)](message)

    def _on_begin(self, _: object) -> None:
        for service in self._services:
            if service.address.ref is None:
                self._start(service)
        self._look()

    def _drain(self, _: object) -> None:
        self._directory.draining = True
        for live in self._directory.live.values():
            tell(live.ref, Drain)

    def report_death(self, actor: RuntimeActor, error: BaseException) -> None:
        """Hear of a death, on the thread of the one who died."""
        if isinstance(actor, ParentActor):
            self._directory.note_death(actor.parent_id, actor.actor_ref, error)
        self._surroundings.supervisor.tell(Died(actor, error))

    def die(self, error: BaseException) -> None:
        """Stop for good, but not before another one has taken our place: nothing is told to nobody, from any thread."""
        self._on_death(self, error)
        self.actor_stopped.set()
        self.runtime.report(self, error)

    def reject(self, message: Any) -> None:
        """Pass on to the next supervisor what came too late. What this one dies of is refused."""
        if self.actor_stopped.is_set():
            self._surroundings.supervisor.tell(message)
            return
        error = RunHaltedError("the supervisor died of it; try again")
        if isinstance(message, Returned):
            refuse((message.asked,), message.parent_id, error)
        elif isinstance(message, ToParent) and isinstance(message.message, Asked):
            refuse((message.message,), message.parent_id, error)

    # Parents

    def _to_parent(self, message: ToParent) -> None:
        live = self._directory.live.get(message.parent_id)
        if live is None and isinstance(message.message, AttemptsEnded) and not self._takes_late_endings(message):
            return
        if message.message is not News:
            self._directory.halted.pop(message.parent_id, None)  # whoever comes sees to what was interrupted
        if live is None:
            if message.message is News:
                return  # of a parent that was halted, or is over: nobody is brought to life for it
            if len(self._directory.live) >= self._surroundings.limits.live_runs_max:
                self._refuse_one_more(message)
                return
            live = self._spawn(message.parent_id, Tenure(fresh=is_fresh(message.message)))
        live.burying = live.burying and message.message is News
        if live.backlog is None and not tell(live.ref, message.message):
            live.backlog = []  # it has just died, and the news of that is on its way
        if live.backlog is not None:
            live.backlog.append(message.message)

    def _takes_late_endings(self, message: ToParent) -> bool:
        """Whether a parent that has gone is brought to life for them: not if it was halted, nor while we close."""
        return message.parent_id not in self._directory.halted and not self._directory.draining

    def _returned(self, message: Returned) -> None:
        """Keep what a dead parent did not come to for its next life; refuse it where the parent was halted since."""
        if message.parent_id in self._directory.live:
            self._to_parent(ToParent(message.parent_id, message.asked))
        else:
            refuse((message.asked,), message.parent_id, message.error)

    def _refuse_one_more(self, message: ToParent) -> None:
        if isinstance(message.message, Asked):
            most = self._surroundings.limits.live_runs_max
            error = LimitExceededError(f"{most:,} runs are live here, which is the limit live_runs_max")
            refuse((message.message,), message.parent_id, error)

    def _spawn(self, parent_id: str, tenure: Tenure) -> Live:
        observers = self._directory.observers(parent_id)

        def make(runtime: Runtime) -> ParentActor:
            return ParentActor(runtime, self.report_death, parent_id, self._surroundings, observers, tenure)

        live = Live(self.runtime.spawn(make), observers, tenure=tenure)
        if self._directory.draining:
            tell(live.ref, Drain)
        self._directory.live[parent_id] = live
        return live

    def _retire(self, message: MayGo) -> None:
        """Ask a parent to go. What comes for it meanwhile waits for its answer, so that nothing falls between."""
        live = self._directory.live.get(message.parent_id)
        if live is not None and live.ref is message.ref and live.backlog is None:
            live.retiring, live.backlog = True, []
            tell(message.ref, Retire)

    def _retired(self, message: Retired) -> None:
        live = self._directory.live.get(message.parent_id)
        if live is None or live.ref is not message.ref or not live.retiring:
            return
        backlog, live.retiring, live.backlog = live.backlog or [], False, None
        if message.gone:
            del self._directory.live[message.parent_id]
            self._directory.halted.pop(message.parent_id, None)
            self._note_left(message.parent_id, message.ref)
        for waiting in backlog:
            self._to_parent(ToParent(message.parent_id, waiting))

    def _note_left(self, parent_id: str, ref: Ref) -> None:
        """Give back what a parent had whose place nobody takes."""
        self._surroundings.pool.tell(ParentLeft(parent_id, ref))
        if self._surroundings.throttles is not None:
            self._surroundings.throttles.leave(parent_id)

    def _answer_whereabouts(self, message: Whereabouts) -> None:
        if message.parent_id not in self._directory.live and message.parent_id not in self._directory.halted:
            self._surroundings.pool.tell(ParentLeft(message.parent_id, message.ref))

    # Deaths

    def _look(self, _: object = None) -> None:
        """See to deaths that nobody told us of: the one who was told may be dead, too."""
        self.runtime.tell_later(LOOK_SECONDS, self.actor_ref, Tick)
        for service in self._services:
            ref = service.address.ref
            if ref is not None and not ref.is_alive():
                self._service_died(service, RunHaltedError(f"the {service.name} died, and nobody was told of what"))
        for parent_id, live in list(self._directory.live.items()):
            if live.ref.is_alive():
                if live.retiring:
                    tell(live.ref, Retire)
            elif live.retiring:
                self._retired(Retired(parent_id, live.ref, gone=True))
            else:
                self._parent_died(parent_id, live)
        for ref, error in list(self._directory.leftover.items()):
            if not tell(ref, Halt(error)):
                del self._directory.leftover[ref]
        for parent_id, burial in list(self._directory.halted.items()):
            if parent_id not in self._directory.live and self.runtime.monotonic() >= burial.due_at:
                self._bury(parent_id, burial)

    def _died(self, message: Died) -> None:
        actor, error = message
        if isinstance(actor, ParentActor):
            live = self._directory.live.get(actor.parent_id)
            if live is not None and live.ref is actor.actor_ref:
                self._parent_died(actor.parent_id, live)
            return
        for service in self._services:
            if service.address.ref is actor.actor_ref:
                self._service_died(service, error)

    def _service_died(self, service: Service, error: BaseException) -> None:
        """Replace it at once, then after longer and longer waits; one that never lives long halts all parents."""
        if service.name in self._due:
            return
        self._due.add(service.name)
        now = self.runtime.monotonic()
        deaths = self._deaths[service.name] = [at for at in self._deaths[service.name] if now - at < MEMORY_SECONDS]
        deaths.append(now)
        if len(deaths) > RESTARTS_MAX and service.vital:
            self.halt_all(error)
        delay = RESTART_SECONDS * 2 ** min(len(deaths), 6) if len(deaths) > 1 else 0.0
        self.runtime.tell_later(delay, self.actor_ref, _Replace(service))

    def _replace(self, message: _Replace) -> None:
        service = message.service
        self._due.discard(service.name)
        if service.address.ref is not None and service.address.ref.is_alive():
            return  # a supervisor before us has seen to it
        self._start(service)
        for live in self._directory.live.values() if service.vital else ():
            tell(live.ref, Restarted(service.name))

    def _parent_died(self, parent_id: str, live: Live) -> None:
        if live.ref in self._due:
            return
        error = live.error or _UNNOTICED
        live.restarts += 1
        if isinstance(error, StoreError | RunHaltedError) or live.restarts > RESTARTS_MAX:
            self._halt(parent_id, live, error)
            return
        self._due.add(live.ref)
        live.retiring, live.backlog = False, live.backlog or []
        delay = RESTART_SECONDS * 2 ** (live.restarts - 1)
        self.runtime.tell_later(delay, self.actor_ref, _Revive(parent_id))

    def _revive(self, message: _Revive) -> None:
        parent_id = message.parent_id
        dead = self._directory.live.get(parent_id)
        if dead is None or dead.ref.is_alive():
            return
        self._due.discard(dead.ref)
        live = self._spawn(parent_id, dead.tenure)
        live.restarts = dead.restarts
        for message in dead.backlog or ():
            tell(live.ref, message)

    def halt_all(self, error: BaseException) -> None:
        """Halt every parent: something that all of them need does not work."""
        for parent_id, live in list(self._directory.live.items()):
            self._halt(parent_id, live, error)

    def _halt(self, parent_id: str, live: Live, error: BaseException) -> None:
        del self._directory.live[parent_id]
        self._due.discard(live.ref)
        latest = live.observers.latest
        if latest is not None:
            keys = [AttemptKey(parent_id, child, running.attempt) for child, running in latest[0].running.items()]
            self._surroundings.pool.tell(StopAttempts(keys, "the run was halted"))
        self._prepare_burial(parent_id, live, error)
        live.tenure.over = True
        if tell(live.ref, Halt(error)):
            self._directory.leftover[live.ref] = error
        refuse((waiting for waiting in live.backlog or () if isinstance(waiting, Asked)), parent_id, error)
        live.observers.halt(error)

    # Halted parents: their attempts were told to stop, and are lost; until that is on record their slots stay taken

    def _prepare_burial(self, parent_id: str, live: Live, error: BaseException) -> None:
        hopeless = not isinstance(error, StoreError) or isinstance(error, StoreDamagedError | StoreVersionError)
        tries = self._directory.halted[parent_id].tries if parent_id in self._directory.halted else 0
        wait = min(BURIAL_SECONDS_MAX, 2.0**tries)
        self._directory.halted[parent_id] = Burial(live.ref, self.runtime.monotonic() + wait, hopeless, tries)

    def _bury(self, parent_id: str, burial: Burial) -> None:
        """Give a halted parent up on record, so that anybody may go on with it."""
        burial.tries += 1
        if burial.hopeless and burial.tries > BURIALS_MAX:
            del self._directory.halted[parent_id]
            self._note_left(parent_id, burial.ref)
            return
        live = self._spawn(parent_id, Tenure())
        live.burying = True
        tell(live.ref, Release("the run was halted", Future()))

    # Services

    def _start(self, service: Service) -> None:
        service.address.ref = self.runtime.spawn(lambda runtime: service.make(runtime, self.report_death))
