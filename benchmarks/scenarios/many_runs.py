"""Many small parents at once."""

from __future__ import annotations

from benchmarks.players import OURS, POOL
from benchmarks.scenario import RATE, SECONDS, STORED, Case, Entry, Scenario, Target, median

_CASE = "1,000 parents of 10 children, 32 workers"
_FEWER = 100
"""So many parents has DBOS, so that a round takes some 10 s."""


def _cases(full: bool) -> tuple[Case, ...]:
    job = {"children": 10, "parents": 1_000, "workers": 32}
    dbos = (Entry("dbos-children", {"parents": _FEWER}), Entry("dbos-steps", {"parents": 2 * _FEWER}))
    players = (Entry(OURS), Entry(POOL), *(dbos if full else ()))
    return (Case(_CASE, job, players, 5 if full else 1, figures=(RATE, SECONDS, STORED)),)


SCENARIO = Scenario(
    "many-runs",
    "Many small parents",
    "1,000 parents with 10 no-op children each, all started one after the other and then waited for. A bare pool "
    "has no parents: it has 10,000 children. Of the peers only DBOS keeps a record of a parent that others could "
    "be started beside; the column says how many children it had.",
    _cases,
    (Target("1,000 parents of 10 children", median(_CASE, OURS, RATE), 10_000, "children/s"),),
)
