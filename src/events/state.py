"""What a parent's facts add up to. Nobody changes a state that others may have: `evolve` makes the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from events.built_in_tasks import NESTED_TASK as NESTED_TASK
from events.facts import ChildLimits, ParentCreated, Within
from events.order import Order
from events.payload_files import PayloadRef
from events.strategy import ALL, OnDecided, Outcome, Status, Strategy, Tally, calculate_status
from events.table import Table

NESTED_WORKER: Final = "nested"
"""Who runs such a child: nobody. It takes one of its parent's places, and none of the pool's slots."""

Phase = Literal["prepared", "waiting", "running", "succeeded", "failed", "timed_out", "cancelled", "skipped"]
"""Where a child is. `waiting`: it may be started (for the first time, or again); the last five are outcomes."""


class ChildWork(NamedTuple):
    """What a child is to do, with what, and within which limits: as much of `ChildPrepared` as is asked for later."""

    task: str
    input: str
    limits: ChildLimits | None = None
    input_file: PayloadRef | None = None


class ChildState(NamedTuple):
    """One child as the facts leave it. Small, for there may be a million of them."""

    place: int
    """Its index in the parent, from 0."""
    phase: Phase
    prepared: ChildWork | None
    """What it is to do; dropped once it succeeded, for the memory's sake."""
    attempts: int = 0
    """How many attempts were started."""
    failures: int = 0
    """How many of them failed or timed out, since the latest redrive."""
    crashes: int = 0
    """How many of them were lost because their worker died of them, since the latest redrive."""
    again: int = 0
    """How often the child was put back to be run again after it had failed: by a retry or by a redrive."""
    first_at: int = 0
    """When its first attempt since the latest redrive was started; kept where its whole time is limited."""
    since: int = 0
    """Since when it could be started; kept where the wait for a start is limited."""

    @property
    def untouched(self) -> bool:
        """Whether the child was never started, has not ended, and was not put back."""
        return self.attempts == 0 and self.again == 0 and self.phase in ("waiting", "prepared")

    @property
    def nested(self) -> bool:
        """Whether the child is itself a parent. Known as long as it has not succeeded."""
        return self.prepared is not None and self.prepared.task == NESTED_TASK


_CHILD: Final[Callable[[tuple[Any, ...]], ChildState]] = partial(tuple.__new__, ChildState)
_SUCCEEDED: Final = ("succeeded", None, 1, 0, 0, 0, 0, 0)
"""What is said, but for its place, of a child that succeeded at its first attempt: of nearly all of very many."""


class Children(Table[str, ChildState]):
    """Children by id. Of those that succeeded at their first attempt only the places are kept."""

    __slots__ = ()

    def __init__(self, data: dict[str, Any] | None = None, places: dict[str, int] | None = None) -> None:
        kept = {} if data is None else data
        for child_id, child in kept.items():
            if child.__class__ is ChildState and child[1:] == _SUCCEEDED:
                kept[child_id] = child.place
        super().__init__(kept, places)

    def put(self, key: str, value: ChildState) -> None:
        """Set a child in place."""
        kept: Any = value.place if value[1] == "succeeded" and value[1:] == _SUCCEEDED else value
        Table.put(self, key, kept)

    def get(self, key: str) -> ChildState | None:
        """Return the child of an id, or None."""
        data = self._data
        kept: Any = Table.get(self, key) if data is None else data.get(key)
        return _CHILD((kept, *_SUCCEEDED)) if kept.__class__ is int else kept

    def __getitem__(self, key: str) -> ChildState:
        data = self._data
        kept: Any = Table.__getitem__(self, key) if data is None else data[key]
        return _CHILD((kept, *_SUCCEEDED)) if kept.__class__ is int else kept

    def items(self) -> Iterator[tuple[str, ChildState]]:
        """Iterate over ids and children as they are in this version. Be done before the next change of the table."""
        kept: Any
        for child_id, kept in self._resolved()[0].items():
            yield child_id, _CHILD((kept, *_SUCCEEDED)) if kept.__class__ is int else kept


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


@dataclass(eq=False)
class ParentState:
    """A parent at one version of its stream.

    A state that was handed on stays as it is for ever. Only `events.evolve` changes one in place, that it has `opened`
    itself and nobody else has yet.

    Children are found by id; those that may be started are `next_index` and up, and those in `requeued`.
    Times are microseconds since 1970, None where the thing has not happened.
    """

    version: int = 0
    origin: ParentCreated | None = None
    """What the parent was asked to be; the fields below may have changed since."""
    strategy: Strategy = ALL
    max_workers: int = 1
    on_decided: OnDecided = "cancel"
    content: str = ""
    timeout_seconds: float | None = None
    metadata: str | None = None
    retry_budget: int | None = None
    seed: int = 0
    weight: int = 1
    priority: int = 0
    within: Within | None = None
    owner: str | None = None
    epoch: int = 0
    membership_closed: bool = False
    children: Table[str, ChildState] = field(default_factory=Children)
    order: Order = field(default_factory=Order)
    """Child ids by index. Follows from `children`."""
    running: Table[str, Running] = field(default_factory=Table)
    requeued: Table[str, int] = field(default_factory=Table)
    """Children to be started again, by id: not before which time."""
    asked_to_stop: Table[str, str] = field(default_factory=Table)
    """Running children that were cancelled by themselves, by id: why."""
    late: Table[tuple[str, int], int] = field(default_factory=Table)
    """When attempts ended after all that had been given up, by child and number."""
    total: int = 0
    created: int = 0
    """Children 0 to created - 1 have been released, or were given up before."""
    next_index: int = 0
    """Children below this index have been started or have ended."""
    ahead: int = 0
    """How many children above `next_index` have been started or have ended too (out of order)."""
    running_count: int = 0
    requeued_count: int = 0
    nested_running: int = 0
    """How many of the running children are parents themselves."""
    nested_untouched: int = 0
    """How many of the created, untouched children are."""
    nested_requeued: int = 0
    """How many of those to be started again are."""
    retries: int = 0
    """How many retries there were since the latest redrive."""
    timed: bool = False
    """Whether any child has a limit on how long it may wait, or take in all."""
    paused: bool = False
    resumed_at: int = 0
    """When the parent was last resumed, 0 where it never was: waits for a start count from then at the earliest."""
    redacted: bool = False
    """Whether its texts were destroyed: it never runs again."""
    redrives: int = 0
    redriving_at: int = 0
    """The version up to which the latest redrive names its children."""
    redrive_token: str | None = None
    """That of the latest redrive that had one."""
    deadline_from: int | None = None
    """From when on the parent's own time counts: its creation, or its latest redrive."""
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
        state: ParentState = object.__new__(ParentState)
        state.__dict__.update(self.__dict__ | changes)
        return state

    def opened(self) -> ParentState:
        """Return a copy that may be changed in place by whoever opened it, the tables that change most often, too."""
        state: ParentState = object.__new__(ParentState)
        state.__dict__.update(self.__dict__)
        state.children, state.order, state.running = self.children.opened(), self.order.opened(), self.running.opened()
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
    def leaves_running(self) -> int:
        """How many running children take a slot of the pool."""
        return self.running_count - self.nested_running

    @property
    def halting(self) -> bool:
        """Whether no child is to be started any more, because the parent is decided."""
        return self.decision is not None and (self.on_decided != "continue" or self.stopping)

    @property
    def stopping(self) -> bool:
        """Whether what runs is asked to stop, because the parent is decided, or was cancelled after that."""
        return self.decision is not None and (
            self.on_decided == "cancel" or self.cancel_requested or self.decision.status in ("cancelled", "timed_out")
        )


def outcome_of(phase: Phase) -> Outcome | None:
    """Return the outcome a phase stands for, or None where the child is still open."""
    return None if phase == "prepared" or phase == "waiting" or phase == "running" else phase
