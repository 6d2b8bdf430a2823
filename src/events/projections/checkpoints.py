"""How far each projection has come, in eventsourcing's terms: a tracking recorder over two tables.

Each projection has a row of stage `live`, whose tables answer questions, and while it is made anew one of stage
`next`. `generation` counts how often it was made anew.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from events.errors import StoreError
from events.log.library import IntegrityError, Tracking, TrackingRecorder
from events.log.tables import Session, Tables
from events.projections.projection import Event

Stage = Literal["live", "next"]

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS projections(name TEXT NOT NULL, stage TEXT NOT NULL, version BIGINT NOT NULL,"
    " generation BIGINT NOT NULL, position BIGINT NOT NULL, PRIMARY KEY(name, stage))",
    "CREATE TABLE IF NOT EXISTS projection_faults(name TEXT NOT NULL, stage TEXT NOT NULL, run_id TEXT NOT NULL,"
    " version BIGINT, position BIGINT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY(name, stage, run_id))",
)

_ALL: Final = "SELECT name, stage, version, generation, position FROM projections ORDER BY name, stage"
_MOVE: Final = """
    UPDATE projections SET position = ?
    WHERE name = ? AND stage = ? AND version = ? AND generation = ? AND position = ?"""
_FAULTS: Final = "SELECT run_id, version, position, reason FROM projection_faults WHERE name = ? AND stage = ?"
_ADD_FAULT: Final = """
    INSERT INTO projection_faults(name, stage, run_id, version, position, reason) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT(name, stage, run_id) DO NOTHING"""


_REASON_CHARS_MAX: Final = 500


class Checkpoint(NamedTuple):
    """Where a projection stands: `position` is that of the last event that is in its tables."""

    name: str
    stage: Stage
    version: int
    generation: int
    position: int


class Fault(NamedTuple):
    """An event that a projection could not take. Its run is set aside from there on."""

    run_id: str
    """Empty where the event belongs to no run."""
    version: int | None
    position: int
    reason: str

    @classmethod
    def of(cls, event: Event, reason: str) -> Fault:
        """Return the fault of an event. The reason is kept to a length at which it can be read."""
        return cls(event.run_id, event.version, event.position, reason[:_REASON_CHARS_MAX])


class Checkpoints(TrackingRecorder):
    """The checkpoints of one store."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def make(self) -> None:
        """Make the tables where they are not there yet."""
        if self._tables.columns("projections") and self._tables.columns("projection_faults"):
            return
        with self._tables.transaction() as session:
            for statement in TABLES:
                session.execute(statement)

    def all(self) -> list[Checkpoint]:
        """Return all checkpoints; none where there is no table of them."""
        try:
            rows = self._tables.read(_ALL)
        except StoreError:
            if not self._tables.columns("projections"):
                return []
            rows = self._tables.read(_ALL)  # it was made in between; a damaged one fails again
        return [Checkpoint(*row) for row in rows]

    def faults(self, name: str, stage: Stage) -> list[Fault]:
        """Return what a projection could not take."""
        return [Fault(*row) for row in self._tables.read(_FAULTS, (name, stage))]

    @staticmethod
    def move(session: Session, at: Checkpoint, position: int) -> bool:
        """Move a checkpoint on; False where it is not where it was thought to be."""
        found = session.execute(_MOVE, (position, at.name, at.stage, at.version, at.generation, at.position))
        return found == 1

    @staticmethod
    def add_fault(session: Session, at: Checkpoint, fault: Fault) -> None:
        """Put down what a projection could not take."""
        session.execute(_ADD_FAULT, (at.name, at.stage, *fault))

    # What eventsourcing asks of a TrackingRecorder. The name of an upstream application is that of the projection.

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move a live projection's checkpoint to a later event.

        Raises:
            IntegrityError: it is there already, or there is no such projection.
        """
        statement = "UPDATE projections SET position = ? WHERE name = ? AND stage = 'live' AND position < ?"
        number = tracking.notification_id
        with self._tables.transaction() as session:
            if session.execute(statement, (number, tracking.application_name, number)) != 1:
                raise IntegrityError(f"projection {tracking.application_name!r} is at event {number} or beyond it")

    def max_tracking_id(self, application_name: str) -> int | None:
        """Return the position a live projection has come to; None where there is no such projection."""
        found = [each.position for each in self.all() if each.name == application_name and each.stage == "live"]
        return found[0] if found else None
