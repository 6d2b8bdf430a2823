"""One set of a projection's tables on its way through the log: those that answer, or those that will do so next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from events.errors import ClosedError, StoreError, ViewRowsError
from events.log.tables import Session, Tables
from events.projections.changes import Write, Written
from events.projections.checkpoints import Checkpoint, Checkpoints, Fault
from events.projections.projection import Event, Fold, Projection
from events.projections.tables import Table, create


class PoisonError(Exception):
    """A projection cannot take an event."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


class Branch:
    """A projection at one stage: its checkpoint, its fold, and the runs that are set aside."""

    def __init__(self, projection: Projection, checkpoint: Checkpoint, tables: Tables, faults: Iterable[Fault]) -> None:
        self.projection: Final = projection
        self.checkpoint = checkpoint
        self._tables = tables
        self.faults: Final = {fault.run_id: fault for fault in faults}
        self._new_faults: list[Fault] = []
        self._fold: Fold | None = None

    def stored_name(self, table: Table) -> str:
        """Return under which name a table of this branch is stored."""
        return table.stored_name if self.checkpoint.stage == "live" else table.next_name

    def _read(self, table: Table, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._tables.read(statement.replace("{table}", self.stored_name(table)), values)

    def taken(self, events: Sequence[Event]) -> list[Written]:
        """Return what events change. Runs of which one cannot be taken are set aside from that one on.

        Raises:
            StoreError: the branch's own tables cannot be read.
        """
        while True:
            try:
                return self._taken(events)
            except PoisonError as error:
                self._fold = None  # it has taken part of it
                self.set_aside(error.fault)

    def _taken(self, events: Sequence[Event]) -> list[Written]:
        fold = self._fold = self._fold or self.projection.fold(self._read)
        takers, faults = fold.takers, self.faults
        for event in events:
            take = takers.get(type(event.fact))
            if take is None or (faults and self._is_aside(event)):
                continue
            try:
                take(event)
            except (StoreError, ClosedError):
                raise
            except (Exception, SystemExit) as error:  # a projection may be the user's own code
                raise PoisonError(Fault.of(event, f"{type(error).__name__}: {error}")) from error
        return fold.written()

    def _is_aside(self, event: Event) -> bool:
        fault = self.faults.get(event.run_id)
        return fault is not None and event.position >= fault.position

    def set_aside(self, fault: Fault) -> None:
        """Take no more events of a run."""
        if fault.run_id not in self.faults:
            self.faults[fault.run_id] = fault
            self._new_faults.append(fault)

    def forget(self) -> list[Fault]:
        """Forget what was worked out and not written; return what would have been set aside in it."""
        self._fold = None
        new, self._new_faults = self._new_faults, []
        for fault in new:
            self.faults.pop(fault.run_id, None)
        return new

    def write(self, session: Session, written: Sequence[Written], position: int) -> bool:
        """Write changes, and move the checkpoint; False where somebody else has moved it.

        Raises:
            ViewRowsError: the tables are not what was written to them before.
        """
        if not Checkpoints.move(session, self.checkpoint, position):
            return False
        for change in written:
            touched = change.run(session, self.stored_name(change.table))
            if isinstance(change, Write) and change.how == "update" and touched != len(change.rows):
                missing = len(change.rows) - touched
                raise ViewRowsError(
                    f"{self._tables.location}: {self.stored_name(change.table)} has lost rows: {missing} are not there"
                )
        for fault in self._new_faults:
            Checkpoints.add_fault(session, self.checkpoint, fault)
        return True

    def moved(self, position: int) -> list[Fault]:
        """Take note that a write is on record, and return what was set aside in it."""
        self.checkpoint = self.checkpoint._replace(position=position)
        new, self._new_faults = self._new_faults, []
        return new

    def make_tables(self, session: Session) -> None:
        """Make the tables, in place of any that are there under these names."""
        for table in self.projection.tables:
            name = self.stored_name(table)
            session.execute(f"DROP TABLE IF EXISTS {name}")
            for statement in create(table, name, self.checkpoint.generation, self._tables.table_options):
                session.execute(statement)

    def take_over(self, session: Session) -> None:
        """Put the tables in the place of those that have answered until now."""
        for table in self.projection.tables:
            session.execute(f"DROP TABLE IF EXISTS {table.stored_name}")
            session.execute(f"ALTER TABLE {table.next_name} RENAME TO {table.stored_name}")

    def fits(self) -> bool:
        """Whether the tables are there and have the columns that they should have."""
        return all(
            self._tables.columns(self.stored_name(table)) == list(table.columns) for table in self.projection.tables
        )
