"""One child on an idle system: from the call of start() until result() returns, commits included."""

from __future__ import annotations

import time

from benchmarks.job import given, latencies, report
from benchmarks.ours.fan_out import noop
from orchestrator import Orchestrator, Parallel


def once(orchestrator: Orchestrator) -> float:
    """Run one child; return ms."""
    parallel = Parallel(children=[noop.child()])
    began = time.perf_counter()
    orchestrator.start(parallel).result(timeout=60)
    took = 1_000 * (time.perf_counter() - began)
    time.sleep(0.01)  # what is still written of it is over by then: the system is idle again
    return took


def main() -> None:
    """Measure."""
    job = given()
    with Orchestrator(job.folder / "runs.db", max_workers=job.workers) as orchestrator:
        for _ in range(10):
            once(orchestrator)
        times = [once(orchestrator) for _ in range(job.repeats)]
    report(latencies(times))


if __name__ == "__main__":
    main()
