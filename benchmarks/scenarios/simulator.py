"""The simulator: seeds a second."""

from __future__ import annotations

from benchmarks.scenario import Case, Figure, Scenario, Target, entries, median

_CASE = "200 seeds on one core"
_SEEDS = Figure("seeds a second of processor time", "seconds", rate=True, digits=1)
_COUNT = Figure("ten million additions on the same core, ms", "count_ms")


def _cases(full: bool) -> tuple[Case, ...]:
    job = {"children": 200, "workers": 1}
    return (Case(_CASE, job, entries("simulating"), 5 if full else 1, figures=(_SEEDS, _COUNT)),)


SCENARIO = Scenario(
    "simulator",
    "The simulator",
    "Simulated machines full of faults, as `make simulate` plays them, each to its end and with everything checked; "
    "beside it how long the same core takes to count to ten million.",
    _cases,
    (Target("seeds a second on one core", median(_CASE, "simulating", _SEEDS), 100, "seeds/s"),),
)
