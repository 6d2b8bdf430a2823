"""Folding what is on record: one step, checked."""

from __future__ import annotations

from events.errors import Place, StoreDamagedError
from events.evolve import evolve
from events.legality import objection
from events.log.record import Recorded
from events.state import ParentState


def replayed(state: ParentState, record: Recorded, location: str) -> ParentState:
    """Return the state after a fact on record. Raises StoreDamagedError where the facts before it rule it out."""
    why = objection(state, record.fact)
    if why is not None:
        problem = f"{record.type} cannot stand here: {why}"
        raise StoreDamagedError.at(location, Place(record.parent_id, record.version, record.position, problem))
    return evolve(state, record.fact)
