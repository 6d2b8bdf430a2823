"""Statuses, lists and pages from the views, as they stand at the end of the log; from the log alone where they cannot.

Whoever asks reads what he has written: what the views lack is projected first, by the calling thread if need be.
Views that are far behind, or set aside, or of a store that cannot be written, are passed by: the same answers come from
the events, and take as long as the history is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic
from typing import Final, Literal, get_args

from events.errors import StoreError, ViewDamagedError
from events.facts import ChildProgressed
from events.log.store import EventLog
from events.projections.engine import ProjectionEngine
from events.projections.reading import ChildOrder, RunRecord, Views
from events.strategy import OUTCOMES
from events.views import ChildView
from orchestrator import given
from orchestrator.child_pages import joined, said
from orchestrator.folded_pages import Damaged, ListedRun, folded_children, folded_runs, listed_run, no_place
from orchestrator.page_queries import PageQuery

CATCH_UP_EVENTS_MAX: Final = 20_000
"""How many events somebody who asks projects by himself; where more are missing, the log answers."""
READ_EVENTS_MAX: Final = 256
"""A run of no more events is read through whenever it is asked for: that is quick, and finds what was altered in it.
Of a larger one the view answers, in constant time, until somebody opens the run or audits the store."""
SAID_MAX: Final = 1_000
"""Of how many running children it is told what they said."""
_CHILD_ORDERS: Final[Mapping[str, ChildOrder]] = {name: name for name in get_args(ChildOrder)}
_CATCH_UP_SECONDS: Final = 2.0
_IDLE_STEPS_MAX: Final = 3
"""After so many steps that brought the views no further, because they are being mended, the log answers."""


class Answers:
    """Answers of a log: from its views where they can, else from its events. Any thread may call any method."""

    def __init__(
        self,
        log: EventLog,
        engine: ProjectionEngine | None,
        *,
        is_damaged: Callable[[str], bool] = lambda _: False,
        read_events_max: int = READ_EVENTS_MAX,
    ) -> None:
        """Answer of a log.

        Args:
            log: the events.
            engine: keeps the views; None: there are none.
            is_damaged: whether a run is known to be damaged, by somebody who has read its record.
            read_events_max: up to how many events a run is read through for an answer about it.

        """
        self._log = log
        self._is_damaged = is_damaged
        self.read_events_max = read_events_max
        self._engine = engine
        self._views = None if engine is None else Views(log.recorder.tables())

    def run(self, run_id: str) -> RunRecord | None:
        """Return a run as it stands now, by its view; None where only its events can say."""
        if self._views is None:
            return None
        try:
            found = self._current(self._views, run_id)
            if found is None and self._caught_up(self._views):
                found = self._current(self._views, run_id)
        except StoreError:
            return None
        return found if found is not None and self._suffices(found) else None

    def _suffices(self, row: RunRecord) -> bool:
        """Whether the view may answer for a run without a look at its record."""
        return row.view.version > self.read_events_max and not self._is_damaged(row.view.id)

    def _current(self, views: Views, run_id: str) -> RunRecord | None:
        """Return a run from the view, where that has all of its events."""
        head = self._log.head(run_id)
        try:
            found = views.run_row(run_id)
        except ViewDamagedError:  # there are none yet
            return None
        if head is None or not head.is_sound or found is None or found.fault is not None:
            return None
        if found.view.version != head.version:
            head = self._log.head(run_id)  # it may have grown since, and the view with it
        return found if head is not None and found.view.version == head.version else None

    def runs(self, query: PageQuery, damaged: Damaged) -> list[ListedRun]:
        """Return a page of runs. A run whose record cannot be read is left out, and `damaged` is told.

        Raises:
            UsageError: there is no run of the id in `after`.
        """
        rows = self._run_rows(query)
        if rows is None:
            return folded_runs(self._log, query, damaged)
        return [run for row in rows if (run := self._listed(row, damaged)) is not None]

    def _listed(self, row: RunRecord, damaged: Damaged) -> ListedRun | None:
        """Return a run as its row has it, where its record can be read; what is set aside by its events."""
        if row.fault is None and self._suffices(row):
            return ListedRun(row.view, row.paused, row.owner)
        read = listed_run(self._log, row.view.id, damaged)
        return read if read is None or row.fault is not None else ListedRun(row.view, row.paused, row.owner)

    def _run_rows(self, query: PageQuery) -> list[RunRecord] | None:
        if self._views is None:
            return None
        order: Literal["created", "changed"] = "created" if query.by == "created" else "changed"
        try:
            if not self._caught_up(self._views):
                return None
            return self._views.run_page(
                query.statuses, order=order, descending=query.descending, after=query.after, limit=query.most
            ).rows
        except StoreError:
            return None

    def children(self, run_id: str, query: PageQuery, at: int | datetime | None = None) -> list[ChildView]:
        """Return a page of a run's children, as they are or were at a point.

        Raises:
            RunNotFoundError: there is no such run (at that point).
            UsageError: no child of the id in `after` has a place in the order.
        """
        given.run_id(run_id)
        found = None if at is not None else self._children(run_id, query)
        return folded_children(self._log, run_id, query, at) if found is None else found

    def _children(self, run_id: str, query: PageQuery) -> list[ChildView] | None:
        run = self.run(run_id)
        if self._views is None or run is None:
            return None
        order = _CHILD_ORDERS[query.by]
        try:
            if query.after is not None and order != "index":
                self._require_place(self._views, run_id, query.after, order)
            page = self._views.child_page(
                run_id,
                query.statuses,
                order=order,
                descending=query.descending,
                after=query.after,
                limit=query.most,
                known=run,
            )
            return joined(self._log, run_id, page.rows)
        except StoreError:
            return None

    @staticmethod
    def _require_place(views: Views, run_id: str, child_id: str, order: ChildOrder) -> None:
        found = views.child_row(run_id, child_id)
        if found is None:
            return  # which the views tell of
        if found.status not in OUTCOMES or (order == "duration" and found.started_at is None):
            raise no_place(run_id, child_id)

    def said(self, run: RunRecord) -> Mapping[str, ChildProgressed]:
        """Return what running children of a run said last, by child, in the order in which they said it.

        Raises:
            StoreError: the store cannot be read.
        """
        if self._views is None or not run.view.counts.running:
            return {}
        try:
            page = self._views.child_page(run.view.id, ("running",), limit=SAID_MAX, known=run)
        except ViewDamagedError:  # its tables are being replaced
            return {}
        return said(self._log, run.view.id, page.rows)

    def _caught_up(self, views: Views) -> bool:
        """Bring the views to where the log ends now, if they are not far from it; whether they are there."""
        last, reached = self._log.last_position(), _position(views)
        if self._engine is None or last - reached > CATCH_UP_EVENTS_MAX:
            return reached >= last
        deadline, idle = monotonic() + _CATCH_UP_SECONDS, 0
        while reached < last and monotonic() < deadline and idle < _IDLE_STEPS_MAX:
            worked = self._engine.step()
            before, reached = reached, _position(views)  # somebody else may have brought them there meanwhile
            idle = idle + 1 if reached <= before else 0
            if not worked:
                break
        return reached >= last


def _position(views: Views) -> int:
    """Return the position that the views hold at; 0 where there are none yet."""
    try:
        return views.position()
    except ViewDamagedError:
        return 0
