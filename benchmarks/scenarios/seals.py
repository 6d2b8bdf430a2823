"""What seals cost."""

from __future__ import annotations

from benchmarks.scenario import Case, Figure, Scenario, at_most, entries, median

_CASE = "appends with an audit key, beside none"
_BATCH = Figure("200 events a commit, x as long", "batch_ratio", digits=3)
_SINGLE = Figure("one event a commit, x as long", "single_ratio", digits=3)


def _cases(full: bool) -> tuple[Case, ...]:
    if not full:
        return ()
    job = {"children": 1, "workers": 1, "repeats": 9}
    return (Case(_CASE, job, entries("seals"), 1, figures=(_SINGLE, _BATCH)),)


SCENARIO = Scenario(
    "seals",
    "Seals",
    "The same appends to a store with an audit key and to one without, in turn: how many times as long they take.",
    _cases,
    (
        at_most(
            "appends of 200 events with an audit key",
            median(_CASE, "seals", _BATCH),
            1.15,
            "x as long",
            guard=2.0,
        ),
    ),
)
