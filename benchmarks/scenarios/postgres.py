"""No-op children on PostgreSQL, beside SQLite and DBOS."""

from __future__ import annotations

from benchmarks.players import OURS
from benchmarks.scenario import RATE, SECONDS, Case, Scenario, Target, entries, median, ratio

_CASE = "10,000 children, 32 workers"


def _cases(full: bool) -> tuple[Case, ...]:
    peers = ("dbos-children-postgres", "dbos-steps-postgres") if full else ()
    job = {"children": 10_000, "workers": 32}
    players = entries("orchestrator-postgres", OURS, *peers)
    return (Case(_CASE, job, players, 5 if full else 1, figures=(RATE, SECONDS)),)


SCENARIO = Scenario(
    "postgres",
    "PostgreSQL",
    "No-op children on a private PostgreSQL server behind a local socket, with fsync and synchronous_commit on, "
    "beside SQLite, and beside DBOS on the same server.",
    _cases,
    (
        Target(
            "PostgreSQL, one parent of 10,000, 32 workers",
            median(_CASE, "orchestrator-postgres", RATE),
            5_000,
            "children/s",
        ),
        Target(
            "PostgreSQL beside SQLite",
            ratio((_CASE, "orchestrator-postgres", RATE), (_CASE, OURS, RATE), 100.0),
            25.0,
            "% of its speed",
            guard=5.0,
        ),
    ),
)
