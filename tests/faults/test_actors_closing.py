"""Closing, at every bad moment, by anybody; Ctrl-C and exits in the program around it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actors.hearing import EndedChild
from orchestrator import Child, ClosedError, Orchestrator, OrchestratorError, Parallel, TaskRegistry
from orchestrator.tasks import TASKS, Task
from tests.face import tasks
from tests.faults.table import Tally
from tests.faults.verdict import judge_file
from tests.support.waiting import until

CLOSE_SECONDS = 8.0
"""Longer than any close may take that has a second of grace."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def go_on(store: Path, tasks: TaskRegistry = TASKS) -> int:
    """Go on with everything in a store to its end; return how many runs there are."""
    with Orchestrator(store, max_workers=4, tasks=tasks) as orchestrator:
        for run in orchestrator.resume_all():
            run.settle(timeout=30)
    verdict = judge_file(store, max_workers=None)
    assert verdict.settled == len(verdict.states)
    return verdict.settled


def close_from_a_task(store: Path) -> TaskRegistry:
    holder: list[Orchestrator] = []
    closed = threading.Event()

    def shut() -> None:
        if not closed.is_set():
            closed.set()
            holder[0].close()

    registry = TaskRegistry()
    registry.add(Task(shut, "shut"))
    orchestrator = Orchestrator(store, max_workers=2, tasks=registry, shutdown_seconds=1.0)
    holder.append(orchestrator)
    run = orchestrator.start(Parallel(children=[Child(task="shut"), *[Child(command="true")] * 5]))
    with pytest.raises(ClosedError):
        run.settle(timeout=20)
    orchestrator.close()
    return registry


def test_close_from_a_task(store: Path, tally: Tally) -> None:
    began = time.monotonic()
    registry = close_from_a_task(store)
    assert time.monotonic() - began < CLOSE_SECONDS
    tally("closing", rounds=1, faults=1, lost=0, double=0, completed=go_on(store, registry))


class Closer:
    """A listener that closes the orchestrator which tells it."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self.orchestrator = orchestrator
        self.closed = threading.Event()

    def children_ended(self, ended: Sequence[EndedChild]) -> None:
        self.orchestrator.close()
        self.closed.set()

    def changed(self) -> None:
        """Only children are heard of."""


def test_close_from_a_listener(store: Path, tally: Tally) -> None:
    name = "close-from-listener"
    orchestrator = Orchestrator(store, max_workers=2, shutdown_seconds=1.0)
    children = [tasks.wait_at.child(gate=name), *[tasks.square.child(x=1)] * 50]
    run = orchestrator.start(Parallel(children=children))
    closer = Closer(orchestrator)
    run.listen(closer)
    began = time.monotonic()
    tasks.GATES[name].set()
    assert closer.closed.wait(20)
    assert time.monotonic() - began < CLOSE_SECONDS
    orchestrator.close()
    with pytest.raises(ClosedError):
        orchestrator.start(Parallel())
    tally("closing", rounds=1, faults=1, lost=0, double=0, completed=go_on(store))


def test_close_from_many_threads_at_once_returns_when_all_is_closed(store: Path, tally: Tally) -> None:
    for number in range(3):
        orchestrator = Orchestrator(store, max_workers=2, shutdown_seconds=1.0)
        parallel = Parallel(children=[tasks.wait_at.child(gate=f"never-{number}"), Child(command="sleep 60")])
        orchestrator.start(parallel, id=f"r{number}")
        with ThreadPoolExecutor(4) as pool:
            for one in [pool.submit(orchestrator.close) for _ in range(4)]:
                one.result(CLOSE_SECONDS)
                assert orchestrator._engine.runtime.close(timeout_seconds=0.0), "closed, and an actor still runs"
        tasks.GATES[f"never-{number}"].set()
    with Orchestrator(store) as orchestrator:
        for run in orchestrator.resume_all():
            run.cancel("enough")
            run.settle(timeout=20)
    verdict = judge_file(store, max_workers=None)
    tally("closing", rounds=3, faults=12, lost=0, double=0, completed=verdict.settled)


def test_close_while_others_start_and_wait(store: Path, tally: Tally) -> None:
    """Each call in progress returns, or raises an error of ours, at once; what it acknowledged is on record."""
    acknowledged: list[str] = []
    took: list[float] = []

    def use(orchestrator: Orchestrator, number: int) -> None:
        for count in range(1000):
            run_id = f"{number}-{count}"
            began = time.monotonic()
            try:
                orchestrator.start(Parallel(children=[tasks.square.child(x=1)] * 5), id=run_id)
                acknowledged.append(run_id)
                orchestrator.get(run_id).settle(timeout=30)
            except OrchestratorError:
                return
            finally:
                took.append(time.monotonic() - began)

    for life in range(4):
        orchestrator = Orchestrator(store, max_workers=2, shutdown_seconds=0.5)
        users = [threading.Thread(target=use, args=(orchestrator, 10 * life + number)) for number in range(4)]
        for user in users:
            user.start()
        until(lambda life=life: len(acknowledged) > 5 * life)  # type: ignore[misc]
        orchestrator.close()
        for user in users:
            user.join(CLOSE_SECONDS)
            assert not user.is_alive(), "a call did not come back from a closed orchestrator"
    assert max(took) < CLOSE_SECONDS
    completed = go_on(store)
    with Orchestrator(store) as orchestrator:
        assert set(acknowledged) <= {status.id for status in orchestrator.list()}
    tally("closing", rounds=4, faults=4, acknowledged=len(acknowledged), lost=0, double=0, completed=completed)


# Whole programs

PROGRAM = """
import os, signal, sys, threading, time, _thread
from orchestrator import Child, Orchestrator, Parallel, current_child, task
@task
def nap(seconds: float): current_child().cancelled.wait(seconds)
@task
def deaf(): time.sleep(30)
def begin(first=nap.child(seconds=30.0)):
    orchestrator = Orchestrator(sys.argv[1], max_workers=2, shutdown_seconds=0.5)
    children = [first, Child(command="sleep 77"), *[nap.child(seconds=0.0)] * 3]
    return orchestrator, orchestrator.start(Parallel(children=children), id="r")
def until_running(run):
    while run.status().counts.running < 2: time.sleep(0.01)
"""

PROGRAMS = {
    "Ctrl-C while waiting, inside with": """
orchestrator, run = begin()
with orchestrator:
    until_running(run)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    run.settle()
""",
    "Ctrl-C, caught, and closed by hand": """
orchestrator, run = begin()
until_running(run)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try: run.result()
except KeyboardInterrupt: orchestrator.close(); orchestrator.close()
""",
    "a second Ctrl-C while it closes": """
orchestrator, run = begin(deaf.child())
until_running(run)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try: run.settle()
except KeyboardInterrupt: pass
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
try: orchestrator.close()
except KeyboardInterrupt: orchestrator.close()
""",
    "Ctrl-C, and the run is waited for again": """
orchestrator, run = begin()
until_running(run)
for _ in range(3):
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    try: run.settle(timeout=20)
    except KeyboardInterrupt: pass
run.cancel(); run.settle(timeout=20); orchestrator.close()
""",
    "SystemExit while waiting": """
def leave(*_): raise SystemExit(5)
signal.signal(signal.SIGTERM, leave)
orchestrator, run = begin()
until_running(run)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
run.settle()
""",
    "the main thread ends without close": """
orchestrator, run = begin()
until_running(run)
""",
    "the main thread fails without close": """
orchestrator, run = begin()
until_running(run)
raise RuntimeError("mine")
""",
    "exit from another thread's interrupt": """
orchestrator, run = begin()
until_running(run)
threading.Timer(0.2, _thread.interrupt_main).start()
run.settle()
""",
    "never used": """
orchestrator = Orchestrator(sys.argv[1])
""",
    "a start that is left alone": """
orchestrator = Orchestrator(sys.argv[1], max_workers=1)
parallel = Parallel(children=[nap.child(seconds=0.0)])
def start():
    try: orchestrator.start(parallel, id="r")
    except Exception: pass
threading.Thread(target=start, daemon=True).start()
""",
}


def test_programs_that_end_badly_leave_a_run_to_go_on_with(
    tmp_path: Path, chance: random.Random, rounds: int, tally: Tally
) -> None:
    programs = chance.sample(sorted(PROGRAMS), 3) if rounds == 1 else list(PROGRAMS)
    with ThreadPoolExecutor(3) as pool:
        begun = {what: pool.submit(end_badly, what, tmp_path / f"{n}.db") for n, what in enumerate(programs)}
        for what, one in begun.items():
            assert one.result(60) == "", what
    tally("programs that end badly", rounds=len(programs), faults=len(programs), lost=0, double=0)


def end_badly(what: str, store: Path) -> str:
    """Run a program; return what is wrong with how it ended."""
    began = time.monotonic()
    command = [sys.executable, "-c", PROGRAM + PROGRAMS[what], str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        _, complaints = process.communicate(timeout=30)
    if time.monotonic() - began > 20:
        return f"it took {time.monotonic() - began:.1f} s"
    if process.returncode not in (0, 1, 5, 130, -signal.SIGINT):
        return f"it ended with {process.returncode}: {complaints}"
    if "Fatal" in complaints or "Exception in thread" in complaints or "Exception ignored" in complaints:
        return complaints
    judge_file(store, max_workers=2)
    return ""
