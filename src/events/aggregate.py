"""`ParentTask`: the event-sourced aggregate, in eventsourcing's terms, over decide and evolve.

It has what eventsourcing's protocols ask of an aggregate (`id`, `version`, `collect_events`), so its repositories,
applications and projections can hold one. The owning actor works on the bare state instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from events.commands import Command
from events.decide import decide_all
from events.evolve import INITIAL, evolve, fold
from events.facts import Fact
from events.state import ParentState


class ParentEvent(NamedTuple):
    """A fact at its place in a parent's stream: eventsourcing's domain event."""

    originator_id: str
    originator_version: int
    fact: Fact


class ParentTask:
    """A parent task that takes commands and collects the events they cause."""

    def __init__(self, id: str) -> None:  # noqa: A002 - eventsourcing's name
        self.id = id
        self.state: ParentState = INITIAL
        self._pending: list[ParentEvent] = []

    @property
    def version(self) -> int:
        """How many events the aggregate has, those not yet saved included."""
        return self.state.version

    def take(self, *commands: Command) -> list[Fact]:
        """Decide commands, go on from the state after them, and return their facts. All or none.

        Raises:
            UsageError: one of them makes no sense; the aggregate is as it was.
        """
        facts, state = decide_all(self.state, commands)
        first = self.state.version + 1
        self._pending.extend(ParentEvent(self.id, version, fact) for version, fact in enumerate(facts, first))
        self.state = state
        return facts

    def apply(self, fact: Fact) -> None:
        """Go on from a fact that is on record."""
        self.state = evolve(self.state, fact)

    def collect_events(self) -> list[ParentEvent]:
        """Hand over the events that are not yet saved, once."""
        pending, self._pending = self._pending, []
        return pending

    @classmethod
    def replay(cls, id: str, facts: Iterable[Fact]) -> ParentTask:  # noqa: A002 - eventsourcing's name
        """Return the aggregate that recorded facts add up to."""
        parent = cls(id)
        parent.state = fold(facts)
        return parent
