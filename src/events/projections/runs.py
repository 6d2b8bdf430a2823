"""The built-in views, moved together: a run's counts are always those of its children's rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from events.catalogue import TYPES
from events.facts import (
    AttemptLost,
    CancelRequested,
    ChildFinished,
    ChildPrepared,
    ChildProgressed,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    DeadlinePassed,
    Fact,
    LimitsChanged,
    MembershipClosed,
    OwnershipReleased,
    OwnershipTaken,
    ParentCreated,
    ParentDecided,
    ParentSettled,
    Paused,
    Redriven,
    Resumed,
)
from events.projections import attempts, children
from events.projections.attempts import ATTEMPTS, WORKERS, Ended
from events.projections.changes import Write, Written
from events.projections.children import CHILDREN, ChildRow
from events.projections.errors import ERRORS, Grouped
from events.projections.projection import Event, Fold, Projection, Read
from events.projections.run_row import COLUMNS, RUNS, RunRow
from events.projections.tables import sql

_KEPT_MAX: Final = 10_000
"""How many runs are remembered from one batch to the next."""
_SELECT: Final = sql("SELECT", ", ".join(COLUMNS), "FROM {table} WHERE id = ?")
_RUNNING: Final = "SELECT id, attempts, worker, started_at FROM {table} WHERE run = ? AND status = 'running'"
_STATUS: Final = "SELECT status FROM {table} WHERE run = ? AND id = ?"

_WHOLE: Final[dict[type[Fact], Callable[[RunRow, Any], None]]] = {
    MembershipClosed: RunRow.close,
    OwnershipTaken: RunRow.take_over,
    OwnershipReleased: RunRow.let_go,
    CancelRequested: RunRow.ask_to_cancel,
    DeadlinePassed: RunRow.run_out_of_time,
    Paused: RunRow.pause,
    Resumed: RunRow.go_on,
    LimitsChanged: RunRow.change,
    Redriven: RunRow.redrive,
    ParentDecided: RunRow.decide,
    ParentSettled: RunRow.settle,
}


class Runs(Projection):
    """All runs, their children, what their workers did, and their errors."""

    name = "runs"
    version = 1
    tables = (RUNS, CHILDREN, ATTEMPTS, WORKERS, ERRORS)

    def fold(self, read: Read) -> Fold:
        """Return how batches of events are taken."""
        return _RunsFold(read)


class _RunsFold(Fold):
    """Folds batches. It remembers the runs it has met, and which of their children run; no other children."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._kept: dict[str, RunRow] = {}
        self._new: list[RunRow] = []
        self._touched: dict[str, RunRow] = {}
        self._ended: list[Ended] = []
        self._errors = Grouped()
        self._latest: RunRow | None = None
        """The run of the event before: mostly that of the next one, too."""
        self.takers = {
            **dict.fromkeys(TYPES.values(), self._run),
            **dict.fromkeys(_WHOLE, self._as_a_whole),
            ParentCreated: self._created,
            ChildPrepared: self._prepared,
            ChildStarted: self._started,
            ChildProgressed: self._progressed,
            ChildFinished: self._finished,
            ChildRetryScheduled: self._put_back,
            AttemptLost: self._put_back,
            ChildRedriven: self._redriven,
        }

    def written(self) -> list[Written]:
        """Return what the events since the last call change."""
        new = [run.values() for run in self._new]
        fresh = {run.id for run in self._new}
        changed = [run.values() for run in self._touched.values() if run.id not in fresh]
        written: list[Written] = [Write(RUNS, "insert", COLUMNS, new), Write(RUNS, "update", COLUMNS, changed)]
        written += children.writes([child for run in self._touched.values() for child in run.children.values()])
        written += attempts.writes(self._ended)
        written += self._errors.writes()
        self._forget()
        return written

    def _forget(self) -> None:
        """Forget the batch, and runs that will hardly be heard of again."""
        for run_id, run in self._touched.items():
            run.children = {}
            if run.settled_at is not None or len(self._kept) > _KEPT_MAX:
                self._kept.pop(run_id, None)
        self._new, self._ended, self._touched, self._latest = [], [], {}, None

    # The run as a whole

    def _run(self, event: Event) -> RunRow:
        """Return the run of an event, which comes next in it."""
        position, run_id, version, _ = event
        run = self._latest
        if run is None or run.id != run_id:
            run = self._latest = self._touched.get(run_id) or self._touch(run_id)
        if version != run.version + 1:
            raise LookupError(f"version {run.version + 1} is missing before it")
        run.position, run.version = position, version
        return run

    def _touch(self, run_id: str) -> RunRow:
        run = self._touched[run_id] = self._kept.get(run_id) or self._load(run_id)
        return run

    def _load(self, run_id: str) -> RunRow:
        found = self._read(RUNS, _SELECT, (run_id,))
        if not found:
            raise LookupError(f"the view knows nothing of the beginning of run {run_id!r}")
        run = RunRow.of(dict(zip(COLUMNS, found[0], strict=True)))
        for child_id, number, worker, started_at in self._read(CHILDREN, _RUNNING, (run.key,)):
            run.attempts_running[child_id] = (number, worker, started_at)
        self._kept[run_id] = run
        return run

    def _created(self, event: Event) -> None:
        run = self._kept[event.run_id] = self._touched[event.run_id] = RunRow(event.position, event.run_id)
        self._new.append(run)
        self._run(event).create(event.fact)

    def _as_a_whole(self, event: Event) -> None:
        _WHOLE[type(event.fact)](self._run(event), event.fact)

    # Its children

    def _prepared(self, event: Event) -> None:
        run, fact = self._run(event), event.fact
        run.total += 1
        child_id = fact.child_id
        child = run.children[child_id] = ChildRow(run.key, child_id)
        child.prepare(fact, event.version)

    def _started(self, event: Event) -> None:
        run, fact = self._run(event), event.fact
        if run.started_at is None:
            run.started_at = fact.at
        run.attempts += 1
        run.attempts_running[fact.child_id] = (fact.attempt, fact.worker, fact.at)
        run.child(fact.child_id).start(fact)

    def _progressed(self, event: Event) -> None:
        self._run(event).child(event.fact.child_id).say(event.fact, event.version)

    def _finished(self, event: Event) -> None:
        run, fact = self._run(event), event.fact
        self._end_attempt(run, event, fact.outcome)
        run.child(fact.child_id).finish(fact, event.version)
        run.count(fact.outcome, 1)

    def _put_back(self, event: Event) -> None:
        run, fact = self._run(event), event.fact
        self._end_attempt(run, event, "lost" if isinstance(fact, AttemptLost) else "retried")
        run.child(fact.child_id).put_back(fact, event.version)

    def _end_attempt(self, run: RunRow, event: Event, outcome: str) -> None:
        """Put down the attempt that an event ends, if one runs, and its error, if it has one."""
        fact = event.fact
        attempt = run.attempts_running.pop(fact.child_id, None)
        if attempt is not None:
            number, worker, started_at = attempt
            self._ended.append((run.key, worker, started_at, fact.child_id, number, fact.at, outcome))
        if outcome != "succeeded":
            self._errors.add(run.key, event.version, fact)

    def _redriven(self, event: Event) -> None:
        """Take a child's end back: where it was is in this batch, or in the view."""
        run, child_id = self._run(event), event.fact.child_id
        known = run.children.get(child_id)
        run.count(self._stored_status(run, child_id) if known is None else known.status, -1)
        run.child(child_id).put_back(event.fact, event.version)

    def _stored_status(self, run: RunRow, child_id: str) -> str:
        [(status,)] = self._read(CHILDREN, _STATUS, (run.key, child_id))
        return str(status)
