"""Answers from the views of runs and children: each by an index, in the same time however long the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar, get_args

from events.errors import UsageError
from events.log.tables import Tables
from events.projections.children import CHILDREN
from events.projections.run_row import RUNS
from events.projections.tables import sql
from events.strategy import OUTCOMES, Strategy
from events.views import ChildStatus, Counts, RunStatus, StrategyView, moment

RunOrder = Literal["created", "changed"]
"""By when runs were created, or by when they changed last."""
ChildOrder = Literal["index", "finished", "duration"]
"""By the children's places in their run, or, where those that have not ended are left out, by when they ended or by how
long their last attempt took. The latter is in no index: all that have ended are looked at, though none of their events.
"""

CHILD_STATUSES: Final[tuple[ChildStatus, ...]] = get_args(ChildStatus)

T = TypeVar("T")
Where = tuple[str, tuple[Any, ...]]

_RUN_ORDERS: Final = {"created": ("run",), "changed": ("position",)}
_TOOK: Final = "finished_at - started_at"
_CHILD_ORDERS: Final = {"index": ("place",), "finished": ("finished_at", "place"), "duration": (_TOOK, "place")}
_HAVE_A_PLACE: Final = {
    "index": "",
    "finished": " AND finished_at IS NOT NULL",
    "duration": " AND finished_at IS NOT NULL AND started_at IS NOT NULL",
}
_AS_THEY_ARE: Final = ("owner", "why", "max_workers", "on_decided", "attempts", "outer_id", "outer_child")

_AT: Final = "(SELECT position FROM projections WHERE name = 'runs' AND stage = 'live') AS at"
_FAULT: Final = """
    (SELECT reason FROM projection_faults
     WHERE name = 'runs' AND stage = 'live' AND run_id = view_runs.id) AS fault"""
_RUN_COLUMNS: Final = tuple(RUNS.columns)
_RUN: Final = sql("SELECT", ", ".join((_AT, _FAULT, *_RUN_COLUMNS)), "FROM view_runs")
_CHILD: Final = sql("SELECT", ", ".join((_AT, *CHILDREN.columns, f"{_TOOK} AS took")), "FROM view_children")
_OF_RUN: Final = "run = (SELECT run FROM view_runs WHERE id = ?)"


class RunRecord(NamedTuple):
    """A run as its view has it."""

    key: int
    """Its place among all runs, in order of creation: the position of its first event."""
    view: RunStatus
    """What `status` shows; its `position` is that of the run's latest event."""
    at: int
    """The position in the log at which this holds: up to there everything is in the view."""
    fault: str | None
    """Why the run was set aside, so that what came later is not in the view; None where it was not."""
    owner: str | None
    paused: bool
    open: bool
    """Whether children may still be added."""
    why: str | None
    """Why it was decided so."""
    max_workers: int
    on_decided: str
    attempts: int
    """How many attempts were started in all."""
    strategy: Strategy
    outer_id: str | None
    """The run that it is a child of, where it is nested."""
    outer_child: str | None


class ChildRecord(NamedTuple):
    """A child as its view has it. Times are microseconds since 1970.

    The versions are those of the events in its run that hold its input (`ChildPrepared`), its output and its error
    (`ChildFinished`, `ChildRetryScheduled`), and what its running attempt said last (`ChildProgressed`); 0: none does.
    """

    run: int
    id: str
    place: int
    """Its index in the run, from 0."""
    status: ChildStatus
    attempts: int
    worker: str | None
    started_at: int | None
    finished_at: int | None
    prepared_version: int
    output_version: int
    error_version: int
    said_version: int


class WorkerRecord(NamedTuple):
    """What a worker of a run has done."""

    worker: str
    attempts: int
    """How many it has ended."""
    busy: int
    """How long they took in all, in microseconds."""
    last_at: int
    """When the latest of them ended."""


class AttemptRecord(NamedTuple):
    """An attempt that has ended. Times are microseconds since 1970."""

    id: str
    """The child's."""
    attempt: int
    worker: str
    started_at: int
    ended_at: int
    outcome: str
    """That of the child, where this attempt ended it; else `retried` or `lost`."""


class ErrorRecord(NamedTuple):
    """An error of a run: its texts stand in the events of these versions."""

    digest: str
    number: int
    """How many attempts ended with it."""
    first_version: int
    last_version: int
    last_at: int


class Page(NamedTuple, Generic[T]):
    """Some rows, and the position in the log at which they hold."""

    at: int
    rows: list[T]


class Views:
    """Reads the views of runs and children. Any thread may call any method.

    All methods raise a StoreError where the store cannot be read, and ViewDamagedError where the views are not there.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def position(self) -> int:
        """Return the position up to which everything is in the views."""
        found = self._tables.read("SELECT position FROM projections WHERE name = 'runs' AND stage = 'live'")
        return int(found[0][0]) if found else 0

    def run_row(self, run_id: str) -> RunRecord | None:
        """Return a run; None where the views have none of this id."""
        found = self._tables.read(f"{_RUN} WHERE id = ?", (run_id,))
        return _run_record(found[0]) if found else None

    def run_page(
        self,
        statuses: Sequence[str] = (),
        *,
        order: RunOrder = "created",
        descending: bool = False,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[RunRecord]:
        """Return so many runs in an order: those of some statuses, or all, that follow on the run of an id.

        Raises:
            UsageError: there is no such run, or no such order.
        """
        place = _one_of(order, _RUN_ORDERS)
        last = None
        if after is not None:
            found = self._tables.read(sql("SELECT", *place, "FROM view_runs WHERE id = ?"), (after,))
            last = _found(found, f"there is no run {after!r} to go on after")
        wheres: list[Where] = [("status = ?", (status,)) for status in dict.fromkeys(statuses)] or [("1 = 1", ())]
        found = self._tables.read(*_paged(_RUN, wheres, place, last, limit, descending=descending))
        return Page(found[0][0] if found else self.position(), [_run_record(row) for row in found])

    def child_row(self, run_id: str, child_id: str) -> ChildRecord | None:
        """Return a child; None where the views have none of this id in this run."""
        found = self._tables.read(f"{_CHILD} WHERE {_OF_RUN} AND id = ?", (run_id, child_id))
        return _child_record(found[0]) if found else None

    def child_page(
        self,
        run_id: str,
        statuses: Sequence[str] = (),
        *,
        order: ChildOrder = "index",
        descending: bool = False,
        after: str | None = None,
        limit: int = 100,
        known: RunRecord | None = None,
    ) -> Page[ChildRecord]:
        """Return so many of a run's children in an order: those of some statuses, or all, that follow on one of an id.

        Whoever has just read the run hands it in, so that it is not looked up again, nor statuses that no child has.

        Raises:
            UsageError: there is no such child, or no such order.
        """
        if known is not None and not statuses:
            there = [status for status in CHILD_STATUSES if getattr(known.view.counts, status)]
            page = self._child_page(known, there, order, after, limit, descending=descending)
            if page.at == known.at:
                return page  # otherwise events came in between, and children may have other statuses now
        return self._child_page(known or run_id, statuses, order, after, limit, descending=descending)

    def _child_page(
        self,
        run: RunRecord | str,
        statuses: Sequence[str],
        order: ChildOrder,
        after: str | None,
        limit: int,
        *,
        descending: bool,
    ) -> Page[ChildRecord]:
        of_run, key, run_id = (_OF_RUN, run, run) if isinstance(run, str) else ("run = ?", run.key, run.view.id)
        place = _one_of(order, _CHILD_ORDERS)
        last = None
        if after is not None:
            select = sql("SELECT", ", ".join(place), "FROM view_children WHERE", of_run, "AND id = ?")
            found = self._tables.read(select, (key, after))
            last = _found(found, f"run {run_id!r} has no child {after!r} to go on after")
        possible = CHILD_STATUSES if order == "index" else OUTCOMES
        wanted = [status for status in possible if status in (statuses or possible)]
        where = f"{of_run} AND status = ?{_HAVE_A_PLACE[order]}"
        wheres: list[Where] = [(where, (key, status)) for status in wanted]
        if not wheres:
            return Page(self.position(), [])
        found = self._tables.read(*_paged(_CHILD, wheres, place, last, limit, descending=descending))
        return Page(found[0][0] if found else self.position(), [_child_record(row) for row in found])


class Work:
    """Reads the views of workers, attempts and errors. Any thread may call any method; they raise what `Views` do."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def workers(self, run_id: str) -> list[WorkerRecord]:
        """Return the workers of a run, those that were busiest first."""
        columns = ", ".join(WorkerRecord._fields)
        select = sql("SELECT", columns, "FROM view_workers WHERE", _OF_RUN, "ORDER BY busy DESC, worker")
        return [WorkerRecord(*row) for row in self._tables.read(select, (run_id,))]

    def attempts(
        self, run_id: str, worker: str, *, after: AttemptRecord | None = None, limit: int = 100
    ) -> list[AttemptRecord]:
        """Return so many of the attempts that a worker has ended, in the order of their starts, that follow on one."""
        columns = ", ".join(AttemptRecord._fields)
        follows = "" if after is None else "AND (started_at, id, attempt) > (?, ?, ?)"
        select = sql("SELECT", columns, "FROM view_attempts WHERE", _OF_RUN, "AND worker = ?", follows)
        last = () if after is None else (after.started_at, after.id, after.attempt)
        found = self._tables.read(f"{select} ORDER BY started_at, id, attempt LIMIT ?", (run_id, worker, *last, limit))
        return [AttemptRecord(*row) for row in found]

    def errors(self, run_id: str, *, after: ErrorRecord | None = None, limit: int = 100) -> list[ErrorRecord]:
        """Return so many of a run's errors, those that came most often first, that follow on one."""
        columns = ", ".join(ErrorRecord._fields)
        follows = "" if after is None else "AND (number, digest) < (?, ?)"
        select = sql("SELECT", columns, "FROM view_errors WHERE", _OF_RUN, follows)
        last = () if after is None else (after.number, after.digest)
        found = self._tables.read(f"{select} ORDER BY number DESC, digest DESC LIMIT ?", (run_id, *last, limit))
        return [ErrorRecord(*row) for row in found]


def _one_of(order: str, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    if order not in known:
        raise UsageError(f"an order is one of {', '.join(known)}, not {order!r}")
    return known[order]


def _found(rows: Sequence[tuple[Any, ...]], problem: str) -> tuple[Any, ...]:
    if not rows:
        raise UsageError(problem)
    return rows[0]


def _paged(
    select: str,
    wheres: Sequence[Where],
    place: tuple[str, ...],
    last: tuple[Any, ...] | None,
    limit: int,
    *,
    descending: bool,
) -> tuple[str, list[Any]]:
    """Return one statement for a page: of each condition the first rows, by an index, and of those the first ones."""
    way, beyond = ("DESC", "<") if descending else ("ASC", ">")
    names = ("took" if column == _TOOK else column for column in place)
    order = f" ORDER BY {', '.join(f'{name} {way}' for name in names)} LIMIT ?"
    parts, values = [], []
    for number, (where, wanted) in enumerate(wheres):
        follows = "" if last is None else f" AND ({', '.join(place)}) {beyond} ({', '.join('?' * len(place))})"
        parts.append(sql("SELECT * FROM (", select, "WHERE", where, follows, order, f") AS part{number}"))
        values += [*wanted, *(last or ()), limit]
    if len(parts) == 1:
        return parts[0], values
    return f"{' UNION ALL '.join(parts)}{order}", [*values, limit]


def _child_record(row: Sequence[Any]) -> ChildRecord:
    return ChildRecord(*row[1:-1])


def _run_record(row: Sequence[Any]) -> RunRecord:
    at, fault, *values = row
    found = dict(zip(_RUN_COLUMNS, values, strict=True))
    view = RunStatus(
        id=found["id"],
        status=found["status"],
        settled=found["settled_at"] is not None,
        strategy=StrategyView(found["kind"], found["required"]),
        counts=Counts(*(found[name] for name in Counts._fields)),
        position=found["position"],
        version=found["version"],
        decided_by=found["decided_by"],
        created_at=moment(found["created_at"]),
        started_at=moment(found["started_at"]),
        decided_at=moment(found["decided_at"]),
        settled_at=moment(found["settled_at"]),
    )
    return RunRecord(
        key=found["run"],
        view=view,
        at=at,
        fault=fault,
        paused=bool(found["paused"]) and not view.settled,
        open=bool(found["open"]),
        strategy=Strategy.model_validate_json(found["strategy"]),
        **{name: found[name] for name in _AS_THEY_ARE},
    )
