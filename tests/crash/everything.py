"""A process that uses all of it at once, until somebody kills it. Run as: everything.py STORE FOLDER SEED.

Started again with the same words it goes on where it was stopped: parents in parents, children from a generator and
added one by one, every executor, workers that die, retries, throttles, large and typed results, progress, pauses, and
a run that fails, is mended and redriven. It says `ready`, `ended PARENT CHILD OUTCOME` and `done`. Every execution of a
function appends a line to FOLDER/effects.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from orchestrator import (
    Child,
    Limits,
    Orchestrator,
    Parallel,
    Retry,
    Run,
    Task,
    Threshold,
    Throttle,
    current_child,
    task,
)

WORKERS: Final = 6
TREE, FED, OPEN, MENDED, MIXED, DOOMED = RUNS = ("tree", "fed", "open", "mended", "mixed", "doomed")
LARGE: Final = 3_000
"""Bytes of what is too large to stand on record itself, here."""
LIMITS: Final = Limits(inline_bytes_max=1_000)


@dataclass(frozen=True)
class Answer:
    """What a worker process comes to."""

    number: int
    share: Decimal


def note(folder: str) -> None:
    """Put on file that an attempt has begun; one short append is one write."""
    child = current_child()
    file = os.open(Path(folder) / "effects", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, f"{child.parent_id} {child.id} {child.attempt}\n".encode())
    finally:
        os.close(file)


@task(name="everything-halves")
def halves(folder: str, number: int) -> Decimal:
    note(folder)
    return Decimal(number) / 2


@task(name="everything-fails_first")
def fails_first(folder: str, number: int) -> int:
    note(folder)
    if current_child().attempt == 1:
        raise ConnectionError("not yet")
    return number


@task(name="everything-tells")
def tells(folder: str, number: int) -> int:
    note(folder)
    for step in range(5):
        current_child().heartbeat(progress=step / 5, message=f"step {step} of {number}")
        if current_child().cancelled.wait(0.02):
            raise RuntimeError("stopped as asked")
    return number


@task(name="everything-swells")
def swells(folder: str, filling: bytes) -> bytes:
    note(folder)
    return filling * 2


@task(name="everything-awaits")
async def awaits(folder: str, number: int) -> datetime:
    note(folder)
    await asyncio.sleep(0.05)
    return datetime.fromtimestamp(number, UTC)


@task(name="everything-answers", executor="processes")
def answers(folder: str, number: int) -> Answer:
    note(folder)
    return Answer(number, Decimal(number) / 10)


@task(name="everything-dies_first", executor="processes")
def dies_first(folder: str, number: int) -> int:
    note(folder)
    if current_child().attempt == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    return number


@task(name="everything-stops", executor="processes", heartbeat_timeout=0.4)
def stops_first(folder: str, number: int) -> int:
    note(folder)
    if current_child().attempt == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    return number


@task(name="everything-trains", executor="gpu")
def trains(folder: str, rate: float) -> float:
    note(folder)
    return rate * 2


@task(name="everything-mendable")
def mendable(folder: str, number: int) -> int:
    note(folder)
    if number % 3 == 0 and not (Path(folder) / "mended").exists():
        raise ValueError(f"{number} is broken")
    return number


def numbered(seed: int, least: int, most: int) -> range:
    return range(random.Random(seed).randint(least, most))


def tree(folder: str, seed: int) -> Parallel:
    """Return parents in parents in a parent, with everything in them, and one worker less than children."""
    leaves = [
        *(halves.child(folder, number) for number in numbered(seed, 2, 5)),
        swells.child(folder, b"\x00\xff" * LARGE).with_id("large"),
        answers.child(folder, 7).with_id("answer"),
        Child(task=tells.task_name, input={"folder": folder, "number": 1}, keys=("host:a",), heartbeat_timeout=30),
    ]
    inner = Child(id="inner", parallel=Parallel(children=leaves, max_workers=2))
    race = Child(id="race", parallel=Parallel(children=[halves.child(folder, n) for n in range(2)], strategy="any"))
    middle = Child(id="middle", parallel=Parallel(children=[inner, race]), retry=Retry(max_attempts=3))
    return Parallel(children=[fails_first.child(folder, 1), middle, Child(id="echo", command="echo out")], retry=AGAIN)


AGAIN: Final = Retry(max_attempts=5, initial_seconds=0.05, jitter=0.5, give_up_on=(ValueError,))


def fed(folder: str, seed: int) -> Iterator[Child]:
    for number in numbered(seed, 20, 60):
        keys = (f"host:{number % 3}",)
        yield Child(id=f"n{number}", task="everything-halves", input={"folder": folder, "number": number}, keys=keys)
        yield awaits.child(folder, number).with_id(f"a{number}")


def mixed(folder: str, seed: int) -> Parallel:
    kinds: list[Task[..., Any]] = [answers, dies_first, stops_first, trains, awaits, tells, fails_first]
    children = [kind.child(folder, number) for number in numbered(seed, 1, 3) for kind in kinds]
    return Parallel(children=children, strategy=Threshold(percent=60), on_decided="continue", retry=AGAIN)


def doomed(folder: str, seed: int) -> Parallel:
    """Return parents of which each fails at once and goes on, until somebody cancels one of them, or one child."""
    leaves = [tells.child(folder, number) for number in numbered(seed, 4, 8)]
    broken = Child(id="broken", command="exit 3")
    inner = Child(id="inner", parallel=Parallel(children=[broken, *leaves], on_decided="continue", max_workers=2))
    return Parallel(children=[broken, inner, *leaves], on_decided="continue", max_workers=2)


def begin(orchestrator: Orchestrator, folder: str, seed: int) -> list[Run]:
    broken = [mendable.child(folder, number) for number in numbered(seed, 5, 15)]
    inner = Child(id="inner", parallel=Parallel(children=broken, on_decided="continue"))
    asked = {
        TREE: tree(folder, seed),
        FED: Parallel(children=fed(folder, seed), strategy=Threshold(percent=90), max_workers=4, on_decided="continue"),
        OPEN: Parallel(children=[halves.child(folder, 0)], open=True, max_workers=2),
        MENDED: Parallel(children=[*broken, inner], on_decided=random.Random(seed).choice(["continue", "cancel"])),
        MIXED: mixed(folder, seed),
        DOOMED: doomed(folder, seed),
    }
    return [orchestrator.start(parallel, id=name) for name, parallel in asked.items()]


def add_all(run: Run, folder: str, seed: int) -> None:
    """Add children in handfuls and say that these were all, unless that was said before."""
    if "MembershipClosed" not in {event.type for event in run.history()}:
        for number in numbered(seed, 3, 9):
            run.add([tells.child(folder, number).with_id(f"t{number}"), halves.child(folder, 1).with_id(f"h{number}")])
        run.close()


def finish(run: Run) -> None:
    for child in run.as_completed(timeout=90):
        os.write(1, f"ended {run.id} {child.id} {child.status}\n".encode())


def mend(run: Run, folder: str) -> None:
    """Let the run fail, mend what it needs, and run again what did not succeed."""
    if run.settle(timeout=90).status != "succeeded":
        (Path(folder) / "mended").touch()
        run.redrive(reason="mended")
    for _ in run.as_completed(timeout=90):
        pass
    run.result().raise_for_status()


def main() -> None:
    store, folder, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
    throttles = [Throttle(key="host:*", max_running=2, per_second=100, burst=5)]
    with (
        ThreadPoolExecutor(2) as pool,
        Orchestrator(
            store, max_workers=WORKERS, executors={"gpu": pool}, throttles=throttles, limits=LIMITS, shutdown_seconds=2
        ) as orchestrator,
    ):
        os.write(1, b"ready\n")
        runs = {run.id: run for run in begin(orchestrator, folder, seed)}
        for run in runs.values():
            run.resume()  # somebody may have paused it
        add_all(runs[OPEN], folder, seed)
        mend(runs[MENDED], folder)
        for name in (TREE, FED, OPEN, MIXED, DOOMED):
            finish(runs[name])
        typed = runs[TREE].result().outputs
        assert typed["everything-fails_first-0"] == 1
    os.write(1, b"done\n")


if __name__ == "__main__":
    main()
