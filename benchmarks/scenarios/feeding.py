"""Children from a generator beside the same children from a list."""

from __future__ import annotations

from benchmarks.players import OURS
from benchmarks.scenario import PEAK, RATE, SECONDS, Case, Figure, Scenario, at_most, entries, ratio

_CASE = "10,000 children, 8 workers"
_AHEAD = Figure("ahead at most", "ahead")


def _cases(full: bool) -> tuple[Case, ...]:
    if not full:
        return ()
    job = {"children": 10_000, "workers": 8}
    return (Case(_CASE, job, entries(OURS, "orchestrator-fed"), 5, figures=(RATE, SECONDS, _AHEAD, PEAK)),)


SCENARIO = Scenario(
    "feeding",
    "Children from a generator",
    "The same no-op children, given as a list and fed from a generator. `ahead at most` is by how many children "
    "the generator was ahead of those that had ended.",
    _cases,
    (
        at_most(
            "children from a generator, beside a list",
            ratio((_CASE, "orchestrator-fed", SECONDS), (_CASE, OURS, SECONDS)),
            2.0,
            "x its time",
            guard=4.0,
        ),
    ),
)
