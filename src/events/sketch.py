"""A parent without its children: enough to decide what concerns the parent alone, and read many times as fast.

Whoever controls a run that somebody else works on need not know its children one by one, only how many are where.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from events.errors import StoreDamagedError
from events.evolve import INITIAL, evolve
from events.facts import (
    CancelRequested,
    DeadlinePassed,
    Fact,
    LimitsChanged,
    MembershipClosed,
    OwnershipReleased,
    OwnershipTaken,
    ParentCreated,
    ParentDecided,
    ParentSettled,
    Paused,
    Redriven,
    Resumed,
)
from events.state import ParentState
from events.strategy import OUTCOMES

WHOLE = (
    ParentCreated,
    MembershipClosed,
    OwnershipTaken,
    OwnershipReleased,
    CancelRequested,
    DeadlinePassed,
    Paused,
    Resumed,
    LimitsChanged,
    Redriven,
    ParentDecided,
    ParentSettled,
)
"""Facts of the parent as a whole."""
WHOLE_NAMES = frozenset(kind.__name__ for kind in WHOLE)
_TOLD = frozenset({"ChildStarted", "ChildFinished", "ChildRetryScheduled", "AttemptLost", "ChildRedriven"})
"""Types of facts that move a child from one count to another."""


class Sketch:
    """What is known of a parent while its stream is gone through, from the first event on."""

    def __init__(self) -> None:
        self._whole = INITIAL
        self.version = 0
        """That of the last event taken."""
        self._total = 0
        self._created = 0
        self._started_at: int | None = None
        self._running: set[str] = set()
        self._ended: dict[str, str] = {}
        self._outcomes: dict[str, int] = dict.fromkeys(OUTCOMES, 0)

    @property
    def state(self) -> ParentState:
        """The parent's state, with right counts and no children."""
        return self._whole.replace(
            version=self.version,
            total=self._total,
            created=self._created,
            started_at=self._started_at,
            running_count=len(self._running),
            **self._outcomes,
        )

    def add_fact(self, name: str, fact: Fact) -> None:
        """Take the next event, of a type stored by this name."""
        if name in WHOLE_NAMES:
            self._whole = evolve(self._whole.replace(version=self.version), fact)
            self.version += 1
        else:
            self._add_child(name, vars(fact))

    def add_row(self, name: str, data: bytes) -> None:
        """Take the next event, one of a child, as it is stored.

        Raises:
            StoreDamagedError: it is no such event.
        """
        if name not in _TOLD:
            self._add_child(name, {})
            return
        try:
            self._add_child(name, json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StoreDamagedError(f"unreadable {name} at version {self.version}") from error

    def _add_child(self, name: str, fields: Mapping[str, Any]) -> None:
        self.version += 1
        if name == "ChildPrepared":
            self._total += 1
        elif name == "ChildCreated":
            self._created += 1
        elif name in _TOLD:
            self._move(name, fields)

    def _move(self, name: str, fields: Mapping[str, Any]) -> None:
        child_id = fields["child_id"]
        if name == "ChildStarted":
            self._running.add(child_id)
            self._started_at = fields["at"] if self._started_at is None else self._started_at
            return
        self._running.discard(child_id)
        if name == "ChildFinished":
            outcome = self._ended[child_id] = fields["outcome"]
            self._outcomes[outcome] += 1
        elif name == "ChildRedriven":
            self._outcomes[self._ended.pop(child_id)] -= 1
