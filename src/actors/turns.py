"""What a turn of a parent adds by itself, beside what it is asked for: endings, starts, outcomes of what never runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from actors.answers import Asked
from actors.endings import ending_command
from actors.executors.work import AttemptKey, Ending
from actors.slots import Slots
from events.commands import SkipChildren, StartChild
from events.decide import Turn
from events.facts import Fact
from events.frontier import frontier, startable
from events.state import ParentState


class InFlight(NamedTuple):
    """What has been decided and is on its way to the record."""

    facts: Sequence[Fact]
    state: ParentState
    asked: Sequence[Asked]
    endings: dict[AttemptKey, Ending]


def take_endings(turn: Turn, endings: Mapping[AttemptKey, Ending], slots: Slots, now: int) -> None:
    """Decide how attempts ended, and free the workers of those that were running."""
    for key, ending in endings.items():
        length = len(turn.facts)
        turn.take(ending_command(key, ending, now))
        if len(turn.facts) > length:
            slots.give_back(key.child_id)


def skip(turn: Turn, events_max: int, now: int) -> bool:
    """Give children that will not run any more their outcome; say whether there are any."""
    if not frontier(turn.state).skip:
        return False
    turn.take(SkipChildren(at=now, limit=events_max))
    return True


def start(turn: Turn, slots: Slots, now: int) -> None:
    """Start children in free slots."""
    free = min(slots.allotment, turn.state.max_workers) - turn.state.running_count
    if free <= 0:
        return
    for child_id in list(islice(startable(turn.state, now), free)):
        length = len(turn.facts)
        turn.take(StartChild(at=now, child_id=child_id, worker=slots.take_worker(child_id)))
        if len(turn.facts) == length:
            slots.give_back(child_id)
