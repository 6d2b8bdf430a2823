"""The children of runs as rows: where each is, and which events hold what it was given, returned and raised."""

from __future__ import annotations

from collections.abc import Callable, Collection
from operator import attrgetter
from typing import Any, Final

from events.facts import (
    AttemptLost,
    ChildFinished,
    ChildPrepared,
    ChildProgressed,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
)
from events.projections.changes import Write
from events.projections.tables import Index, Table

CHILDREN: Final = Table(
    name="children",
    columns={
        "run": "BIGINT",
        "id": "TEXT",
        "place": "BIGINT",
        "status": "TEXT",
        "attempts": "BIGINT",
        "worker": "TEXT",
        "started_at": "BIGINT",
        "finished_at": "BIGINT",
        "prepared_version": "BIGINT",
        "output_version": "BIGINT",
        "error_version": "BIGINT",
        "said_version": "BIGINT",
    },
    key=("run", "id"),
    indexes=(
        Index(("run", "status", "place")),
        Index(("run", "status", "finished_at", "place"), where="finished_at IS NOT NULL"),
    ),
)
"""`run` is the row's key in `view_runs`, `place` the child's index. The versions are those of the events in the run
that hold its input, its output, its error, and what its running attempt said last; 0 where there is none."""

_NEW: Final = tuple(CHILDREN.columns)
_CHANGED: Final = (
    *("run", "id", "status", "finished_at", "attempts?", "worker?", "started_at?"),
    *("output_version?", "error_version?", "said_version?"),
)


class ChildRow:
    """What a batch of events makes of one child. What is None stays as it is, but `finished_at`."""

    __slots__ = tuple(CHILDREN.columns)
    run: int
    id: str
    place: int | None
    status: str
    attempts: int | None
    worker: str | None
    started_at: int | None
    finished_at: int | None
    prepared_version: int | None
    output_version: int | None
    error_version: int | None
    said_version: int | None

    def __init__(self, run: int, child_id: str) -> None:
        self.run = run
        self.id = child_id
        self.status = "running"  # who only says how far it is does run
        self.place = self.attempts = self.worker = self.started_at = self.finished_at = None
        self.prepared_version = self.output_version = self.error_version = self.said_version = None

    def prepare(self, fact: ChildPrepared, version: int) -> None:
        """Take the event that made the child known."""
        self.status, self.place, self.prepared_version, self.attempts = "pending", fact.index, version, 0
        self.output_version = self.error_version = self.said_version = 0

    def say(self, _: ChildProgressed, version: int) -> None:
        """Take what the running attempt said."""
        self.said_version = version

    def start(self, fact: ChildStarted) -> None:
        """Take the start of an attempt."""
        self.status, self.attempts, self.started_at, self.worker = "running", fact.attempt, fact.at, fact.worker
        self.finished_at, self.said_version = None, 0

    def finish(self, fact: ChildFinished, version: int) -> None:
        """Take the child's end."""
        self.status, self.finished_at, self.said_version = fact.outcome, fact.at, 0
        self.output_version = 0 if fact.output is None and fact.output_file is None else version
        self.error_version = 0 if fact.error is None and fact.error_file is None else version

    def put_back(self, fact: ChildRetryScheduled | AttemptLost | ChildRedriven, version: int) -> None:
        """Take what lets the child wait once more; what went wrong stays to be seen."""
        self.status, self.finished_at, self.said_version = "pending", None, 0
        if isinstance(fact, ChildRetryScheduled):
            self.error_version = version


_new: Final[Callable[[ChildRow], tuple[Any, ...]]] = attrgetter(*_NEW)
"""Returns the row of a child that was not there before."""
_changed: Final[Callable[[ChildRow], tuple[Any, ...]]] = attrgetter(*(name.rstrip("?") for name in _CHANGED))
"""Returns what becomes of the row of a child that was there."""


def writes(rows: Collection[ChildRow]) -> list[Write]:
    """Return what is written of the children that a batch touched."""
    new = [_new(row) for row in rows if row.place is not None]
    changed = [_changed(row) for row in rows if row.place is None]
    return [Write(CHILDREN, "insert", _NEW, new), Write(CHILDREN, "update", _CHANGED, changed)]
