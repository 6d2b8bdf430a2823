"""One child on an idle system."""

from __future__ import annotations

from benchmarks.players import POOL
from benchmarks.scenario import MEDIAN_MS, P99_MS, Case, Entry, Scenario, at_most, median

_CASE = "one child, 8 workers"


def _cases(full: bool) -> tuple[Case, ...]:
    job = {"children": 1, "workers": 8, "repeats": 200 if full else 100}
    players = (Entry("single"), Entry(POOL, {"how": "single"}))
    return (Case(_CASE, job, players, 5 if full else 2, figures=(MEDIAN_MS, P99_MS)),)


SCENARIO = Scenario(
    "single",
    "One child on an idle system",
    "From the call of `start()` until `result()` has returned: its start, its end and the decision are on disk by "
    "then. 200 times a round, in one process, with a pause between.",
    _cases,
    (
        at_most(
            "one child, idle system: start() to result(), median",
            median(_CASE, "single", MEDIAN_MS),
            3.0,
            "ms",
        ),
    ),
)
