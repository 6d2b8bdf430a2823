"""Processes that are killed in the middle of some part of a run's life. Run as: lives.py STORE FOLDER SCENARIO.

Started again with the same words, the process goes on where the first one was stopped: each scenario starts its run
under the same id with the same content, waits until it is settled, and says `settled STATUS`. A task that finds the
file `go` in FOLDER ends at once; without it, it waits.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from orchestrator import Child, Orchestrator, Parallel, Retry, Run, Threshold, current_child, task

RUN_ID: Final = "r"


def folder() -> Path:
    return Path(sys.argv[2])


def note(word: str) -> None:
    child = current_child()
    with (folder() / "effects").open("a", encoding="ascii") as effects:  # one short append is one write
        effects.write(f"{word} {child.parent_id} {child.id} {child.attempt}\n")


def wait() -> None:
    """Wait for the file `go`, or to be asked to stop."""
    while not (folder() / "go").exists():
        if current_child().cancelled.wait(0.005):
            raise RuntimeError("stopped as asked")


@task
def at_once(number: int) -> int:
    note("ran")
    return number


@task
def in_a_while(number: int) -> int:
    note("ran")
    wait()
    return number


@task
async def awaits(number: int) -> int:
    note("ran")
    while not (folder() / "go").exists():
        await asyncio.sleep(0.005)
    return number


@task
async def awaits_nothing(number: int) -> int:
    note("ran")
    return number


@task
def fails_first(number: int) -> int:
    note("ran")
    if current_child().attempt == 1:
        raise ConnectionError("not yet")
    return number


@task
def tells(number: int) -> int:
    note("ran")
    current_child().heartbeat(progress=0.25, message="a quarter")
    wait()
    return number


def retries(orchestrator: Orchestrator) -> Run:
    """Wait three seconds for a retry, beside a child that keeps the run going."""
    waits = Retry(max_attempts=3, initial_seconds=3.0, jitter=0.5, retry_on=(OSError,))
    children = [fails_first.child(number=1), in_a_while.child(number=2)]
    return orchestrator.start(Parallel(children=children, retry=waits, retry_budget=5), id=RUN_ID)


def clocks(orchestrator: Orchestrator) -> Run:
    """Let children wait in the queue, one of which may not do so for long."""
    children = [
        in_a_while.child(number=1),
        Child(id="patient", task="at_once", input={"number": 2}),
        Child(id="hasty", task="at_once", input={"number": 3}, queue_timeout=2.0),
    ]
    return orchestrator.start(Parallel(children=children, max_workers=1, on_decided="continue"), id=RUN_ID)


def nested(orchestrator: Orchestrator) -> Run:
    """Run parents inside a parent, with one worker for all."""
    leaves = [at_once.child(number=1), in_a_while.child(number=2), at_once.child(number=3)]
    inner = Child(id="inner", parallel=Parallel(children=leaves, max_workers=2))
    deep = Child(id="deep", parallel=Parallel(children=[inner], strategy="any"))
    return orchestrator.start(Parallel(children=[at_once.child(number=0), deep], max_workers=1), id=RUN_ID)


def progress(orchestrator: Orchestrator) -> Run:
    """Tell of progress, and wait."""
    return orchestrator.start(Parallel(children=[tells.child(number=1)]), id=RUN_ID)


def coroutines(orchestrator: Orchestrator) -> Run:
    """Let dozens of coroutines wait on one event loop, after some that did not."""
    children = [*(awaits_nothing.child(number=n) for n in range(20)), *(awaits.child(number=n) for n in range(60))]
    return orchestrator.start(Parallel(children=children, max_workers=40), id=RUN_ID)


def strategies(orchestrator: Orchestrator) -> Run:
    """Wait with many children of which a few are enough, once somebody says so."""
    children = [at_once.child(number=1), *(in_a_while.child(number=number) for number in range(2, 9))]
    return orchestrator.start(Parallel(children=children, strategy=Threshold(count=5), max_workers=2), id=RUN_ID)


SCENARIOS: Final[dict[str, Callable[[Orchestrator], Run]]] = {
    scenario.__name__: scenario for scenario in (retries, clocks, nested, progress, coroutines, strategies)
}
WORKERS: Final = {"coroutines": 40}
"""How many children may run at a time, where that is not two."""


def main() -> None:
    deadline = time.monotonic() + 60
    workers = WORKERS.get(sys.argv[3], 2)
    with Orchestrator(sys.argv[1], max_workers=workers, shutdown_seconds=1.0) as orchestrator:
        run = SCENARIOS[sys.argv[3]](orchestrator)
        os.write(1, b"begun\n")
        result = run.settle(timeout=deadline - time.monotonic())
    os.write(1, f"settled {result.status}\n".encode())


if __name__ == "__main__":
    main()
