"""A whole orchestrator under one seed: the real actors over a real memory log, with simulated children."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future

from actors.executors.work import AttemptKey, Done, Ending, Work
from actors.messages import Claim, Request
from actors.simulated import SimulatedRuntime
from actors.system import ActorSystem
from events.commands import Cancel, ChildSpec, CloseMembership, Command, CreateChildren, CreateParent, PrepareChildren
from events.facts import ChildLimits, Fact
from events.limits import DEFAULT_LIMITS
from events.log import EventLog, MemoryRecorder
from events.state import ParentState
from events.strategy import OnDecided, Strategy


class SimulatedExecutor:
    """Children that take a random time and end at random. It keeps the executor's promises, as the real ones do."""

    def __init__(self, runtime: SimulatedRuntime, failing: float, losing: float = 0.0) -> None:
        self._runtime = runtime
        self._failing = failing
        self._losing = losing
        self._open: dict[AttemptKey, Done] = {}
        self._ended: dict[AttemptKey, Ending] = {}
        self.running_max = 0
        self.ran: list[AttemptKey] = []

    def submit(self, work: Iterable[Work], done: Done) -> None:
        for item in work:
            if item.key in self._ended:
                done(item.key, self._ended[item.key])
            elif item.key in self._open:
                self._open[item.key] = done
            else:
                self._begin(item, done)

    def _begin(self, item: Work, done: Done) -> None:
        self._open[item.key] = done
        self.ran.append(item.key)
        self.running_max = max(self.running_max, len(self._open))
        chance = self._runtime.random.random()
        ending = Ending("succeeded", "null")
        if chance < self._failing:
            ending = Ending("failed", error='{"type":"Simulated","message":"by chance"}')
        elif chance < self._failing + self._losing:
            ending = Ending(None, lost="by chance")
        self._runtime.call_later(self._runtime.random.uniform(0.001, 2.0), lambda: self._end(item.key, ending))

    def _end(self, key: AttemptKey, ending: Ending) -> None:
        done = self._open.pop(key, None)
        if done is not None:
            self._ended[key] = ending
            done(key, ending)

    def cancel(self, keys: Iterable[AttemptKey], *, reason: str) -> None:
        for key in keys:
            self._end(key, Ending("cancelled"))

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        for key in keys:
            self._ended.pop(key, None)

    def close(self, *, grace_seconds: float) -> None:
        self._open.clear()


class World:
    """One simulated machine: its log outlives crashes, everything else does not."""

    def __init__(self, seed: int, *, max_workers: int = 3, failing: float = 0.1, losing: float = 0.0) -> None:
        self.runtime = SimulatedRuntime(seed)
        self.log = EventLog(MemoryRecorder())
        self.max_workers = max_workers
        self.failing = failing
        self.losing = losing
        self._life = 0
        self.boot()

    def boot(self) -> None:
        """Start the process (again): new actors, new executor, the old log."""
        self._life += 1
        self.owner = f"life-{self._life}"
        self.executor = SimulatedExecutor(self.runtime, self.failing, self.losing)
        self.system = ActorSystem(
            self.runtime,
            self.log,
            owner=self.owner,
            owner_alive=lambda owner: owner == self.owner,
            max_workers=self.max_workers,
            executors={"simulated": self.executor},
            executor_of=lambda task: "simulated",
            limits=DEFAULT_LIMITS,
        )
        self.system.begin()

    def crash(self) -> None:
        """Lose the process at this instant, and start it again."""
        self.runtime.crash()
        self.boot()

    def claim(self, parent_id: str, create: tuple[Command, ...] = ()) -> Future[ParentState]:
        """Ask for a parent to be created, or gone on with."""
        reply: Future[ParentState] = Future()
        self.system.tell_parent(parent_id, Claim(create, attach=True, reply=reply))
        return reply

    def cancel(self, parent_id: str) -> None:
        """Ask for a parent to be cancelled."""
        self.system.tell_parent(parent_id, Request((Cancel(at=self.runtime.now(), reason="simulated"),)))

    def facts(self, parent_id: str) -> list[Fact]:
        """Return what is on record."""
        return [record.fact for record in self.log.read(parent_id)]

    def settled(self, *parent_ids: str) -> bool:
        """Whether these parents are settled, on record."""
        for parent_id in parent_ids:
            facts = self.facts(parent_id) if self.log.recorder.head(parent_id) else []
            if not facts or type(facts[-1]).__name__ != "ParentSettled":
                return False
        return True


def creation(
    children: int,
    strategy: Strategy,
    *,
    max_workers: int = 4,
    on_decided: OnDecided = "cancel",
    timeout_seconds: float | None = None,
    limits: ChildLimits | None = None,
    at: int = 0,
) -> tuple[Command, ...]:
    """Return the commands that create a parent."""
    specs = tuple(ChildSpec(child_id=f"c{i}", task="simulated", input="{}", limits=limits) for i in range(children))
    commands: list[Command] = [
        CreateParent(
            at=at,
            strategy=strategy,
            max_workers=max_workers,
            on_decided=on_decided,
            content="simulated",
            timeout_seconds=timeout_seconds,
        )
    ]
    if specs:
        commands += [PrepareChildren(at=at, children=specs), CreateChildren(at=at)]
    return (*commands, CloseMembership(at=at))
