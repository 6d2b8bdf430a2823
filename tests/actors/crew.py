"""A supervisor on a stage, its services and its parents."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from actors.directory import Directory, Live
from actors.messages import (
    Append,
    Appended,
    Claim,
    LoadFailed,
    Tick,
    ToParent,
)
from actors.runtime import Address, OnDeath, Ref, Runtime, RuntimeActor, deliver
from actors.supervisor import Service, SupervisorActor
from actors.surroundings import Surroundings
from events.errors import StoreUnavailableError
from events.limits import DEFAULT_LIMITS, Limits
from tests.actors.stage import Probe, Stage, hearing_on
from tests.events.scenario import close, create, prepare, release
from tests.support.noting import NotingExecutor

MAKING = (create(), prepare("a", "b"), release(), close())
MISTAKE = RuntimeError("a mistake")
GONE = StoreUnavailableError("the disk is gone")


class Dying(Probe):
    """A service that listens, and dies when it is told to."""

    def __init__(self, stage: Stage, on_death: OnDeath) -> None:
        super().__init__(stage)
        self._on_death = on_death

    def on_receive(self, message: Any) -> None:
        if isinstance(message, BaseException):
            raise message
        super().on_receive(message)


class Crew:
    """A supervisor on a stage, with services that only listen."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.stage = Stage()
        self.position = 10
        self.directory = Directory(hearing_on(self.stage, DEFAULT_LIMITS.listener_backlog_max))
        self.made: dict[str, list[Dying]] = {"journal": [], "loader": [], "pool": []}
        self.addresses = {name: Address() for name in (*self.made, "supervisor")}
        self.around = Surroundings(
            owner="me",
            owner_alive=lambda owner: owner == "me",
            task_known=lambda task: True,
            end_leftovers=lambda _, __: None,
            nested=NotingExecutor(),
            limits=limits,
            live_runs=lambda: len(self.directory.live),
            journal=self.addresses["journal"],
            loader=self.addresses["loader"],
            pool=self.addresses["pool"],
            supervisor=self.addresses["supervisor"],
        )
        services = self.services = tuple(Service(name, self.addresses[name], self._maker(name)) for name in self.made)
        self.supervisor = self.stage.spawn(
            lambda rt: SupervisorActor(rt, self.stage.note_death, self.around, self.directory, services)
        )
        self.addresses["supervisor"].ref = self.supervisor
        self.stage.play()

    def _maker(self, name: str) -> Any:
        def make(_: Runtime, on_death: OnDeath) -> RuntimeActor:
            self.made[name].append(Dying(self.stage, on_death))
            return self.made[name][-1]

        return make

    def service(self, name: str) -> Dying:
        return self.made[name][-1]

    def tell(self, *messages: Any) -> None:
        for message in messages:
            self.supervisor.tell(message)
        self.stage.play()

    def claim(self, parent_id: str = "p") -> Future[Any]:
        reply: Future[Any] = Future()
        self.tell(ToParent(parent_id, Claim(MAKING, attach=True, reply=reply)))
        return reply

    def live(self, parent_id: str = "p") -> Live:
        return self.directory.live[parent_id]

    def kill(self, error: BaseException = MISTAKE, parent_id: str = "p") -> Ref:
        """Let a parent's actor die of something."""
        ref = self.live(parent_id).ref
        ref.tell(LoadFailed(error))  # type: ignore[arg-type]
        self.stage.play()
        return ref

    def record(self) -> None:
        """Let the journal put on record whatever it was sent."""
        for sent in self.service("journal").take(Append):
            self.position += len(sent.facts)
            sent.ref.tell(Appended(sent.expected_version + len(sent.facts), self.position))
        self.stage.play()

    def look(self, seconds: float) -> None:
        """Let the supervisor look round at a time."""
        self.stage.seconds = seconds
        self.tell(Tick)

    def lose(self, kind: type[Any]) -> None:
        """Deliver everything up to the first message of a kind, which gets lost."""
        while not isinstance(message := self.stage.queue[0][1].message, kind) and message is not kind:
            deliver(*self.stage.queue.popleft())
        self.stage.queue.popleft()

    def ring(self) -> list[float]:
        """Let every timer of the supervisor ring, and return how long each was."""
        mine = [timer for timer in self.stage.timers if timer.ref is self.supervisor and timer.message is not Tick]
        self.stage.timers.clear()
        for timer in mine:
            self.supervisor.tell(timer.message)
        self.stage.play()
        return [timer.delay_seconds for timer in mine]
