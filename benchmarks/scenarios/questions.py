"""Questions during full load."""

from __future__ import annotations

from benchmarks.scenario import RATE, Case, Figure, Scenario, entries

_FIGURES = (
    RATE,
    *(
        Figure(f"{shown}, {part}, ms", f"{name}_{measure}_ms", digits=1)
        for name, shown in (("status", "status"), ("page", "page of 50"), ("list", "list"))
        for part, measure in (("median", "median"), ("p99", "p99"))
    ),
)


def _cases(full: bool) -> tuple[Case, ...]:
    if not full:
        return ()
    children = 100_000
    job = {"children": children, "workers": 8}
    return (Case(f"{children:,} children, 8 workers", job, entries("questions"), 5, 900, _FIGURES),)


SCENARIO = Scenario(
    "questions",
    "Status queries during full load",
    "No-op children at full speed; meanwhile the same process asks for the run's status, for a page of 50 "
    "children, and for the list of runs, in turn, with 20 ms between. Each answer holds for what was on record "
    "when it was asked for.",
    _cases,
)
