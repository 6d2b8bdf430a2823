"""How soon is another process's run under control? Requests to an owner that runs no-op children at full speed.

Each request is timed from the call to its return, when it is on record; the owner finds it at its next append. The
first request reads what its decision needs, and the run's counts for its answer, the others only what is new.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from benchmarks.job import given, latencies, report
from benchmarks.ours.fan_out import noop
from orchestrator import Orchestrator, Parallel, Run

RUN_ID: Final = "busy"
_BREATH_SECONDS: Final = 0.05
"""After which the owner is at full speed again."""


def own(store: str, children: int) -> None:
    """Work on a run until it is settled; the process that is controlled."""
    with Orchestrator(store, max_workers=16) as orchestrator:
        run = orchestrator.start(Parallel(children=[noop.child() for _ in range(children)]), id=RUN_ID)
        print("begun", flush=True)
        run.settle(timeout=600)


def timed(action: Callable[[], object]) -> float:
    """Return how many ms something takes."""
    began = time.perf_counter()
    action()
    return 1_000 * (time.perf_counter() - began)


def measure(run: Run, repeats: int) -> dict[str, list[float]]:
    """Return how many ms the first request took, and all later ones by name."""
    took: dict[str, list[float]] = {"first": [timed(lambda: run.update(max_workers=15))]}
    took |= {"update": [], "pause": [], "resume": []}
    for number in range(repeats):
        took["update"].append(timed(partial(run.update, max_workers=14 + number % 2)))
        time.sleep(_BREATH_SECONDS)
        took["pause"].append(timed(run.pause))
        took["resume"].append(timed(run.resume))
        time.sleep(_BREATH_SECONDS)
    took["cancel"] = [timed(run.cancel)]
    return took


def main() -> None:
    """Measure."""
    job = given()
    store = str(job.folder / "runs.db")
    command = [sys.executable, "-m", "benchmarks.ours.control", "own", store, str(job.children)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        try:
            if owner.stdout is None or owner.stdout.readline() != "begun\n":
                raise SystemExit("the owner did not begin")
            with Orchestrator(store, max_workers=1) as elsewhere:
                took = measure(elsewhere.get(RUN_ID), job.repeats)
        finally:
            owner.kill()
    measures: dict[str, float | list[float]] = {}
    for name, times in took.items():
        measures |= latencies(times, f"{name}_")
    report(measures)


if __name__ == "__main__":
    if sys.argv[1:2] == ["own"]:
        own(sys.argv[2], int(sys.argv[3]))
    else:
        main()
