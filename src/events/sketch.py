"""A parent without its children: enough to decide what concerns the parent alone, and read many times as fast.

Whoever controls a run that somebody else works on need not know its children one by one, only how many are where,
and often not even that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from events.commands import Cancel, ChangeLimits, CloseMembership, Command, Pause, Resume
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
    Redacted,
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
    Redacted,
    ParentDecided,
    ParentSettled,
)
"""Facts of the parent as a whole."""
WHOLE_NAMES = frozenset(kind.__name__ for kind in WHOLE)
TOLD_NAMES: Final = frozenset({"ChildFinished", "ChildRetryScheduled", "AttemptLost", "ChildRedriven"})
"""Types of facts that take a child from one count to another in a way that only the fact itself tells."""


class View(Protocol):
    """As much of a parent as a decision needs, while its stream is gone through."""

    @property
    def version(self) -> int:
        """That of the last event taken."""

    @property
    def state(self) -> ParentState:
        """The parent's state, as far as it is known."""

    def add_fact(self, name: str, fact: Fact) -> None:
        """Take the next event, of a type stored by this name."""


class Outline:
    """A parent's facts as a whole, and none of its counts."""

    def __init__(self) -> None:
        self._whole = INITIAL
        self.version = 0

    @property
    def state(self) -> ParentState:
        """The parent's state with one child that stands for all of them: it is there, and has not ended."""
        return self._whole.replace(version=self.version, total=1)

    def add_fact(self, name: str, fact: Fact) -> None:
        """Take the next event, of a type stored by this name."""
        if name in WHOLE_NAMES:
            self._whole = evolve(self._whole.replace(version=self.version), fact)
        self.version += 1

    def suffices(self, command: Command) -> bool:
        """Whether what is decided of a command is the same however many children are where.

        A cancelled parent is settled at once where all its children have ended. There is such a parent only while
        children may still be added, for without that it would have been settled before.
        """
        if isinstance(command, ChangeLimits):
            return command.strategy is None
        return isinstance(command, Pause | Resume) or (
            isinstance(command, Cancel | CloseMembership) and self._whole.exists and self._whole.membership_closed
        )


class Sketch:
    """What is known of a parent while its stream is gone through, from the first event on."""

    def __init__(self) -> None:
        self._whole = INITIAL
        self.version = 0
        """That of the last event taken."""
        self._total = 0
        self._created = 0
        self._started_at: int | None = None
        self._started = 0
        self._over: set[tuple[str, int]] = set()
        """Attempts that were started and have ended: the child and the number."""
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
            running_count=self._started - len(self._over),
            **self._outcomes,
        )

    def add_fact(self, name: str, fact: Fact) -> None:
        """Take the next event, of a type stored by this name."""
        if name in WHOLE_NAMES:
            self._whole = evolve(self._whole.replace(version=self.version), fact)
            self.version += 1
        elif name in TOLD_NAMES:
            self._tell(name, vars(fact))
        else:
            self.add_counts({name: 1}, fact.at if name == "ChildStarted" else None)

    def add_row(self, name: str, data: bytes) -> None:
        """Take the next event, of a type that must be told, as it is stored.

        Raises:
            StoreDamagedError: it is no such event.
        """
        try:
            self._tell(name, json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StoreDamagedError(f"unreadable {name} at version {self.version}") from error

    def add_counts(self, counts: Mapping[str, int], started_at: int | None) -> None:
        """Take events of children of which it is enough to know how many there are of each type.

        `started_at` is when the first child was started among them.
        """
        self.version += sum(counts.values())
        self._total += counts.get("ChildPrepared", 0)
        self._created += counts.get("ChildCreated", 0)
        self._started += counts.get("ChildStarted", 0)
        self._started_at = started_at if self._started_at is None else self._started_at

    def _tell(self, name: str, fields: Mapping[str, Any]) -> None:
        self.version += 1
        child_id = fields["child_id"]
        if name == "ChildRedriven":
            self._outcomes[self._ended.pop(child_id)] -= 1
            return
        if fields["attempt"] > 0:  # what ends while it waits, its latest attempt has ended before
            self._over.add((child_id, fields["attempt"]))
        if name == "ChildFinished":
            outcome = self._ended[child_id] = fields["outcome"]
            self._outcomes[outcome] += 1


class Portrait:
    """A sketch of a parent, and one of its children in full: enough to decide what concerns this child alone."""

    def __init__(self, sketch: Sketch, child_id: str) -> None:
        self.sketch = sketch
        self._child_id = child_id
        self._one = INITIAL

    @property
    def version(self) -> int:
        """That of the last event taken."""
        return self.sketch.version

    @property
    def state(self) -> ParentState:
        """The parent's state, with right counts and one child, which the counts of waiting ones leave out."""
        names = ("children", "order", "running", "requeued", "asked_to_stop", "late", "next_index", "ahead")
        return self.sketch.state.replace(**{name: getattr(self._one, name) for name in names})

    def add_fact(self, name: str, fact: Fact) -> None:
        """Take the next event, of a type stored by this name."""
        self.sketch.add_fact(name, fact)
        self.add_own(name, fact)

    def add_own(self, name: str, fact: Fact) -> None:
        """Take an event that the sketch has taken already, if it is one of the child's.

        Raises:
            StoreDamagedError: it cannot follow on those before it.
        """
        if name in WHOLE_NAMES or getattr(fact, "child_id", None) != self._child_id:
            return
        try:
            self._one = evolve(self._one, fact)
        except KeyError as error:
            raise StoreDamagedError(f"{name} of child {self._child_id!r} cannot stand where it does") from error
