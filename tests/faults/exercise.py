"""A stretch of an orchestrator's life in which every actor gets every message it takes, while actors are killed."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

import pykka

from actors.hearing import EndedChild
from actors.messages import Claim, LoadFailed, News
from actors.runtime import tell
from orchestrator import (
    CancelRun,
    Child,
    Orchestrator,
    Parallel,
    ParentFinished,
    PauseRun,
    RedriveRun,
    ResumeRun,
    Retry,
    RunHalted,
    RunHaltedError,
    RunNotFoundError,
    StartRun,
    StoreBusyError,
    StoreDamagedError,
    TaskRegistry,
    Throttle,
    UpdateRun,
    UsageError,
)
from orchestrator.result import Result
from orchestrator.run import Run
from orchestrator.tasks import Task, current_child
from tests.faults.deaths import DeadlyRuntime, Injected, Target
from tests.support.waiting import until

T = TypeVar("T")

MAX_WORKERS: Final = 3
CALL_SECONDS: Final = 30.0
"""Longer than any call may take that is answered at all."""
BUSY_SECONDS: Final = 3.0
"""Longer than eight lives at a time keep each other from the disk."""
_TRIES: Final = 12
REDRIVEN: Final = "mended"
"""The run whose children end twice, since it is redriven."""
_SECOND_ROW: Final = (
    "SELECT position, data FROM events WHERE version = 2 AND parent ="
    " (SELECT parent FROM parents WHERE parent_id = 'damaged')"
)
RUNTIME: Final[ContextVar[DeadlyRuntime]] = ContextVar("the runtime of the orchestrator that is made next")


class Hand(pykka.ThreadingActor):
    """An actor of somebody else's, which starts runs by message and puts what it is told into a queue."""

    def __init__(self, told: SimpleQueue[Any]) -> None:
        super().__init__()
        self.told = told

    def on_receive(self, message: Any) -> Any:
        if message == "alive?":
            return "yes"
        self.told.put(message)
        return None


class Teller:
    """Keeps what it hears is on record."""

    def __init__(self, run_id: str, told: dict[tuple[str, str], str]) -> None:
        self._run_id = run_id
        self._told = told

    def children_ended(self, ended: Sequence[EndedChild]) -> None:
        for child in ended:
            before = self._told.get((self._run_id, child.child_id), child.outcome)
            assert before == child.outcome or self._run_id == REDRIVEN
            self._told[self._run_id, child.child_id] = child.outcome

    def changed(self) -> None:
        """Only children are told of."""


class Exercise:
    """One store and one orchestrator after the other over it. `refused` counts clear refusals."""

    def __init__(self, folder: Path, injected: Injected) -> None:
        self.store = folder / "runs.db"
        self.injected = injected
        self.told: dict[tuple[str, str], str] = {}
        self.refused = 0
        self.gate = threading.Event()
        self.tasks = self._make_tasks()
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._hand = Hand.start(self._answers)

    def _make_tasks(self) -> TaskRegistry:
        failed: set[str] = set()

        def nap(seconds: float = 0.0) -> None:
            time.sleep(seconds)

        def stumble() -> None:
            child = current_child()
            if child.key not in failed:
                failed.add(child.key)
                raise RuntimeError("the first attempt fails")

        def wait() -> str:
            child = current_child()
            while not self.gate.wait(0.005):
                if child.cancelled.is_set():
                    raise RuntimeError("stopped as asked")
            return "through"

        registry = TaskRegistry()
        for function in (nap, stumble, wait):
            registry.add(Task(function, function.__name__))
        return registry

    def open(self, *, deadly: bool) -> Orchestrator:
        """Return a new orchestrator over the store, on the deadly runtime if so."""
        RUNTIME.set(DeadlyRuntime(self.injected if deadly else Injected([])))
        return Orchestrator(
            self.store,
            max_workers=MAX_WORKERS,
            tasks=self.tasks,
            busy_timeout_seconds=BUSY_SECONDS,
            shutdown_seconds=1.0,
            throttles=[Throttle(key="one at a time", max_running=1)],
        )

    # A life

    def live(self) -> None:
        """Go through everything there is while actors die; then again, in peace, to the end of every run."""
        try:
            with self.open(deadly=True) as orchestrator:
                self._crowd(orchestrator)
                self._by_message(orchestrator)
                self._behind_a_death(orchestrator)
                self._from_elsewhere(orchestrator)
                self._controlled(orchestrator)
                self._redriven(orchestrator)
                self._with_clocks_and_keys(orchestrator)
                self._locked_store(orchestrator)
                self._damaged_record(orchestrator)
                self.start(orchestrator, "left", [Child(task="wait"), *self.naps(4, 0.0)], max_workers=1)
            self.injected.over = True
            self.gate.set()
            with self.open(deadly=True) as orchestrator:
                orchestrator.resume_all()
                for run_id, status in self.expected().items():
                    found = orchestrator.get(run_id).settle(timeout=CALL_SECONDS).status
                    assert found == status, f"run {run_id!r} is {found}, not {status}"
            assert self._hand.ask("alive?", timeout=5) == "yes", "somebody else's actor was stopped"
        finally:
            self._hand.stop(timeout=5)

    @staticmethod
    def expected() -> dict[str, str]:
        """Return how each run ends."""
        good = ("stumbling", "crowd", "other", "entered", "locked", "left", "held", "keyed", REDRIVEN)
        return dict.fromkeys(good, "succeeded") | {
            "late": "timed_out",
            "stopped": "cancelled",
            "churn": "cancelled",
            "asked": "cancelled",
            "theirs": "cancelled",
            "afar": "cancelled",
            "hurried": "failed",
        }

    def _crowd(self, orchestrator: Orchestrator) -> None:
        """More children than slots, over several runs: the pool has to take slots away. Retries, and a deadline."""
        runs = [
            self.start(orchestrator, "crowd", self.naps(9, 0.06)),
            self.start(orchestrator, "other", self.naps(4, 0.02)),
            self.start(orchestrator, "stumbling", [Child(task="stumble") for _ in range(4)], retry=0.05),
            self.start(orchestrator, "late", [Child(task="wait")], timeout=0.5),
        ]
        for run in runs:
            self.settle(orchestrator, run.id)

    def _by_message(self, orchestrator: Orchestrator) -> None:
        entered = Parallel(children=self.naps(3, 0.0))
        stopped = Parallel(children=[Child(task="wait")])
        self._tell(orchestrator, StartRun(entered, "entered", self._hand), "entered")
        self._ask(orchestrator, lambda: orchestrator.start(stopped, id="stopped", reply_to=self._hand))
        self._tell(orchestrator, CancelRun("stopped"), "stopped")

    def _tell(self, orchestrator: Orchestrator, message: StartRun | CancelRun, run_id: str) -> None:
        """Tell the entrance, until the run is on record as decided: a message is lost with the actor that took it."""
        for _ in range(_TRIES):
            orchestrator.ref.tell(message)
            answer = self._answer(run_id)
            if isinstance(answer, ParentFinished):
                return
            self.refused += answer is not None
            if isinstance(answer, RunHalted):
                self._ask(orchestrator, lambda: orchestrator.resume(run_id, reply_to=self._hand))
        raise AssertionError(f"nothing came of {message}")

    def _answer(self, run_id: str) -> Any:
        """Return what the hand is told of a run; None where CancelRun, which is not answered, came to nothing."""
        deadline = time.monotonic() + (CALL_SECONDS if run_id == "entered" else 3.0)
        while (left := deadline - time.monotonic()) > 0:
            try:
                answer = self._answers.get(timeout=left)
            except Empty:
                break
            if getattr(answer, "parent_id", getattr(answer, "id", None)) == run_id:
                return answer
        assert run_id == "stopped", "nobody was told what became of a StartRun"
        return None

    def _behind_a_death(self, orchestrator: Orchestrator) -> None:
        """Ask something of an actor that has a message before it to die of; whoever asked is answered."""
        run = self.start(orchestrator, "asked", [Child(task="wait")])
        for _ in range(_TRIES):
            if self.injected.delivered[Target("SupervisorActor", "Returned")]:
                break
            self._ask(orchestrator, lambda: orchestrator.resume(run.id, timeout=CALL_SECONDS))
            live = orchestrator._engine._system.directory.live.get(run.id)
            reply: Future[Any] = Future()
            deadly = LoadFailed(RuntimeError("injected"))
            if live is not None and tell(live.ref, deadly) and tell(live.ref, Claim((), attach=True, reply=reply)):
                with suppress(RunHaltedError):
                    reply.result(CALL_SECONDS)
        self._ask(orchestrator, lambda: run.cancel("enough", timeout=CALL_SECONDS))
        self.settle(orchestrator, run.id)

    def _from_elsewhere(self, orchestrator: Orchestrator) -> None:
        """Somebody else cancels a run under our hands: news, and conflicts."""
        run = self.start(orchestrator, "churn", self.naps(1_000, 0.02))
        orchestrator._engine._system.tell_parent(run.id, News)  # the real one may come when the run is over already
        with self.open(deadly=False) as other:
            other.get(run.id).cancel("from elsewhere", timeout=CALL_SECONDS)
        self.settle(orchestrator, run.id)
        self._ask(orchestrator, lambda: orchestrator.resume("nobody", timeout=CALL_SECONDS))
        self._ask(orchestrator, lambda: orchestrator.create_state(Parallel(), id="by hand"))

    def _controlled(self, orchestrator: Orchestrator) -> None:
        """Pauses and changes: by message, of a run that is followed here, and of one that is not live here."""
        run = self.start(orchestrator, "held", self.naps(20, 0.01), max_workers=1)
        asked = (PauseRun(run.id), UpdateRun(run.id, max_workers=2), ResumeRun(run.id))
        for _ in range(_TRIES):
            for message in asked:
                orchestrator.ref.tell(message)
            if self._taken(*(type(message).__name__ for message in asked)):
                break
        self._insist(orchestrator, lambda: run.resume(timeout=CALL_SECONDS))
        self.settle(orchestrator, run.id)
        followed, afar = (Parallel(children=self.naps(2_000, 0.02)) for _ in range(2))
        with self.open(deadly=False) as other:
            other.start(followed, id="theirs")
            other.start(afar, id="afar")
            mine = self._ask(orchestrator, lambda: orchestrator.start(followed, id="theirs", timeout=CALL_SECONDS))
            assert mine is not None
            self._insist(orchestrator, lambda: mine.update(weight=2, timeout=CALL_SECONDS))
            self._insist(orchestrator, lambda: mine.cancel("enough", timeout=CALL_SECONDS))
            self._insist(orchestrator, lambda: orchestrator.get("afar").cancel("enough", timeout=CALL_SECONDS))
            for run_id in ("theirs", "afar"):
                self.settle(other, run_id)

    def _taken(self, *names: str) -> bool:
        """Wait a little until the entrance has been given messages of all these names; say whether it was."""
        delivered = self.injected.delivered
        with suppress(AssertionError):  # a message is lost with the actor that took it: it is told again
            until(lambda: all(delivered[Target("EntranceActor", name)] for name in names), timeout_seconds=0.5)
            return True
        return False

    def _redriven(self, orchestrator: Orchestrator) -> None:
        """Have what failed run again, by message; where that is lost, by a call."""
        run = self.start(orchestrator, REDRIVEN, [Child(task="stumble")])
        self.settle(orchestrator, run.id)
        for _ in range(_TRIES):
            orchestrator.ref.tell(RedriveRun(run.id, self._hand))
            if self._taken("RedriveRun"):
                break
        with suppress(UsageError):  # it has been redriven already
            self._insist(orchestrator, lambda: run.redrive(timeout=CALL_SECONDS))
        self.settle(orchestrator, run.id)

    def _with_clocks_and_keys(self, orchestrator: Orchestrator) -> None:
        """Have a child that waits too long for a worker, and children that wait for one another's key."""
        hasty = Child(id="hasty", task="nap", queue_timeout=0.05)
        self.start(orchestrator, "hurried", [Child(task="wait"), hasty], max_workers=1)
        keyed = [Child(task="nap", input={"seconds": 0.01}, keys=("one at a time",)) for _ in range(3)]
        self.start(orchestrator, "keyed", keyed)
        for run_id in ("hurried", "keyed"):
            self.settle(orchestrator, run_id)

    def _insist(self, orchestrator: Orchestrator, call: Callable[[], object]) -> None:
        """Ask until it is done: an actor that fails over a request says so."""
        for _ in range(_TRIES):
            try:
                self._ask(orchestrator, call)
            except StoreBusyError:
                self.refused += 1
            else:
                return
        raise AssertionError("it was refused again and again")

    def _locked_store(self, orchestrator: Orchestrator) -> None:
        """An append that the store does not take halts the run, and whoever waits is told."""
        self.gate.clear()
        run = self.start(orchestrator, "locked", [Child(task="wait"), *self.naps(2, 0.0)])
        with self._lock():
            self.gate.set()
            try:
                run.settle(timeout=CALL_SECONDS)
            except (StoreBusyError, RunHaltedError):
                self.refused += 1
        self.settle(orchestrator, run.id)
        self.gate.clear()

    def _damaged_record(self, orchestrator: Orchestrator) -> None:
        """A record that cannot be read is its own run's trouble."""
        self.start(orchestrator, "damaged", self.naps(1, 0.0))
        self.settle(orchestrator, "damaged")
        with closing(sqlite3.connect(self.store, timeout=10)) as store, store:
            row = store.execute(_SECOND_ROW).fetchone()
            change = "UPDATE events SET data = ? WHERE position = ?"
            store.execute(change, (row[1].replace(b"nap", b"pan"), row[0]))
            store.commit()
            try:
                self._ask(orchestrator, lambda: orchestrator.resume("damaged", timeout=CALL_SECONDS))
            except StoreDamagedError:
                self.refused += 1
            store.execute(change, (row[1], row[0]))

    # Small things

    def naps(self, number: int, seconds: float) -> list[Child]:
        """Return children that sleep."""
        return [Child(task="nap", input={"seconds": seconds}) for _ in range(number)]

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with closing(sqlite3.connect(self.store, isolation_level=None, timeout=10)) as store:
            store.execute("BEGIN IMMEDIATE")
            yield
            store.execute("ROLLBACK")

    def start(
        self,
        orchestrator: Orchestrator,
        run_id: str,
        children: Sequence[Child],
        *,
        max_workers: int = 9,
        retry: float | None = None,
        timeout: float | None = None,
    ) -> Run:
        """Start a run, again and again while it is refused, and listen to it."""
        again = None if retry is None else Retry(max_attempts=3, initial_seconds=retry)
        parallel = Parallel(children=children, max_workers=max_workers, retry=again, timeout=timeout)
        run = self._ask(orchestrator, lambda: orchestrator.start(parallel, id=run_id, timeout=CALL_SECONDS))
        assert run is not None
        run.listen(Teller(run_id, self.told))
        return run

    def _ask(self, orchestrator: Orchestrator, call: Callable[[], T]) -> T | None:
        """Call, until it is not refused; each time an answer must come. None for a run that is not there."""
        for _ in range(_TRIES):
            began = time.monotonic()
            try:
                return call()
            except RunNotFoundError:
                return None
            except RunHaltedError:
                self.refused += 1
            finally:
                assert time.monotonic() - began < CALL_SECONDS
        raise AssertionError("it was refused again and again")

    def settle(self, orchestrator: Orchestrator, run_id: str) -> Result:
        """Wait until a run is over; one that was halted is gone on with."""
        for _ in range(_TRIES):
            try:
                return orchestrator.get(run_id).settle(timeout=CALL_SECONDS)
            except (RunHaltedError, StoreBusyError):
                self.refused += 1
                self._ask(orchestrator, lambda: orchestrator.resume(run_id, timeout=CALL_SECONDS))
        raise AssertionError(f"run {run_id!r} was halted again and again")
