"""What people ask of a parent that another process works on: what of it is to be decided, and how that is done.

Whoever does not own a parent cannot win a race for its next version against an owner that appends all the time. So
such a request is decided inside the store's own transaction, on the record as it is then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from actors.messages import Intervene, Intervened
from events.commands import Command, TakeOwnership
from events.errors import OrchestratorError
from events.facts import Fact
from events.interventions import CONTROLS, intervene
from events.log.record import Recorded
from events.log.replay import replayed
from events.log.store import EventLog
from events.state import ParentState

MISSED_MAX: Final = 5_000
"""How many facts may be read while everybody else waits; who has missed more catches up first."""


def is_intervention(state: ParentState, owner: str, commands: Sequence[Command]) -> bool:
    """Whether commands for a parent that we, the `owner` of others, do not work on are best decided in the store.

    Those that make it ours are not: they hold for the very version that they were judged at.
    """
    if not commands or not state.exists or any(isinstance(command, TakeOwnership) for command in commands):
        return False
    return works_elsewhere(state, owner) or all(isinstance(command, CONTROLS) for command in commands)


def works_elsewhere(state: ParentState, owner: str) -> bool:
    """Whether the parent has an owner who is not us, and has something to do."""
    return state.owner not in (None, owner) and not state.settled


def intervened(log: EventLog, message: Intervene) -> Intervened | None:
    """Decide and append; None where that has to be judged anew: the parent has another owner, or missed too much.

    Raises:
        StoreError: the store cannot be used; nothing was written.
    """
    judge = _Judge(log.location, message)
    done = log.decide(message.parent_id, message.state.version, judge.decide, missed_max=MISSED_MAX)
    if done is None or judge.changed_hands:
        return None
    facts = [*(record.fact for record in done.missed), *done.facts]
    return Intervened(message.number, facts, judge.state, done.position, judge.refused)


class _Judge:
    """Decides one intervention, and remembers what came of it."""

    def __init__(self, location: str, message: Intervene) -> None:
        self._location = location
        self._message = message
        self.state = message.state
        self.refused: dict[int, OrchestratorError] = {}
        self.changed_hands = False

    def decide(self, missed: Sequence[Recorded]) -> Sequence[Fact]:
        """Return what is to be appended to the stream, of which we had missed so much."""
        before = self._message.state
        self.state = state = replayed(before, missed, self._location)
        self.changed_hands = (state.owner, state.epoch) != (before.owner, before.epoch)
        if self.changed_hands:
            return ()
        earliest = max((record.fact.at for record in missed), default=0)
        done = intervene(state, self._message.groups, earliest)
        self.state, self.refused = done.state, done.refused
        return done.facts
