"""How soon is another process's run under control? Requests to an owner that runs no-op children at full speed.

Each request is timed from the call to its return, when it is on record; the owner finds it at its next append. The
first request reads what its decision needs, and the run's counts for its answer, the others only what is new; both are
shown. Run:
python benchmarks/foreign_control.py [--children N] [--rounds N] [--at-most SECONDS]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from orchestrator import Orchestrator, Parallel, Run, task

RUN_ID = "busy"


@task
def noop(n: int) -> int:
    """Do next to nothing."""
    return n


def own(store: str, children: int) -> None:
    """Work on a run until it is settled; the process that is controlled."""
    with Orchestrator(store, max_workers=16) as orchestrator:
        run = orchestrator.start(Parallel(children=[noop.child(n=n) for n in range(children)]), id=RUN_ID)
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        run.settle(timeout=600)


def timed(action: Callable[[], object]) -> float:
    """Return how many seconds something takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def measure(run: Run, rounds: int) -> tuple[float, dict[str, list[float]]]:
    """Return the seconds of the first request, and those of all later ones by name."""
    first = timed(lambda: run.update(max_workers=15))
    seconds: dict[str, list[float]] = {"update": [], "pause": [], "resume": [], "cancel": []}
    for number in range(rounds):
        workers = 14 + number % 2
        seconds["update"].append(timed(partial(run.update, max_workers=workers)))
        time.sleep(0.05)  # the owner is to be at full speed again
        seconds["pause"].append(timed(run.pause))
        seconds["resume"].append(timed(run.resume))
        time.sleep(0.05)
    seconds["cancel"].append(timed(run.cancel))
    return first, seconds


def main() -> int:
    """Print the figures; the exit status is 1 where a request took longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--children", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--at-most", type=float, help="seconds that no request but the first may exceed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "runs.db")
        command = [sys.executable, __file__, "own", store, str(options.children)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
            try:
                if owner.stdout is None or owner.stdout.readline() != "begun\n":
                    raise SystemExit("the owner did not begin")
                with Orchestrator(store, max_workers=1) as elsewhere:
                    first, seconds = measure(elsewhere.get(RUN_ID), options.rounds)
            finally:
                owner.kill()
    sys.stdout.write(f"the first request: {first * 1000:.0f} ms\n")
    for name, each in seconds.items():
        ordered = sorted(each)
        p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
        figures = [f"{second * 1000:.1f} ms" for second in (statistics.median(each), p99, ordered[-1])]
        sys.stdout.write(
            f"{name:<7} median {figures[0]}, p99 {figures[1]}, worst {figures[2]} ({len(each)} requests)\n"
        )
    worst = max(max(each) for each in seconds.values())
    return int(options.at_most is not None and worst > options.at_most)


if __name__ == "__main__":
    if sys.argv[1:2] == ["own"]:
        own(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(main())
