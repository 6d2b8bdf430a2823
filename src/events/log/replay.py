"""Folding what is on record: one step, checked."""

from __future__ import annotations

from collections.abc import Iterable

from events.errors import Place, StoreDamagedError
from events.evolve import INITIAL, apply
from events.legality import objection
from events.log.record import Recorded
from events.state import ParentState


class Replay:
    """A parent's state while its records are gone through. What `state` was before the latest of them is gone."""

    def __init__(self, location: str, state: ParentState = INITIAL) -> None:
        self.state = state
        self._location = location
        self._opened = False

    def take(self, record: Recorded) -> None:
        """Take the next fact on record. Raises StoreDamagedError where the facts before it rule it out."""
        why = objection(self.state, record.fact)
        if why is not None:
            problem = f"{record.type} cannot stand here: {why}"
            raise StoreDamagedError.at(
                self._location, Place(record.parent_id, record.version, record.position, problem)
            )
        if not self._opened:
            self.state, self._opened = self.state.opened(), True
        apply(self.state, record.fact)


def replayed(state: ParentState, records: Iterable[Recorded], location: str) -> ParentState:
    """Return the state after facts on record. Raises StoreDamagedError where those before one of them rule it out."""
    replay = Replay(location, state)
    for record in records:
        replay.take(record)
    return replay.state
