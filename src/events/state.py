"""What a parent's facts add up to. Immutable: `evolve` makes the next one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from events.facts import ChildPrepared
from events.strategy import ALL, OnDecided, Outcome, Status, Strategy, Tally, calculate_status
from events.table import Table

Phase = Literal["prepared", "waiting", "running", "succeeded", "failed", "timed_out", "cancelled", "skipped"]
"""Where a child is. `waiting`: it may be started (for the first time, or again); the last five are outcomes."""


class ChildState(NamedTuple):
    """One child as the facts leave it."""

    place: int
    """Its index in the parent, from 0."""
    phase: Phase
    prepared: ChildPrepared | None
    """What it is to do; dropped once it ended, for the memory's sake."""
    attempts: int = 0
    """How many attempts were started."""
    failures: int = 0
    """How many of them failed or timed out."""

    @property
    def untouched(self) -> bool:
        """Whether the child was never started and has not ended."""
        return self.attempts == 0 and self.phase in ("waiting", "prepared")


class Running(NamedTuple):
    """An attempt that was started and has not ended, as far as the facts know."""

    attempt: int
    worker: str
    started_at: int


class Decision(NamedTuple):
    """The decision on record."""

    status: Status
    why: str
    child_id: str | None


@dataclass(frozen=True)
class ParentState:
    """A parent at one version of its stream.

    Children are found by id; those that may be started are `next_index` and up, and those in `requeued`.
    Times are microseconds since 1970, None where the thing has not happened.
    """

    version: int = 0
    strategy: Strategy = ALL
    max_workers: int = 1
    on_decided: OnDecided = "cancel"
    content: str = ""
    timeout_seconds: float | None = None
    metadata: str | None = None
    owner: str | None = None
    epoch: int = 0
    membership_closed: bool = False
    children: Table[str, ChildState] = field(default_factory=Table)
    order: Table[int, str] = field(default_factory=Table)
    """Child ids by index."""
    running: Table[str, Running] = field(default_factory=Table)
    requeued: Table[str, int] = field(default_factory=Table)
    """Children to be started again, by id: not before which time."""
    total: int = 0
    created: int = 0
    """Children 0 to created - 1 have been released."""
    next_index: int = 0
    """Children below this index have been started or have ended."""
    ahead: int = 0
    """How many children above `next_index` have been started or have ended too (out of order)."""
    running_count: int = 0
    requeued_count: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    cancelled: int = 0
    skipped: int = 0
    cancel_requested: bool = False
    deadline_passed: bool = False
    decision: Decision | None = None
    created_at: int | None = None
    started_at: int | None = None
    decided_at: int | None = None
    settled_at: int | None = None

    def replace(self, **changes: Any) -> ParentState:
        """Return a copy with some fields changed (what `dataclasses.replace` does, several times as fast)."""
        state = object.__new__(ParentState)
        object.__setattr__(state, "__dict__", self.__dict__ | changes)
        return state

    @property
    def exists(self) -> bool:
        """Whether there is such a parent at all."""
        return self.version > 0

    @property
    def ended(self) -> int:
        """How many children have an outcome."""
        return self.succeeded + self.failed + self.timed_out + self.cancelled + self.skipped

    @property
    def tally(self) -> Tally:
        """What the status rule looks at."""
        ended = self.ended
        return Tally(
            self.total,
            self.succeeded,
            ended - self.succeeded,
            self.started_at is not None or ended > 0,
            not self.membership_closed,
            self.cancel_requested,
            self.deadline_passed,
            None if self.decision is None else self.decision.status,
        )

    @property
    def status(self) -> Status:
        """The parent's status, by the one rule."""
        return calculate_status(self.strategy, self.tally)

    @property
    def settled(self) -> bool:
        """Whether the parent is decided and every child has an outcome."""
        return self.settled_at is not None

    @property
    def halting(self) -> bool:
        """Whether no child is to be started any more, because the parent is decided."""
        return self.decision is not None and (
            self.on_decided != "continue" or self.decision.status in ("cancelled", "timed_out")
        )


def outcome_of(phase: Phase) -> Outcome | None:
    """Return the outcome a phase stands for, or None where the child is still open."""
    return None if phase == "prepared" or phase == "waiting" or phase == "running" else phase
