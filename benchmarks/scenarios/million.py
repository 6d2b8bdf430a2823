"""A million children in one parent."""

from __future__ import annotations

from benchmarks.players import OURS, POOL
from benchmarks.scenario import PEAK, RATE, SECONDS, STORED, Case, Entry, Found, Scenario, at_most, entries, median

_MILLION = "1,000,000 children, 32 workers"
_SMALL = "10,000 children, 32 workers, in the same run"
_FED = "1,000,000 children from a generator, 8 workers"
_FIGURES = (RATE, SECONDS, STORED, PEAK)


def _cases(full: bool) -> tuple[Case, ...]:
    if not full:
        return ()
    job = {"children": 1_000_000, "workers": 32}
    small = {"children": 10_000, "workers": 32}
    fed = {"children": 1_000_000, "workers": 8}
    return (
        Case(_SMALL, small, entries(OURS, POOL), 5, 120, _FIGURES),
        Case(_MILLION, job, entries(OURS, POOL), 3, 1_200, _FIGURES),
        Case(_FED, fed, (Entry("orchestrator-fed"),), 3, 1_200, _FIGURES),
    )


def _cost(found: Found) -> float | None:
    """Return how many times as much a child costs in the run of a million."""
    large, small = found.median(_MILLION, OURS, RATE), found.median(_SMALL, OURS, RATE)
    return None if not large or not small else small / large


SCENARIO = Scenario(
    "million",
    "A million children",
    "One parent with 1,000,000 children that do nothing: given as a list, and fed lazily from a generator. Three "
    "rounds; memory is the most that the process had resident at any time. None of the peers with a record is "
    "asked for so many: at their rates a round would take minutes to hours.",
    _cases,
    (
        at_most("a child of a million costs, of 10,000", _cost, 1.3, "x as much", guard=3.0),
        at_most("1,000,000 children in one parent, peak memory", median(_MILLION, OURS, PEAK), 1_536, "MiB"),
        at_most(
            "1,000,000 children fed from a generator, peak memory",
            median(_FED, "orchestrator-fed", PEAK),
            400,
            "MiB",
        ),
    ),
)
