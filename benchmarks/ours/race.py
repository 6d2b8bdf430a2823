"""`any` of many: how long after the winner's end its result is there, with the commits of its end and the decision.

The winner works for a tenth of a second once the others that fit are at work: it is never alone, and what is written
when a run begins is over when it ends.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from benchmarks.job import given, latencies, report
from orchestrator import Orchestrator, Parallel, current_child, task

WORKS_SECONDS: Final = 0.1

_at_work = threading.Semaphore(0)
_ended: list[float] = []


@task
def bench_loser() -> None:
    """Stay at work until it is over."""
    _at_work.release()
    current_child().cancelled.wait(60)


@task
def bench_winner(others: int) -> int:
    """Wait until so many others are at work, and win."""
    for _ in range(others):
        _at_work.acquire(timeout=60)
    time.sleep(WORKS_SECONDS)
    _ended.append(time.perf_counter())
    return 1


def once(orchestrator: Orchestrator, children: int, workers: int) -> float:
    """Run a race; return how many ms after the winner's end its result was there."""
    crowd = [bench_winner.child(others=workers - 1), *(bench_loser.child() for _ in range(children - 1))]
    run = orchestrator.start(Parallel(children=crowd, strategy="any"))
    result = run.result(timeout=60)
    took = 1_000 * (time.perf_counter() - _ended.pop())
    if result.status != "succeeded":
        raise SystemExit(f"the race ended as {result.status}")
    run.settle(timeout=60)
    while _at_work.acquire(blocking=False):
        pass
    return took


def main() -> None:
    """Measure."""
    job = given()
    with Orchestrator(job.folder / "runs.db", max_workers=job.workers) as orchestrator:
        once(orchestrator, job.children, job.workers)
        times = [once(orchestrator, job.children, job.workers) for _ in range(job.repeats)]
    report(latencies(times))


if __name__ == "__main__":
    main()
