"""What a parent has decided, or wants decided, and what is not on record yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from actors.answers import Asked
from actors.executors.work import AttemptKey, Ending
from actors.messages import Append, Intervene
from actors.runtime import Ref
from events.commands import Command
from events.evolve import INITIAL
from events.facts import Fact
from events.state import ParentState


class Flight(NamedTuple):
    """On its way to the journal, and those who wait for it.

    Either facts and the state after them, or, for an intervention, groups of commands: one for each of `asked`, then
    one for each of the endings.
    """

    asked: Sequence[Asked]
    endings: dict[AttemptKey, Ending]
    facts: Sequence[Fact] = ()
    state: ParentState = INITIAL
    groups: tuple[tuple[Command, ...], ...] = ()
    decided_at: float = 0.0
    """When, by the monotonic clock, in seconds; not told of an intervention."""
    number: int = 0
    """Which of the parent's interventions it is, from 1; 0 where it is none."""

    def slots(self, owner: str) -> int:
        """Return how many slots are taken once this is on record, by children that run for this owner."""
        return self.state.leaves_running if self.state.owner == owner else 0

    def message(self, parent_id: str, state: ParentState, ref: Ref) -> Append | Intervene:
        """Return what the journal is told, where `state` is on record as far as we know."""
        if self.number:
            return Intervene(parent_id, state, self.groups, self.number, ref)
        return Append(parent_id, state.version, self.facts, ref)
