"""The open children of a parent while its history is folded: what runs, what will run again, what comes next.

A parent may have a million open children, so only the first few are ever named. How many there are, the counts of its
status say.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final, Literal

from events.facts import (
    AttemptLost,
    ChildCreated,
    ChildFinished,
    ChildPrepared,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
)
from events.state import ParentState
from events.views import moment

_LOOKED_AT: Final = 4
"""Among how many children, for each one that may be named, those are looked for that never started."""


@dataclass(frozen=True, slots=True)
class OpenChild:
    """A child that has no outcome yet."""

    id: str
    index: int
    """Its place in the run, from 0."""
    status: Literal["pending", "running"]
    attempts: int
    """How many attempts were started, the running one with them."""
    worker: str | None
    """The slot that it runs in; None where it does not."""
    started_at: datetime | None
    """When the running attempt was started; None where none runs."""
    not_before: datetime | None
    """Before when its next attempt is not to start; None where it need not wait."""


class OpenChildren:
    """Which children are open, kept up to date fact by fact in constant work for each."""

    def __init__(self, state: ParentState, most: int) -> None:
        """Begin at a state. At most `most` children are named at a time."""
        self._most = most
        self._running: OrderedDict[str, OpenChild] = OrderedDict()
        self._again: OrderedDict[str, OpenChild] = OrderedDict()
        for child_id, running in state.running.items():
            self._running[child_id] = _running(state, child_id, running.worker, running.started_at)
        for child_id, not_before in state.requeued.items():
            self._again[child_id] = _waiting(state, child_id, not_before)
        self._named: tuple[OpenChild, ...] | None = None

    def take(self, fact: Fact, state: ParentState) -> None:
        """Take one more fact, and the state after it."""
        if isinstance(fact, ChildStarted):
            self._again.pop(fact.child_id, None)
            self._running[fact.child_id] = _running(state, fact.child_id, fact.worker, fact.at)
        elif isinstance(fact, ChildFinished):
            self._again.pop(fact.child_id, None)
            self._running.pop(fact.child_id, None)
        elif isinstance(fact, ChildRetryScheduled):
            self._put_back(fact.child_id, fact.not_before, state)
        elif isinstance(fact, AttemptLost | ChildRedriven):
            self._put_back(fact.child_id, 0, state)
        elif not isinstance(fact, ChildPrepared | ChildCreated):
            return
        self._named = None

    def _put_back(self, child_id: str, not_before: int, state: ParentState) -> None:
        self._running.pop(child_id, None)
        self._again[child_id] = _waiting(state, child_id, not_before)

    def named(self, state: ParentState) -> tuple[OpenChild, ...]:
        """Return the first of them, as they are at the state that the last fact led to.

        First those that run, the longest first; then those that will run again; then those that never started.
        """
        if self._named is None:
            self._named = tuple(islice(self._all(state), self._most))
        return self._named

    def _all(self, state: ParentState) -> Iterator[OpenChild]:
        yield from self._running.values()
        yield from self._again.values()
        # Children that started out of their order may stand in between: no more than so many are passed over.
        for index in range(state.next_index, min(state.total, state.next_index + _LOOKED_AT * self._most)):
            child_id = state.order[index]
            if state.children[child_id].untouched:
                yield OpenChild(child_id, index, "pending", 0, None, None, None)


def _running(state: ParentState, child_id: str, worker: str, started_at: int) -> OpenChild:
    child = state.children[child_id]
    return OpenChild(child_id, child.place, "running", child.attempts, worker, moment(started_at), None)


def _waiting(state: ParentState, child_id: str, not_before: int) -> OpenChild:
    child = state.children[child_id]
    due = moment(not_before) if not_before else None
    return OpenChild(child_id, child.place, "pending", child.attempts, None, None, due)
