"""The whole log in order of position: how many children of one orchestrator run at a time, over all its parents."""

from __future__ import annotations

from collections import Counter
from typing import Final

from events.errors import InvariantBrokenError
from events.facts import (
    AttemptLost,
    ChildFinished,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
    OwnershipReleased,
    OwnershipTaken,
)

_NO_SLOT: Final = "nested"
"""The worker of a child that is a parent itself: its own children are counted instead."""


_COUNTED: Final = frozenset(
    {ChildStarted, ChildFinished, ChildRetryScheduled, AttemptLost, OwnershipTaken, OwnershipReleased}
)


class LogCheck:
    """Takes the facts of all parents in order of position. It keeps the running children and who owns what.

    An owner is one orchestrator. The log does not say how many it may run, so the caller does, with `max_workers`.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        self.most_running = 0
        """The largest number of running children of one owner at any position so far."""
        self.position = 0
        self._max_workers = max_workers
        self._owners: dict[str, str] = {}
        self._running: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()

    def take(self, position: int, parent_id: str, fact: Fact) -> None:
        """Take the next fact. Raises InvariantBrokenError, which names the invariant."""
        if position <= self.position:
            text = f"position {position} comes after position {self.position}"
            raise InvariantBrokenError(text, invariant="positions-increase")
        self.position = position
        if type(fact) not in _COUNTED:
            return
        if isinstance(fact, ChildStarted):
            if fact.worker != _NO_SLOT:
                self._start(parent_id, fact.child_id)
        elif isinstance(fact, ChildFinished | ChildRetryScheduled | AttemptLost):
            self._stop(parent_id, fact.child_id)
        elif isinstance(fact, OwnershipTaken):
            self._owners[parent_id] = fact.owner
        elif isinstance(fact, OwnershipReleased):
            self._owners.pop(parent_id, None)

    def _start(self, parent_id: str, child_id: str) -> None:
        owner = self._owners.get(parent_id)
        if owner is None:
            return  # an engine runs the children by itself
        self._running[parent_id, child_id] = owner
        self._counts[owner] += 1
        running = self._counts[owner]
        self.most_running = max(self.most_running, running)
        if self._max_workers is not None and running > self._max_workers:
            text = (
                f"position {self.position}: {running} children of {owner!r} are running, "
                f"more than its max_workers of {self._max_workers}"
            )
            raise InvariantBrokenError(text, invariant="bounded-together")

    def _stop(self, parent_id: str, child_id: str) -> None:
        owner = self._running.pop((parent_id, child_id), None)
        if owner is None:
            return
        self._counts[owner] -= 1
        if not self._counts[owner]:
            del self._counts[owner]
