"""What views cost whoever writes, and how far they are behind."""

from __future__ import annotations

from benchmarks.players import OURS
from benchmarks.scenario import RATE, SECONDS, Case, Figure, Scenario, Target, at_most, entries, median, ratio

_COST = "20,000 children, 8 workers"
_LAG = "lag: 20,000 children, 8 workers"
_LAG_MS = Figure("largest lag, ms", "lag_ms")
_AGE_MS = Figure("by the events' own times, ms", "age_ms")


def _cases(full: bool) -> tuple[Case, ...]:
    job, rounds = {"children": 20_000, "workers": 8}, 5 if full else 1
    return (
        Case(_COST, job, entries(OURS, "orchestrator-no-views"), rounds, figures=(RATE, SECONDS)),
        Case(_LAG, job, entries("lag"), rounds, figures=(_LAG_MS, _AGE_MS)),
    )


SCENARIO = Scenario(
    "views",
    "Views",
    "The same no-op children with views kept up to date and without; then, in rounds of their own, for how long "
    "the oldest event that was not in the views yet had been on record.",
    _cases,
    (
        Target(
            "speed with views, of that without",
            ratio((_COST, OURS, RATE), (_COST, "orchestrator-no-views", RATE), 100.0),
            75.0,
            "%",
            guard=40.0,
        ),
        at_most("largest lag of a view at full speed", median(_LAG, "lag", _LAG_MS), 1_000, "ms"),
    ),
)
