"""`any` of many."""

from __future__ import annotations

from benchmarks.players import POOL
from benchmarks.scenario import MEDIAN_MS, P99_MS, Case, Entry, Scenario, at_most, median

_CASE = "any of 1,000, 8 workers"


def _cases(full: bool) -> tuple[Case, ...]:
    job = {"children": 1_000, "workers": 8, "repeats": 200 if full else 20}
    return (Case(_CASE, job, (Entry("race"), Entry(POOL, {"how": "any"})), 5 if full else 1, 300, (MEDIAN_MS, P99_MS)),)


SCENARIO = Scenario(
    "any",
    "`any` of 1,000",
    "1,000 children of which one succeeds, after 100 ms, while seven others are at work: from the end of its function "
    "until `result()` has returned. Its end and the decision are on disk by then. 200 times a round, in one process.",
    _cases,
    (
        at_most(
            "`any` of 1,000: result after the winner ends, 99th percentile",
            median(_CASE, "race", P99_MS),
            5.0,
            "ms",
        ),
    ),
)
