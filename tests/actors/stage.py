"""One real actor on a stage: what it tells others is noted, time stands still, and the test says what comes next."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

import pykka
from pykka._actor import ActorInbox
from pykka._envelope import Envelope

from actors.announcer import AnnouncerActor
from actors.buckets import ThrottleRule
from actors.directory import Tenure
from actors.executors.work import AttemptKey
from actors.hearing import Hearing, Listener
from actors.messages import (
    Allotment,
    Append,
    Appended,
    Claim,
    Echo,
    Flush,
    Heard,
    Intervene,
    Intervened,
    Load,
    Loaded,
    LoadNews,
    Request,
)
from actors.observers import Observers
from actors.parent import ParentActor
from actors.runtime import Address, Ref, Runtime, RuntimeActor, deliver, tell
from actors.surroundings import Surroundings
from actors.throttles import Throttles
from events.commands import Command
from events.decide import decide_all
from events.evolve import INITIAL
from events.facts import Fact
from events.interventions import intervene
from events.limits import Limits
from events.state import ParentState
from tests.events.scenario import AT
from tests.support.noting import NotingExecutor

T = TypeVar("T")

ME: Final = "me"
LIVING: Final = frozenset({"me", "ann"})
"""Owners on record that live."""


class _Mailbox(ActorInbox):
    """Where an actor's messages wait: in the one queue of the stage."""

    def __init__(self, actor: RuntimeActor, queue: deque[tuple[RuntimeActor, Envelope[Any]]]) -> None:
        self._actor = actor
        self._queue = queue

    def put(self, envelope: Envelope[Any], /) -> None:
        self._queue.append((self._actor, envelope))

    def get(self) -> Envelope[Any]:
        raise NotImplementedError

    def empty(self) -> bool:
        return all(actor is not self._actor for actor, _ in self._queue)


class Timer(NamedTuple):
    """What an actor is to be told later."""

    delay_seconds: float
    ref: Ref
    message: Any


class Stage(Runtime):
    """A runtime in which nothing happens by itself. Messages are delivered in the order in which they were sent."""

    def __init__(self) -> None:
        self.random = random.Random(0)
        self.at = AT
        self.seconds = 0.0
        self.timers: list[Timer] = []
        self.queue: deque[tuple[RuntimeActor, Envelope[Any]]] = deque()
        self.deaths: list[tuple[RuntimeActor, BaseException]] = []

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def new_id(self) -> str:
        raise NotImplementedError

    def inbox(self, actor: RuntimeActor) -> ActorInbox:
        return _Mailbox(actor, self.queue)

    def give_way(self) -> None:
        """Do nothing: nothing runs beside the stage."""

    def begin(self, actor: RuntimeActor) -> None:
        pass

    def tell_later(self, delay_seconds: float, ref: pykka.ActorRef[Any], message: Any) -> None:
        self.timers.append(Timer(delay_seconds, ref, message))

    def play(self) -> None:
        """Deliver everything that waits, and what comes of it."""
        while self.queue:
            deliver(*self.queue.popleft())

    def note_death(self, actor: RuntimeActor, error: BaseException) -> None:
        self.deaths.append((actor, error))

    def take_timers(self, message: Any) -> list[float]:
        """Return after how many seconds each timer with this message is due, and forget them."""
        found = [timer.delay_seconds for timer in self.timers if timer.message is message]
        self.timers = [timer for timer in self.timers if timer.message is not message]
        return found


class Probe(RuntimeActor):
    """An actor that only listens."""

    def __init__(self, runtime: Stage) -> None:
        super().__init__(runtime, runtime.note_death)
        self.heard: list[Any] = []

    def on_receive(self, message: Any) -> None:
        if isinstance(message, Echo):  # as the pool does, whose part a probe may have
            tell(message.ref, message.message)
        else:
            self.heard.append(message)

    def take(self, kind: type[T]) -> list[T]:
        """Return what was heard of one kind, and forget it."""
        found = [message for message in self.heard if isinstance(message, kind)]
        self.heard = [message for message in self.heard if not isinstance(message, kind)]
        return found


def hearing_on(stage: Stage, backlog_max: int) -> Callable[[str, Listener], Hearing]:
    """Return what makes listeners hear by a real announcer on the stage."""
    announcer = stage.spawn(lambda runtime: AnnouncerActor(runtime, stage.note_death))
    return lambda parent_id, listener: Hearing(parent_id, listener, lambda it: announcer.tell(Heard(it)), backlog_max)


@dataclass
class Scene:
    """A parent actor between probes of all services."""

    limits: Limits = field(default_factory=Limits)
    tenure: Tenure = field(default_factory=Tenure)
    unknown_tasks: frozenset[str] = frozenset()
    throttles: Sequence[ThrottleRule] = ()
    live_runs: int = 1

    def __post_init__(self) -> None:
        self.stage = Stage()
        self.journal, self.loader, self.pool, self.supervisor = (self._probe() for _ in range(4))
        self.living = set(LIVING)
        self.leftovers: list[tuple[str, list[AttemptKey]]] = []
        """What was to be ended, of which owner who is gone."""
        self.nested = NotingExecutor()
        self.around = Surroundings(
            owner=ME,
            owner_alive=self.living.__contains__,
            task_known=lambda task: task not in self.unknown_tasks,
            end_leftovers=self._note_leftovers,
            nested=self.nested,
            limits=self.limits,
            live_runs=lambda: self.live_runs,
            journal=self._address(self.journal),
            loader=self._address(self.loader),
            pool=self._address(self.pool),
            supervisor=self._address(self.supervisor),
            throttles=Throttles(self.throttles, self.stage),
        )
        self.observers = Observers("p", hearing_on(self.stage, self.limits.listener_backlog_max))
        self.ref = self.stage.spawn(
            lambda runtime: ParentActor(runtime, self.stage.note_death, "p", self.around, self.observers, self.tenure)
        )
        self.position = 0
        self.stage.play()

    def _note_leftovers(self, owner: str, keys: Sequence[AttemptKey]) -> None:
        self.leftovers.append((owner, list(keys)))

    def _probe(self) -> Probe:
        made: list[Probe] = []

        def make(runtime: Runtime) -> Probe:
            assert isinstance(runtime, Stage)
            made.append(Probe(runtime))
            return made[0]

        self.stage.spawn(make)
        self.stage.play()
        made[0].heard.clear()
        return made[0]

    @staticmethod
    def _address(probe: Probe) -> Address:
        address = Address()
        address.ref = probe.actor_ref
        return address

    def tell(self, message: Any) -> None:
        """Tell the parent and let it react."""
        self.ref.tell(message)
        self.stage.play()

    def loaded(self, *commands: Command) -> ParentState:
        """Let the loader answer with the parent that these commands make."""
        assert self.loader.take(Load) == [Load("p", self.ref, 0.0)]
        _, state = decide_all(INITIAL, commands)
        self.position = state.version
        self.tell(Loaded(state, self.position))
        return state

    def claim(self, *create: Command, attach: bool = False, **more: Any) -> Future[ParentState]:
        """Ask for the parent to be worked on here."""
        reply: Future[ParentState] = Future()
        self.tell(Claim(create, attach, reply, **more))
        return reply

    def request(self, *commands: Command) -> Future[ParentState]:
        """Ask for commands to be decided."""
        reply: Future[ParentState] = Future()
        self.tell(Request(commands, reply))
        return reply

    def allot(self, slots: int, number: int) -> None:
        """Let the pool say how many children may run."""
        self.tell(Allotment(slots, number, self.pool.actor_ref))

    def replace_pool(self) -> Ref:
        """Let another pool take the place of this one, which is returned."""
        dead = self.pool.actor_ref
        self.pool = self._probe()
        self.around.pool.ref = self.pool.actor_ref
        return dead

    def append(self) -> list[Fact]:
        """Return the facts that the parent has sent to the journal, which holds them back."""
        found = self.journal.take(Append)
        assert len(found) == 1, found
        assert (found[0].parent_id, found[0].ref) == ("p", self.ref)
        self.sent = found[0]
        return list(found[0].facts)

    def record(self) -> list[Fact]:
        """Put what the parent has sent to the journal on record, and return it."""
        interventions = self.journal.take(Intervene)
        if interventions:
            return self.intervene(*interventions)
        facts = self.append()
        self.position += len(facts)
        self.tell(Appended(self.sent.expected_version + len(facts), self.position))
        return facts

    def intervene(self, sent: Intervene) -> list[Fact]:
        """Decide as the journal does where nothing was missed."""
        facts, state, refused = intervene(sent.state, sent.groups, 0)
        self.position += len(facts)
        self.tell(Intervened(sent.number, facts, state, self.position if facts else 0, refused))
        return list(facts)

    @property
    def is_quiet(self) -> bool:
        """Whether the parent wants nothing to be put on record or read."""
        return not any(
            isinstance(message, Append | Intervene | Load | LoadNews | Flush) for message in self.everything()
        )

    def everything(self) -> Iterable[Any]:
        for probe in (self.journal, self.loader, self.pool, self.supervisor):
            yield from probe.heard
