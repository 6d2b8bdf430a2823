"""Pulling events for projections: from memory where this process has just appended them, else from the store."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from events.errors import StoreDamagedError, StoreVersionError
from events.log.reading import decoded
from events.log.record import Row
from events.log.recorder import LAST
from events.log.store import EventLog
from events.projections.checkpoints import Fault
from events.projections.projection import Event

_FIRST_ROWS: Final = 256
_FIRST_EVENTS: Final = 256
"""So many of those in memory come at first, and more while there are more: a short append waits for a short batch."""
_FIRST_AT: Final = -(2**63)
_LAST_AT: Final = 2**63 - 1
"""Which times a table can hold."""
_BATCH_BYTES: Final = 8 * 1024 * 1024


class Pulled(NamedTuple):
    """What follows on a position: events, and those that nobody can read. They reach up to `position`."""

    events: list[Event]
    faults: list[Fault]
    position: int
    is_full: bool = False
    """Whether it is as much as may be pulled at a time, so that there may be more."""


class Pulling:
    """Reads the log in batches that are limited in number and in size."""

    def __init__(self, log: EventLog, events_max: int) -> None:
        self._log = log
        self._events_max = events_max
        self._rows = min(_FIRST_ROWS, events_max)
        self._events = min(_FIRST_EVENTS, events_max)

    def after(self, position: int, upto: int = LAST) -> Pulled:
        """Return what follows on a position.

        Raises:
            StoreError: the log cannot be read there at all.
        """
        recent = self._remembered(position, self._events) if upto == LAST else []
        if recent:
            is_full = len(recent) >= self._events
            self._events = min(self._events_max, 2 * self._events if is_full else _FIRST_EVENTS)
            return Pulled(recent, [], recent[-1].position, is_full)
        return self._stored(position, upto)

    def _remembered(self, position: int, limit: int) -> list[Event]:
        if self._log.recent is None:
            return []
        return [
            Event(first + number, run_id, version + number, fact)
            for first, run_id, version, facts in self._log.recent.after(position, limit)
            for number, fact in enumerate(facts)
        ]

    def _stored(self, position: int, upto: int) -> Pulled:
        try:
            rows = self._log.recorder.page(position, upto_position=upto, limit=self._rows)
        except StoreDamagedError as error:
            place = error.place
            if place is None or place.position is None or place.position <= position:
                raise
            if place.position > position + 1:  # first what stands before it
                return self._stored(position, place.position - 1)
            return Pulled([], [Fault("", None, place.position, place.problem)], place.position)
        whole = len(rows) < self._rows and upto != LAST  # nothing else stands up to there, and nothing ever will
        is_full = len(rows) >= self._rows
        self._grow(rows)
        pulled = Pulled([], [], upto if whole else rows[-1].position if rows else position, is_full)
        for row in rows:
            found = self._event(row)
            if isinstance(found, Event):
                pulled.events.append(found)
            else:
                pulled.faults.append(found)
        return pulled

    def _grow(self, rows: list[Row]) -> None:
        """Read more rows next time where these were small, and fewer where they were large."""
        size = sum([len(row.data) for row in rows if isinstance(row.data, bytes | str)])
        if rows:
            fitting = _BATCH_BYTES * len(rows) // max(size, 1)
            self._rows = max(1, min(self._events_max, 4 * len(rows), fitting))
            self._rows = max(self._rows, min(_FIRST_ROWS, self._events_max, fitting))

    def _event(self, row: Row) -> Event | Fault:
        run_id: Any = row.parent_id
        if not isinstance(run_id, str) or type(row.version) is not int:
            return Fault(str(run_id), None, row.position, "its run or its version is none that was ever written")
        try:
            fact = decoded(row, self._log.catalogue.blind, self._log.location)
        except (StoreDamagedError, StoreVersionError) as error:
            problem = str(error) if error.place is None else error.place.problem
            return Fault(run_id, row.version, row.position, problem)
        if not _FIRST_AT <= fact.at <= _LAST_AT:
            return Fault(run_id, row.version, row.position, "its time is outside all calendars")
        return Event(row.position, run_id, row.version, fact)
