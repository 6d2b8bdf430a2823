"""Questions about a large run that is over."""

from __future__ import annotations

from benchmarks.scenario import Case, Figure, Found, Scenario, at_most, entries, median

_CASE = "a run of 1,000,000 children"
_NAMES = {
    "status": "status",
    "page": "50 children by index",
    "latest": "50 by end",
    "failed": "10 that failed",
    "list": "list",
    "small_page": "50 of a run of 1,000",
}
_MEDIANS = {name: Figure(f"{shown}, median, ms", f"{name}_median_ms", digits=2) for name, shown in _NAMES.items()}
_P99 = {name: Figure(f"{_NAMES[name]}, p99, ms", f"{name}_p99_ms", digits=2) for name in ("status", "page")}


def _cases(full: bool) -> tuple[Case, ...]:
    if not full:
        return ()
    job = {"children": 1_000_000, "workers": 1, "repeats": 2_000}
    return (Case(_CASE, job, entries("pages"), 1, 1_800, (*_MEDIANS.values(), *_P99.values())),)


def _times(found: Found) -> float | None:
    large, small = (found.median(_CASE, "pages", _MEDIANS[name]) for name in ("page", "small_page"))
    return None if large is None or not small else large / small


SCENARIO = Scenario(
    "pages",
    "Status and pages of a large run",
    "A store with a run of 1,000,000 children, asked by a fresh orchestrator, from its views; pages begin at "
    "random children. 2,000 times each, in turn.",
    _cases,
    (
        at_most(
            "status of a run of 1,000,000, 99th percentile",
            median(_CASE, "pages", _P99["status"]),
            5.0,
            "ms",
        ),
        at_most(
            "a page of 50 children of it, 99th percentile",
            median(_CASE, "pages", _P99["page"]),
            5.0,
            "ms",
        ),
        at_most("page of a large run, beside one of a small run", _times, 2.0, "x its time", guard=4.0),
    ),
)
