"""How far views have come: their positions, and how far they are behind the log."""

from __future__ import annotations

from typing import NamedTuple

from events.log.reading import decoded
from events.log.store import EventLog
from events.projections.checkpoints import Checkpoint, Checkpoints


class Standing(NamedTuple):
    """How far one view has come."""

    name: str
    position: int
    """Up to this position in the log every event is in it."""
    lag_events: int
    """How many positions of the log lie beyond that."""
    lag_seconds: float
    """How old the oldest event is that is not in it, by the time that the event bears; 0 where it lacks none."""
    remade_to: int | None
    """Where it is being made anew: the position that the new one has come to."""
    faults: int
    """How many runs are set aside in it."""


def standings(log: EventLog, checkpoints: Checkpoints, now: int) -> list[Standing]:
    """Return how far each view of a store has come, by name; `now` in microseconds since 1970.

    Raises:
        StoreError: the store cannot be read.
    """
    last, rows = log.last_position(), checkpoints.all()
    remade = {row.name: row.position for row in rows if row.stage == "next"}
    return [
        Standing(
            name=row.name,
            position=row.position,
            lag_events=max(0, last - row.position),
            lag_seconds=_lag_seconds(log, row, now),
            remade_to=remade.get(row.name),
            faults=len(checkpoints.faults(row.name, "live")),
        )
        for row in rows
        if row.stage == "live"
    ]


def _lag_seconds(log: EventLog, row: Checkpoint, now: int) -> float:
    missing = log.recorder.page(row.position, limit=1)
    if not missing:
        return 0.0
    at = decoded(missing[0], log.catalogue, log.location).at
    return max(0.0, (now - at) / 1_000_000)
