"""Attempts that have ended as rows, by the worker that ran them and in time; and how busy each worker was."""

from __future__ import annotations

from typing import Final, NamedTuple

from events.projections.changes import Write
from events.projections.tables import Table

ATTEMPTS: Final = Table(
    name="attempts",
    columns={
        "run": "BIGINT",
        "worker": "TEXT",
        "started_at": "BIGINT",
        "id": "TEXT",
        "attempt": "BIGINT",
        "ended_at": "BIGINT",
        "outcome": "TEXT",
    },
    key=("run", "worker", "started_at", "id", "attempt"),
)
"""`run` is the run's key in `view_runs`, `id` the child's. Attempts that run are those of running children in
`view_children`. `outcome` is the child's where the attempt ended it, else `retried` or `lost`."""

WORKERS: Final = Table(
    name="workers",
    columns={"run": "BIGINT", "worker": "TEXT", "attempts": "BIGINT", "busy": "BIGINT", "last_at": "BIGINT"},
    key=("run", "worker"),
)
"""Of each worker: how many of its attempts have ended, how many microseconds they took in all, when the last ended."""


class Attempt(NamedTuple):
    """An attempt that runs."""

    number: int
    worker: str
    started_at: int


class Ended(NamedTuple):
    """An attempt that has ended."""

    run: int
    worker: str
    started_at: int
    id: str
    attempt: int
    ended_at: int
    outcome: str


def ended(run: int, child_id: str, attempt: Attempt, at: int, outcome: str) -> Ended:
    """Return the row of an attempt that ended at a time."""
    number, worker, started_at = attempt
    return Ended(run, worker, started_at, child_id, number, at, outcome)


def writes(rows: list[Ended]) -> list[Write]:
    """Return what is written of the attempts that ended in a batch."""
    workers: dict[tuple[int, str], tuple[int, int, int]] = {}
    for row in rows:
        count, busy, _ = workers.get((row.run, row.worker), (0, 0, 0))
        took = row.ended_at - row.started_at
        workers[row.run, row.worker] = count + 1, busy + took, row.ended_at
    columns = ("run", "worker", "attempts+", "busy+", "last_at")
    changed = [(*key, *values) for key, values in workers.items()]
    return [Write(ATTEMPTS, "insert", Ended._fields, rows), Write(WORKERS, "put", columns, changed)]
