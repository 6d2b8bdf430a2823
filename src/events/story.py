"""What of a parent's history says why it stands as it does. Folded fact by fact, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from events.catalogue import type_name
from events.evolve import INITIAL
from events.facts import (
    CancelRequested,
    ChildFinished,
    ChildRedriven,
    DeadlinePassed,
    Fact,
    LimitsChanged,
    ParentCreated,
    ParentDecided,
    ParentSettled,
    Paused,
    Redriven,
    Resumed,
)
from events.state import ParentState
from events.strategy import FINAL_STATUSES, Outcome, Status, Strategy, Tally, calculate_status
from events.views import Counts, counts

_KEPT_MAX: Final = 100
"""Of how many children that ended without success it is kept how."""
NAMED_MAX: Final = 5
"""How many children, and how many redrives, an explanation names."""


class Ending(NamedTuple):
    """How a child ended."""

    child_id: str
    outcome: Outcome
    attempts: int
    error: str | None
    """As it is on record."""
    position: int


class Mark(NamedTuple):
    """Something that happened to the parent as a whole."""

    type: str
    """The stored name of the event."""
    position: int
    at: int
    """Microseconds since 1970."""
    reason: str | None = None


class RedriveMark(NamedTuple):
    """A redrive, and what the parent was before it."""

    position: int
    at: int
    reason: str
    status_before: Status
    decided_before: int
    """The position of the decision that it undid."""
    children: int
    """How many children were put back."""


class Verdict(NamedTuple):
    """A decision, and how things stood when it fell."""

    status: Status
    position: int
    at: int
    recorded: bool
    """Whether the decision itself is on record; the rule brings it about, and an event later it is."""
    agrees: bool
    """Whether the rule, applied to how things stood, comes to this status."""
    strategy: Strategy
    tally: Tally
    counts: Counts
    cause: Mark
    """The event that brought it about."""
    decider: Ending | None
    """The child whose end that was, if it was one's."""
    others: tuple[Ending, ...]
    """The first of the other children that had ended without success."""


class Story:
    """The history of one parent, as far as it explains how it stands."""

    def __init__(self) -> None:
        self.state: ParentState = INITIAL
        self.latest = Mark("", 0, 0)
        """The last event."""
        self.created: Mark | None = None
        self.cancelled: Mark | None = None
        """The latest request to cancel the parent, since the latest redrive."""
        self.deadline: Mark | None = None
        self.paused: Mark | None = None
        self.rule_changed: Mark | None = None
        """When the strategy last became another one."""
        self.settled: Mark | None = None
        self.redrives: deque[RedriveMark] = deque(maxlen=NAMED_MAX)
        """The latest of them."""
        self._verdict: Verdict | None = None
        self._ended: Ending | None = None
        """The child that ended last."""
        self._unsuccessful: dict[str, Ending] = {}

    def take(self, fact: Fact, position: int, state: ParentState) -> None:
        """Take one more fact, its position, and the state after it."""
        mark = Mark(type_name(fact), position, fact.at, getattr(fact, "reason", None))
        if isinstance(fact, ChildFinished):
            self._child_finished(fact, position)
        elif isinstance(fact, ChildRedriven):
            self._child_redriven(fact)
        elif isinstance(fact, ParentDecided):
            self._verdict = self._judged(fact, mark)
        else:
            self._parent(fact, mark)
        self.state, self.latest = state, mark

    def _parent(self, fact: Fact, mark: Mark) -> None:
        if isinstance(fact, Redriven):
            self._redriven(fact, mark)
        elif isinstance(fact, CancelRequested):
            self.cancelled = mark
        elif isinstance(fact, DeadlinePassed):
            self.deadline = mark
        elif isinstance(fact, Paused):
            self.paused = mark
        elif isinstance(fact, Resumed):
            self.paused = None
        elif isinstance(fact, LimitsChanged) and fact.strategy is not None:
            self.rule_changed = mark
        elif isinstance(fact, ParentSettled):
            self.settled = mark
        elif isinstance(fact, ParentCreated):
            self.created = mark

    def _child_finished(self, fact: ChildFinished, position: int) -> None:
        self._ended = Ending(fact.child_id, fact.outcome, fact.attempt, fact.error, position)
        if fact.outcome != "succeeded" and len(self._unsuccessful) < _KEPT_MAX:
            self._unsuccessful[fact.child_id] = self._ended

    def _child_redriven(self, fact: ChildRedriven) -> None:
        self._unsuccessful.pop(fact.child_id, None)
        if self.redrives:
            self.redrives[-1] = self.redrives[-1]._replace(children=self.redrives[-1].children + 1)

    def _redriven(self, fact: Redriven, mark: Mark) -> None:
        before = self.verdict
        if before is not None:
            self.redrives.append(
                RedriveMark(mark.position, mark.at, fact.reason, before.status, before.position, children=0)
            )
        self._verdict = self.cancelled = self.deadline = self.paused = self.settled = None

    def _judged(self, fact: ParentDecided, mark: Mark) -> Verdict:
        ended = self._ended
        decider = ended if ended is not None and ended.child_id == fact.child_id else None
        return self._verdict_of(fact.status, mark, decider, recorded=True)

    def _verdict_of(self, status: Status, mark: Mark, decider: Ending | None, *, recorded: bool) -> Verdict:
        state = self.state
        tally = state.tally._replace(decided=None)
        return Verdict(
            status=status,
            position=mark.position,
            at=mark.at,
            recorded=recorded,
            agrees=calculate_status(state.strategy, tally) == status,
            strategy=state.strategy,
            tally=tally,
            counts=counts(state),
            cause=self.latest,
            decider=decider,
            others=tuple(islice(self._others(decider), NAMED_MAX)),
        )

    def _others(self, decider: Ending | None) -> Iterator[Ending]:
        return (ending for ending in self._unsuccessful.values() if ending != decider)

    @property
    def verdict(self) -> Verdict | None:
        """The decision: the one on record, or the one that the rule has brought about and that is not on record yet."""
        state = self.state
        if self._verdict is not None or state.status not in FINAL_STATUSES:
            return self._verdict
        decider = self._ended if self.latest.type == "ChildFinished" else None
        return self._verdict_of(state.status, self.latest, decider, recorded=False)

    @property
    def unsuccessful(self) -> tuple[Ending, ...]:
        """The first of the children that ended without success and were not put back since."""
        return tuple(islice(self._others(None), NAMED_MAX))
