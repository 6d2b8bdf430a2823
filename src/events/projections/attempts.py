"""Attempts that have ended as rows, by the worker that ran them and in time; and how busy each worker was."""

from __future__ import annotations

from typing import Final

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


_COLUMNS: Final = tuple(ATTEMPTS.columns)

Attempt = tuple[int, str, int]
"""An attempt that runs: its number, its worker, when it was started."""

Ended = tuple[int, str, int, str, int, int, str]
"""An attempt that has ended: its row. Plain tuples, as there is one for each child of a batch."""


def writes(rows: list[Ended]) -> list[Write]:
    """Return what is written of the attempts that ended in a batch."""
    workers: dict[tuple[int, str], list[int]] = {}
    for run, worker, started_at, _, _, ended_at, _ in rows:
        done = workers.get((run, worker))
        if done is None:
            workers[run, worker] = [1, ended_at - started_at, ended_at]
        else:
            done[0] += 1
            done[1] += ended_at - started_at
            done[2] = ended_at
    columns = ("run", "worker", "attempts+", "busy+", "last_at")
    changed = [(*key, *values) for key, values in workers.items()]
    return [Write(ATTEMPTS, "insert", _COLUMNS, rows), Write(WORKERS, "put", columns, changed)]
