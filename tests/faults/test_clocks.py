"""Clocks that jump, by minutes and years, and stand still: live runs go by the monotonic clock, times never go back."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from actors.messages import Tick
from actors.threaded import ThreadedRuntime
from orchestrator import Child, Orchestrator, Parallel, Retry, TaskRegistry, current_child, engine
from orchestrator.cli import progress
from orchestrator.cli.terminal import null_device
from orchestrator.tasks import Task
from tests.faults.table import Tally
from tests.faults.verdict import judge_file
from tests.support.waiting import until

MINUTE: Final = 60
YEAR: Final = 365 * 86_400
JUMPS: Final = (-10 * YEAR, -YEAR, -86_400, -MINUTE, -1, 1, MINUTE, 86_400, YEAR, 10 * YEAR)


class Clock:
    """The wall clock of the runtimes that are made meanwhile: `ahead` may be set by anybody, `stopped` stops it."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0
        self.stopped: int | None = None

    def now(self) -> int:
        real = time.time_ns() // 1_000 if self.stopped is None else self.stopped
        return real + int(self.ahead_seconds * 1_000_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()

    class Jumping(ThreadedRuntime):
        def now(self) -> int:
            return made.now()

    monkeypatch.setattr(engine, "ThreadedRuntime", Jumping)
    return made


@pytest.fixture
def jumps(clock: Clock, chance: random.Random) -> Iterator[None]:
    """Set the clock all the time, by anything from a second to ten years."""
    over = threading.Event()

    def jump() -> None:
        while not over.wait(0.01):
            clock.ahead_seconds = chance.choice((0, *JUMPS))

    thread = threading.Thread(target=jump)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def registry() -> TaskRegistry:
    begun: dict[str, list[float]] = {}

    def stumble(times: int) -> list[float]:
        child = current_child()
        at = begun.setdefault(child.key, [])
        at.append(time.monotonic())
        if len(at) <= times:
            raise RuntimeError("not yet")
        return at

    def wait(seconds: float) -> None:
        if current_child().cancelled.wait(seconds):
            raise RuntimeError("told to stop")

    made = TaskRegistry()
    for function in (stumble, wait):
        made.add(Task(function, function.__name__))
    return made


def look(orchestrator: Orchestrator, run_id: str) -> None:
    """Look at a run in every way there is; nothing is negative, nothing raises."""
    run = orchestrator.get(run_id)
    view = run.status()
    moments = [at for at in (view.created_at, view.started_at, view.decided_at, view.settled_at) if at is not None]
    assert moments == sorted(moments)
    for child in run.children():
        if child.started_at is not None and child.finished_at is not None:
            assert child.finished_at - child.started_at >= timedelta(0)
    for at in (datetime.now(UTC), datetime(1980, 1, 1, tzinfo=UTC), datetime(2900, 1, 1, tzinfo=UTC)):
        if at > moments[0]:
            run.status(at=at)
    bar = progress.Bar(null_device(), in_place=False)
    bar.begin(view.counts)
    bar.draw(view.counts)
    assert orchestrator.list()


def test_retries_timeouts_and_deadlines_under_a_jumping_clock(
    store: Path, clock: Clock, jumps: None, rounds: int, tally: Tally
) -> None:
    with Orchestrator(store, max_workers=8, tasks=registry()) as orchestrator:
        for number in range(rounds):
            retried = orchestrator.start(
                Parallel(
                    children=[Child(task="stumble", input={"times": 2}) for _ in range(6)],
                    retry=Retry(max_attempts=3, initial_seconds=0.1, backoff=1.0),
                    timeout=30,
                ),
                id=f"retried-{number}",
            )
            began = time.monotonic()
            children = [Child(task="wait", input={"seconds": 20}, timeout=1), Child(command="sleep 20", timeout=1)]
            limited = orchestrator.start(Parallel(children=children, on_decided="continue"), id=f"limited-{number}")
            late = orchestrator.start(
                Parallel(children=[Child(task="wait", input={"seconds": 20})], timeout=1.0), id=f"late-{number}"
            )
            result = retried.settle(timeout=20)
            assert result.status == "succeeded"
            assert late.settle(timeout=20).status == "timed_out"
            assert limited.settle(timeout=20).counts.timed_out == 2
            assert 1.0 <= time.monotonic() - began < 10
            for run in (retried, limited, late):
                look(orchestrator, run.id)
    verdict = judge_file(store, max_workers=8)
    tally("clock jumps all the time", rounds=rounds, faults=100 * rounds, lost=0, completed=verdict.settled)


@pytest.mark.parametrize("seconds", [-10 * YEAR, -MINUTE])
def test_a_clock_set_back_keeps_no_retry_waiting(store: Path, clock: Clock, seconds: float, tally: Tally) -> None:
    with Orchestrator(store, max_workers=2, tasks=registry()) as orchestrator:
        parallel = Parallel(
            children=[Child(task="stumble", input={"times": 1})], retry=Retry(max_attempts=2, initial_seconds=0.5)
        )
        run = orchestrator.start(parallel)
        until(lambda: any(event.type == "ChildRetryScheduled" for event in run.history()))
        clock.ahead_seconds = seconds
        first, second = run.settle(timeout=20).outputs["stumble-0"]
        assert 0.5 <= second - first < 10
        look(orchestrator, run.id)
    judge_file(store, max_workers=2)
    tally("clock set back", rounds=1, faults=1, lost=0, completed=1)


def test_a_stopped_clock_stops_nothing(store: Path, clock: Clock, tally: Tally) -> None:
    clock.stopped = time.time_ns() // 1_000
    with Orchestrator(store, max_workers=2, tasks=registry()) as orchestrator:
        parallel = Parallel(
            children=[Child(task="stumble", input={"times": 2}) for _ in range(3)],
            retry=Retry(max_attempts=3, initial_seconds=0.1),
        )
        run = orchestrator.start(parallel)
        assert run.settle(timeout=20).status == "succeeded"
        late = orchestrator.start(Parallel(children=[Child(task="wait", input={"seconds": 20})], timeout=0.3))
        assert late.settle(timeout=20).status == "timed_out"
        look(orchestrator, run.id)
    judge_file(store, max_workers=2)
    tally("clock stopped", rounds=1, faults=1, lost=0, completed=2)


def test_a_jump_and_the_death_of_the_actor_bring_no_deadline_forward(store: Path, clock: Clock, tally: Tally) -> None:
    """The deadline stays where it was by the monotonic clock, whichever actor looks after it."""
    with Orchestrator(store, max_workers=2, tasks=registry()) as orchestrator:
        began = time.monotonic()
        run = orchestrator.start(Parallel(children=[Child(task="wait", input={"seconds": 30})], timeout=4.0), id="r")
        until(lambda: run.status().counts.running == 1)
        clock.ahead_seconds = YEAR
        parent = orchestrator._engine._system.directory.live["r"].ref
        parent.tell(Tick)
        parent.tell("nothing that an actor knows")
        until(lambda: orchestrator._engine._system.directory.live["r"].ref is not parent, what="the next actor")
        clock.ahead_seconds = -YEAR
        assert run.settle(timeout=20).status == "timed_out"
        assert 4.0 <= time.monotonic() - began < 12
        look(orchestrator, "r")
    judge_file(store, max_workers=2)
    tally("clock jumps and an actor dies", rounds=1, faults=2, lost=0, completed=1)


@pytest.mark.parametrize("seconds", JUMPS[::3])
def test_across_a_restart_the_wall_clock_counts(store: Path, clock: Clock, seconds: float, tally: Tally) -> None:
    """A deadline is by the wall clock; a retry waits no longer than it would have; times never go back."""
    tasks = registry()
    parallel = Parallel(
        children=[Child(task="stumble", input={"times": 1}), Child(task="wait", input={"seconds": 60})],
        retry=Retry(max_attempts=2, initial_seconds=1.0),
        timeout=3 * 86_400,
    )
    with Orchestrator(store, max_workers=2, tasks=tasks, shutdown_seconds=0.2) as orchestrator:
        run = orchestrator.start(parallel, id="r")
        until(lambda: any(event.type == "ChildRetryScheduled" for event in run.history()))
    clock.ahead_seconds = seconds
    with Orchestrator(store, max_workers=2, tasks=tasks, shutdown_seconds=0.2) as orchestrator:
        run = orchestrator.resume("r")
        look(orchestrator, "r")
        if seconds > 3 * 86_400:
            assert run.settle(timeout=10).status == "timed_out"
        else:
            until(lambda: run.status().counts.succeeded == 1, timeout_seconds=10, what="the retry")
            run.cancel("enough")
            run.settle(timeout=10)
        look(orchestrator, "r")
    judge_file(store, max_workers=2)
    tally("clock jumps across a restart", rounds=1, faults=1, lost=0, completed=1)


PROGRAM = """
import sys, time
jump = float(sys.argv[2])
real, real_ns = time.time, time.time_ns
ahead = 0.0
time.time = lambda: real() + ahead
time.time_ns = lambda: real_ns() + int(ahead * 1e9)
from orchestrator import Child, Orchestrator, Parallel, Retry
children = [Child(command="test $ORCHESTRATOR_ATTEMPT = 3") for _ in range(4)]
with Orchestrator(sys.argv[1], max_workers=2) as orchestrator:
    retry = Retry(max_attempts=3, initial_seconds=0.1)
    run = orchestrator.start(Parallel(children=children, retry=retry, timeout=30), id="r")
    while not run.status().settled:
        ahead = jump if ahead == 0.0 else 0.0
        time.sleep(0.02)
    assert run.status().status == "succeeded", run.status()
"""


@pytest.mark.parametrize("seconds", [-10 * YEAR, 10 * YEAR])
def test_a_process_whose_system_clock_jumps(store: Path, seconds: float, tally: Tally) -> None:
    """The system's own functions, patched; and the command line looks at what came of it."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", PROGRAM, str(store), str(seconds)], check=True, timeout=60)
    assert time.monotonic() - began < 30
    for command in ("status", "children", "events", "list"):
        run_id = [] if command == "list" else ["r"]
        argv = [sys.executable, "-m", "orchestrator", command, "--store", str(store), *run_id]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    judge_file(store, max_workers=2)
    tally("clock of a whole process", rounds=1, faults=1, lost=0, completed=1)
