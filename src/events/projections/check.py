"""Whether stored views are what the events make of them: the one check of the audit, the simulator and the tests.

It folds the log anew, up to the position that a view says it holds at, and compares row by row. A view that is behind
the log is in order. One run at a time is held in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from events.errors import Place, StoreDamagedError, StoreVersionError
from events.log.record import Recorded
from events.log.store import EventLog
from events.log.tables import Session
from events.projections.checkpoints import Checkpoint, Fault
from events.projections.projection import Projection
from events.projections.reference import REFERENCES, Reference, Rows
from events.projections.tables import Table, sql

_ROWS: Final = 5_000
_CHECKPOINTS: Final = "SELECT name, stage, version, generation, position FROM projections WHERE stage = 'live'"
_FAULTS: Final = """
    SELECT run_id, version, position, reason FROM projection_faults WHERE name = ? AND stage = 'live'"""


def view_flaws(log: EventLog, projections: Sequence[Projection], run_id: str | None = None) -> Iterator[Place]:
    """Yield where views are not what the events make of them, at most one place for each run; or look at one run alone.

    Views of other projections, or of other versions, are passed over; so are runs whose record cannot be read.

    Raises:
        StoreError: the store cannot be used at all.
    """
    tables = log.recorder.tables()
    if not tables.columns("projections"):
        return
    with tables.snapshot() as session:
        found = {row[0]: Checkpoint(*row) for row in session.query(_CHECKPOINTS)}
        for projection in projections:
            at = found.get(projection.name)
            if at is not None and at.version == projection.version and projection.name in REFERENCES:
                check = _Check(log, session, projection, at)
                yield from check.flaws() if run_id is None else check.flaws_of(run_id)


class _Check:
    """The check of one projection's tables within one instant."""

    def __init__(self, log: EventLog, session: Session, projection: Projection, at: Checkpoint) -> None:
        self._log = log
        self._session = session
        self._projection = projection
        self._at = at
        self._compared = dict.fromkeys([table.name for table in projection.tables], 0)
        faults = [Fault(*row) for row in session.query(_FAULTS, (projection.name,))]
        self._faults = {fault.run_id: fault for fault in faults}

    def flaws(self) -> Iterator[Place]:
        """Yield what is wrong."""
        columns = self._log.recorder.tables().columns
        for table in self._projection.tables:
            if columns(table.stored_name) != list(table.columns):
                yield self._place(None, f"its table {table.stored_name} is gone, or was altered")
                return
        last = self._log.last_position()
        if self._at.position > last:
            yield self._place(
                None, f"it says that it holds at position {self._at.position}, and the log ends at {last}"
            )
        for run_id in self._log.recorder.ids():
            if isinstance(run_id, str):
                yield from self.flaws_of(run_id)
        for table in self._projection.tables:
            [(count,)] = self._session.query(sql("SELECT count(*) FROM", table.stored_name))
            if count != self._compared[table.name]:
                yield self._place(
                    None, f"{table.stored_name} has {count} rows, and {self._compared[table.name]} belong there"
                )

    def flaws_of(self, run_id: str) -> Iterator[Place]:
        """Yield the first thing that is wrong with a run in this view."""
        reference = REFERENCES[self._projection.name]()
        fault = self._faults.get(run_id)
        flaw: str | None = None
        expected: Rows | None = None
        try:
            for record in self._log.read(run_id, upto_position=self._at.position, opened=False):
                if fault is not None and record.position >= fault.position:
                    expected = reference.rows()
                    if self._may_follow(reference, record):
                        flaw = f"the run is set aside from position {record.position} on, where its record is in order"
                    break
                reference.take(record)
        except (StoreDamagedError, StoreVersionError) as error:
            if fault is None or error.place is None or error.place.version != fault.version:
                return self._pass_over(run_id)  # the audit of the run itself tells
        except LookupError:
            return self._pass_over(run_id)  # it does, too
        expected = reference.rows() if expected is None else expected
        for table in self._projection.tables:
            difference = self._difference(table, expected.get(table.name, {}), reference.key)
            flaw = flaw or difference
        if flaw is not None:
            yield self._place(run_id, flaw)

    def _pass_over(self, run_id: str) -> None:
        """Count the rows of a run whose record says no more what they should be, so that nobody finds them too many."""
        for first in self._log.recorder.stream(run_id, limit=1):
            for table in self._projection.tables:
                count = sql("SELECT count(*) FROM", table.stored_name, "WHERE run = ?")
                self._compared[table.name] += self._session.query(count, (first.position,))[0][0]

    @staticmethod
    def _may_follow(reference: Reference, record: Recorded) -> bool:
        """Whether a record can follow on what was folded. The reference is of no use for what comes later."""
        try:
            reference.fold(record)
        except LookupError:
            return False
        return True

    def _difference(self, table: Table, expected: dict[tuple[Any, ...], Any], run: int | None) -> str | None:
        """Return how a table differs from what it should hold of a run, and count the rows that were looked at."""
        if run is None:
            return None
        first: str | None = None
        for row in self._rows(table, run):
            self._compared[table.name] += 1
            key = tuple(row[name] for name in table.key)
            wanted = expected.pop(key, None)
            first = first or _told(table, key, wanted, row)
        if expected and first is None:
            first = _told(table, next(iter(expected)), {}, None)
        return first

    def _rows(self, table: Table, run: int) -> Iterator[dict[str, Any]]:
        """Yield a table's rows of a run, some at a time."""
        names, rest = ", ".join(table.columns), [name for name in table.key if name != "run"]
        after: tuple[Any, ...] | None = None
        while True:
            beyond = "" if after is None else f"AND ({', '.join(rest)}) > ({', '.join('?' * len(rest))})"
            order = f"ORDER BY {', '.join(rest)} LIMIT {_ROWS}" if rest else ""
            select = sql("SELECT", names, "FROM", table.stored_name, "WHERE run = ?", beyond, order)
            found = self._session.query(select, (run, *(after or ())))
            rows = [dict(zip(table.columns, values, strict=True)) for values in found]
            yield from rows
            if not rest or len(rows) < _ROWS:
                return
            after = tuple(rows[-1][name] for name in rest)

    def _place(self, run_id: str | None, problem: str) -> Place:
        return Place(run_id, None, self._at.position, f"view {self._projection.name!r}: {problem}")


def _told(table: Table, key: tuple[Any, ...], wanted: dict[str, Any] | None, row: dict[str, Any] | None) -> str | None:
    """Return how a row differs from what it should be; None where it does not."""
    where = f"{table.stored_name}, row {', '.join(str(part) for part in key)}"
    if wanted is None:
        return f"{where}: no event makes such a row"
    if row is None:
        return f"{where}: missing"
    for name, value in row.items():
        if value != wanted[name] or type(value) is not type(wanted[name]):
            return f"{where}: {name} is {value!r:.100}, and the events make it {wanted[name]!r:.100}"
    return None
