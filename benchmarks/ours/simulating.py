"""How many simulated machines full of faults are played a second on one core, and how fast that core is."""

from __future__ import annotations

import time

from tests.simulation.campaign import play_all

from benchmarks.job import given, report

_ADDITIONS = 10_000_000


def counted() -> float:
    """Return how many seconds of processor time it takes to add one ten million times."""
    began, total = time.process_time(), 0
    while total < _ADDITIONS:
        total += 1
    return time.process_time() - began


def main() -> None:
    """Measure: so many seeds, the first ones besides, which bring in what is imported late."""
    job = given()
    play_all(range(20))
    count_seconds = counted()
    tally = play_all(range(20, 20 + job.children))
    if tally.failures:
        raise SystemExit(tally.failures[0])
    report({"seconds": tally.busy_seconds, "count_ms": 1_000 * count_seconds})


if __name__ == "__main__":
    main()
