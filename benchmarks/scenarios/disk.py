"""Bytes on disk a child."""

from __future__ import annotations

from benchmarks.players import OURS
from benchmarks.scenario import STORED, Case, Scenario, at_most, entries, median

_CASE = "10,000 children, 32 workers"


def _cases(full: bool) -> tuple[Case, ...]:
    job = {"children": 10_000, "workers": 32}
    return (Case(_CASE, job, entries(OURS, "orchestrator-no-views"), 5 if full else 1, figures=(STORED,)),)


SCENARIO = Scenario(
    "disk",
    "Bytes on disk a child",
    "The files of a store after 10,000 no-op children, closed in good order: the four facts of each child with "
    "their hashes, the snapshot, and the views (which can be had again from the facts).",
    _cases,
    (
        at_most("on disk, all four facts, views included", median(_CASE, OURS, STORED), 900, "bytes a child"),
        at_most(
            "on disk, all four facts, without views",
            median(_CASE, "orchestrator-no-views", STORED),
            900,
            "bytes a child",
        ),
    ),
)
