"""Reopening after kill -9."""

from __future__ import annotations

from benchmarks.scenario import Case, Entry, Figure, Scenario, at_most, median

_MOST = "100,000 open children"
_FIRST = Figure("the first child runs, ms", "first_child_ms")
_FIGURES = (
    Figure("the run is claimed, ms", "claimed_ms"),
    _FIRST,
    Figure("the same, processor time, ms", "processor_ms"),
    Figure("the same, whole process, ms", "whole_process_ms"),
    Figure("the first child runs, without the snapshot, ms", "first_child_without_ms"),
)


def _cases(full: bool) -> tuple[Case, ...]:
    sizes = ((100, 50), (10_000, 20), (100_000, 7)) if full else ((10_000, 2),)
    cases = [
        Case(
            f"{children:,} open children",
            {"children": children, "workers": 8, "repeats": repeats, "how": "killed"},
            (Entry("reopening"),),
            1,
            900,
            _FIGURES,
        )
        for children, repeats in sizes
    ]
    if full:
        job = {"children": 260_000, "workers": 8, "repeats": 5, "how": "long"}
        cases.append(Case("1,000,000 events, 20,000 open children", job, (Entry("reopening"),), 1, 900, _FIGURES))
    return tuple(cases)


SCENARIO = Scenario(
    "reopening",
    "Reopening after kill -9",
    "A process is killed while eight of its children run; a new process opens a copy of its files and goes on. "
    "From the call of `Orchestrator` until the run is claimed on record, and until the first child is at work "
    "again.",
    _cases,
    (
        at_most(
            "reopen with 100,000 unfinished children, first one running again",
            median(_MOST, "reopening", _FIRST),
            2_000,
            "ms",
        ),
    ),
)
