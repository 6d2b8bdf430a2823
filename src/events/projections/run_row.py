"""A run as a row: its status, its counts, and what its status is worked out from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from events.facts import (
    LimitsChanged,
    OwnershipTaken,
    ParentCreated,
    ParentDecided,
    ParentSettled,
    Redriven,
)
from events.projections.attempts import Attempt
from events.projections.children import ChildRow
from events.projections.tables import Index, Table
from events.strategy import Status, Strategy, Tally, calculate_status

_COUNTS: Final = ("total", "running", "succeeded", "failed", "timed_out", "cancelled", "skipped")
_TIMES: Final = ("created_at", "started_at", "decided_at", "settled_at")
_FLAGS: Final = ("open", "paused", "cancel_requested", "deadline_passed")

RUNS: Final = Table(
    name="runs",
    columns={
        "run": "BIGINT",
        "id": "TEXT",
        "status": "TEXT",
        "kind": "TEXT",
        "required": "BIGINT",
        **dict.fromkeys(("pending", *_COUNTS), "BIGINT"),
        "position": "BIGINT",
        "version": "BIGINT",
        "decided_by": "TEXT",
        "why": "TEXT",
        **dict.fromkeys(_TIMES, "BIGINT"),
        "owner": "TEXT",
        "epoch": "BIGINT",
        "strategy": "TEXT",
        "max_workers": "BIGINT",
        "on_decided": "TEXT",
        "attempts": "BIGINT",
        "outer_id": "TEXT",
        "outer_child": "TEXT",
        **dict.fromkeys(_FLAGS, "BIGINT"),
    },
    key=("run",),
    indexes=(
        Index(("id",), unique=True),
        ("position",),
        ("status", "run"),
        ("status", "position"),
    ),
)
"""`run` is the position of the run's first event, so runs are in order of creation. `position` and `version` are those
of its latest event. Times are microseconds since 1970, flags 0 or 1."""

COLUMNS: Final = tuple(RUNS.columns)


@lru_cache(maxsize=1024)
def _strategy(text: str) -> Strategy:
    return Strategy.model_validate_json(text)


class RunRow:
    """A run while its events are folded.

    `attempts_running` are those under way, by their children's ids; `children` are those that the batch has touched.
    """

    __slots__ = (
        *(
            *_COUNTS,
            *_TIMES,
            *_FLAGS,
            "attempts",
            "children",
            "decided_by",
            "epoch",
            "id",
            "key",
            "max_workers",
            "on_decided",
        ),
        *("outer_child", "outer_id", "owner", "position", "attempts_running", "status", "strategy", "version", "why"),
    )
    total: int
    running: int
    succeeded: int
    failed: int
    timed_out: int
    cancelled: int
    skipped: int
    created_at: int | None
    started_at: int | None
    decided_at: int | None
    settled_at: int | None

    def __init__(self, key: int, run_id: str) -> None:
        self.key = key
        self.id = run_id
        self.position = self.version = self.epoch = self.attempts = 0
        for name in _COUNTS:
            setattr(self, name, 0)
        for name in _TIMES:
            setattr(self, name, None)
        self.open, self.paused, self.cancel_requested, self.deadline_passed = 1, 0, 0, 0
        self.status: Status = "pending"
        self.strategy = Strategy(kind="all")
        self.max_workers = 1
        self.on_decided: str = "cancel"
        self.owner: str | None = None
        self.decided_by: str | None = None
        self.why: str | None = None
        self.outer_id: str | None = None
        self.outer_child: str | None = None
        self.attempts_running: dict[str, Attempt] = {}
        self.children: dict[str, ChildRow] = {}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> RunRow:
        """Return what stands in a row; which children run is not among it."""
        row = cls(values["run"], values["id"])
        for name in RUNS.columns:
            if name not in ("run", "kind", "required", "pending", "strategy"):
                setattr(row, name, values[name])
        row.strategy = _strategy(values["strategy"])
        return row

    def values(self) -> tuple[Any, ...]:
        """Return the row."""
        self.running = len(self.attempts_running)
        self.status = calculate_status(self.strategy, self._tally())
        ended = self.succeeded + self.failed + self.timed_out + self.cancelled + self.skipped
        worked_out = {
            "run": self.key,
            "kind": self.strategy.kind,
            "required": self.strategy.required(self.total),
            "pending": self.total - self.running - ended,
            "strategy": self.strategy.model_dump_json(exclude_none=True),
        }
        return tuple([worked_out[name] if name in worked_out else getattr(self, name) for name in COLUMNS])

    def _tally(self) -> Tally:
        failed = self.failed + self.timed_out + self.cancelled + self.skipped
        return Tally(
            total=self.total,
            succeeded=self.succeeded,
            failed=failed,
            started=self.started_at is not None or self.succeeded + failed > 0,
            open_membership=bool(self.open),
            cancel_requested=bool(self.cancel_requested),
            deadline_passed=bool(self.deadline_passed),
            decided=None if self.decided_at is None else self.status,
        )

    def child(self, child_id: str) -> ChildRow:
        """Return what the batch under way makes of one of its children."""
        child = self.children.get(child_id)
        if child is None:
            child = self.children[child_id] = ChildRow(self.key, child_id)
        return child

    def count(self, outcome: str, by: int) -> None:
        """Count a child that ended so, or take it back."""
        setattr(self, outcome, getattr(self, outcome) + by)

    # What happens to it as a whole

    def create(self, fact: ParentCreated) -> None:
        """Take the first event."""
        self.created_at, self.strategy = fact.at, fact.strategy
        self.max_workers, self.on_decided = fact.max_workers, fact.on_decided
        if fact.within is not None:
            self.outer_id, self.outer_child = fact.within.parent_id, fact.within.child_id

    def close(self, _: object) -> None:
        """Take that no more children will come."""
        self.open = 0

    def take_over(self, fact: OwnershipTaken) -> None:
        """Take who owns it now."""
        self.owner, self.epoch = fact.owner, fact.epoch

    def let_go(self, _: object) -> None:
        """Take that nobody owns it."""
        self.owner = None

    def ask_to_cancel(self, _: object) -> None:
        """Take that somebody asked for its end."""
        self.cancel_requested = 1

    def run_out_of_time(self, _: object) -> None:
        """Take that its time is up."""
        self.deadline_passed = 1

    def pause(self, _: object) -> None:
        """Take that nothing is to be started."""
        self.paused = 1

    def go_on(self, _: object) -> None:
        """Take that it goes on."""
        self.paused = 0

    def change(self, fact: LimitsChanged) -> None:
        """Take what it may do from now on."""
        self.max_workers = fact.max_workers or self.max_workers
        self.strategy = fact.strategy or self.strategy

    def redrive(self, fact: Redriven) -> None:
        """Take that it is open again."""
        self.on_decided = fact.on_decided
        self.paused = self.cancel_requested = self.deadline_passed = 0
        self.decided_by = self.why = self.decided_at = self.settled_at = None

    def decide(self, fact: ParentDecided) -> None:
        """Take its decision."""
        self.status, self.why, self.decided_by, self.decided_at = fact.status, fact.why, fact.child_id, fact.at

    def settle(self, fact: ParentSettled) -> None:
        """Take that every child has an outcome."""
        self.settled_at = fact.at
