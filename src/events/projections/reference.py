"""What the rows of the built-in views must be, worked out by `events.evolve` and `events.views`, not by projections.

Slow and plain on purpose. It shares no rule with what it is compared to.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from events.evolve import INITIAL, apply
from events.facts import (
    AttemptLost,
    ChildFinished,
    ChildPrepared,
    ChildProgressed,
    ChildRetryScheduled,
    ChildStarted,
)
from events.log.record import Recorded
from events.projections.attempts import ATTEMPTS, WORKERS
from events.projections.children import CHILDREN
from events.projections.errors import ERRORS, text_of
from events.projections.run_row import RUNS
from events.state import ParentState
from events.views import ChildDraft, ChildFact, counts, fold_child

Row = dict[str, Any]
Rows = dict[str, dict[tuple[Any, ...], Row]]
"""By the name of a table and a row's key."""


class Reference(ABC):
    """Folds the records of one run, one by one, into what stands of it in a projection's tables."""

    key: int | None = None
    """The run's place among all runs; None where there is no such run."""

    def take(self, record: Recorded) -> None:
        """Take the next record of the run."""
        if self.key is None:
            self.key = record.position
        self.fold(record)

    @abstractmethod
    def fold(self, record: Recorded) -> None:
        """Take the next record of the run."""

    @abstractmethod
    def rows(self) -> Rows:
        """Return what stands in the tables."""


class RunReference(Reference):
    """A run and its children."""

    def __init__(self) -> None:
        self._state = INITIAL.opened()
        self._first: Recorded | None = None
        self._last: Recorded | None = None
        self._attempts = 0
        self._drafts: dict[str, ChildDraft] = {}
        self._extra: dict[str, Row] = {}
        self._work = _WorkReference()

    def fold(self, record: Recorded) -> None:
        """Take the next record."""
        fact = record.fact
        self._work.fold(self._state, record)
        apply(self._state, fact)
        fold_child(self._drafts, fact)
        self._first = self._first or record
        self._last = record
        if isinstance(fact, ChildPrepared):
            self._extra[fact.child_id] = _nothing_known() | {"prepared_version": record.version}
        elif isinstance(fact, ChildFact):
            self._take_of_child(self._extra[fact.child_id], fact, record.version)

    def _take_of_child(self, extra: Row, fact: ChildFact, version: int) -> None:
        extra["said_version"] = version if isinstance(fact, ChildProgressed) else 0
        if isinstance(fact, ChildStarted):
            self._attempts += 1
            extra["worker"] = fact.worker
        elif isinstance(fact, ChildRetryScheduled):
            extra["error_version"] = version
        elif isinstance(fact, ChildFinished):
            draft = self._drafts[fact.child_id]
            extra["output_version"] = version if draft.output is not None or draft.output_file is not None else 0
            extra["error_version"] = version if draft.error is not None or draft.error_file is not None else 0

    def rows(self) -> Rows:
        """Return what stands in the views of runs and children."""
        if self._first is None or self._last is None:
            return {}
        key = self._first.position
        run = self._run(key, self._first.parent_id, self._last.position)
        children = {(key, child_id): self._child(key, child_id, draft) for child_id, draft in self._drafts.items()}
        return {RUNS.name: {(key,): run}, CHILDREN.name: children, **self._work.rows(key)}

    def _run(self, key: int, run_id: str, position: int) -> Row:
        state, decision, within = self._state, self._state.decision, self._state.within
        return {
            "run": key,
            "id": run_id,
            "status": state.status,
            "kind": state.strategy.kind,
            "required": state.strategy.required(state.total),
            **counts(state)._asdict(),
            "position": position,
            "decided_by": None if decision is None else decision.child_id,
            "why": None if decision is None else decision.why,
            **{name: getattr(state, name) for name in _SAME},
            "strategy": state.strategy.model_dump_json(exclude_none=True),
            "attempts": self._attempts,
            "outer_id": None if within is None else within.parent_id,
            "outer_child": None if within is None else within.child_id,
            "open": int(not state.membership_closed),
            **{name: int(getattr(state, name)) for name in ("paused", "cancel_requested", "deadline_passed")},
        }

    def _child(self, key: int, child_id: str, draft: ChildDraft) -> Row:
        return {
            "run": key,
            "id": child_id,
            "place": draft.prepared.index,
            "status": draft.status,
            "attempts": draft.attempts,
            "started_at": draft.started_at,
            "finished_at": draft.finished_at,
            **self._extra[child_id],
        }


class _WorkReference:
    """What workers did, and the errors that came of it."""

    def __init__(self) -> None:
        self._attempts: list[Row] = []
        self._errors: dict[str, Row] = {}

    def fold(self, before: ParentState, record: Recorded) -> None:
        """Take a record of a run, and the run's state before it."""
        fact = record.fact
        if not isinstance(fact, ChildFinished | ChildRetryScheduled | AttemptLost):
            return
        running = before.running.get(fact.child_id)
        kind = "retried" if isinstance(fact, ChildRetryScheduled) else "lost"
        if isinstance(fact, ChildFinished):
            kind = fact.outcome
        if running is not None:
            ended = {"id": fact.child_id, "attempt": running.attempt, "ended_at": fact.at, "outcome": kind}
            self._attempts.append({"worker": running.worker, "started_at": running.started_at, **ended})
        text = None if kind == "succeeded" else text_of(fact)
        if text is not None:
            first = {"digest": text.digest, "number": 0, "first_version": record.version}
            error = self._errors.setdefault(text.digest, first)
            error |= {"number": error["number"] + 1, "last_version": record.version, "last_at": fact.at}

    def rows(self, key: int) -> Rows:
        """Return what stands in the tables."""
        attempts: dict[tuple[Any, ...], Row] = {}
        workers: dict[tuple[Any, ...], Row] = {}
        for each in self._attempts:
            worker, took = each["worker"], each["ended_at"] - each["started_at"]
            attempts[key, worker, each["started_at"], each["id"], each["attempt"]] = {"run": key, **each}
            known = workers.setdefault((key, worker), {"run": key, "worker": worker, "attempts": 0, "busy": 0})
            known |= {"attempts": known["attempts"] + 1, "busy": known["busy"] + took}
            known["last_at"] = each["ended_at"]
        errors = {(key, digest): {"run": key, **row} for digest, row in self._errors.items()}
        return {ATTEMPTS.name: attempts, WORKERS.name: workers, ERRORS.name: errors}


_SAME: Final = (
    *("version", "created_at", "started_at", "decided_at", "settled_at", "owner", "epoch", "max_workers"),
    "on_decided",
)


def _nothing_known() -> Row:
    return {"worker": None, "output_version": 0, "error_version": 0, "said_version": 0}


REFERENCES: Final[dict[str, Callable[[], Reference]]] = {"runs": RunReference}
"""By the name of the projection."""
