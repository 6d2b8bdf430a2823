"""Questions while children run at full speed: the status of the run, a page of its children, the list of runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.job import given, latencies, report
from benchmarks.ours.fan_out import noop
from orchestrator import Orchestrator, Parallel, Run

_PAGE = 50
_PAUSE_SECONDS = 0.02


def timed(ask: Callable[[], object]) -> float:
    """Return how many ms an answer takes."""
    began = time.perf_counter()
    ask()
    return 1_000 * (time.perf_counter() - began)


def ask_until_settled(orchestrator: Orchestrator, run: Run) -> dict[str, list[float]]:
    """Ask in turn until the run is settled; return how long each answer took, in ms."""
    took: dict[str, list[float]] = {"status": [], "page": [], "list": []}
    settled = False
    while not settled:
        began = time.perf_counter()
        settled = run.status().settled
        took["status"].append(1_000 * (time.perf_counter() - began))
        took["page"].append(timed(lambda: list(run.children(limit=_PAGE))))
        took["list"].append(timed(lambda: orchestrator.list(limit=20)))
        time.sleep(_PAUSE_SECONDS)
    return took


def main() -> None:
    """Measure."""
    job = given()
    with Orchestrator(job.folder / "runs.db", max_workers=job.workers) as orchestrator:
        crowd = [noop.child() for _ in range(job.children)]
        began = time.perf_counter()
        run = orchestrator.start(Parallel(children=crowd))
        took = ask_until_settled(orchestrator, run)
        seconds = time.perf_counter() - began
    measures = {"seconds": seconds}
    for name, times in took.items():
        measures |= latencies(times, f"{name}_")
    report(measures)


if __name__ == "__main__":
    main()
