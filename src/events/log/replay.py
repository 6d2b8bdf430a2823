"""Folding what is on record: one step, checked."""

from __future__ import annotations

from events.errors import StoreDamagedError
from events.evolve import evolve
from events.legality import objection
from events.log.record import Recorded
from events.state import ParentState


def replayed(state: ParentState, record: Recorded, location: str) -> ParentState:
    """Return the state after a fact on record. Raises StoreDamagedError where the facts before it rule it out."""
    why = objection(state, record.fact)
    if why is not None:
        place = f"{location}: parent {record.parent_id!r}, version {record.version}, position {record.position}"
        raise StoreDamagedError(f"{place}: {record.type} cannot stand here: {why}")
    return evolve(state, record.fact)
