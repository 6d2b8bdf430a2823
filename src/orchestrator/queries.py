"""Answers from the log alone: statuses, children, histories. Nothing here needs a live parent."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from events.catalogue import DEFAULT_CATALOGUE
from events.errors import Place, RunNotFoundError, StoreDamagedError
from events.evolve import INITIAL
from events.facts import ChildPrepared, Fact, ParentCreated, Paused
from events.log.drawing import facts_about
from events.log.folding import folded
from events.log.reading import decoded
from events.log.record import Head, Recorded
from events.log.replay import Replay
from events.log.store import EventLog
from events.payload_files import PayloadRef
from events.state import NESTED_TASK, ParentState
from events.text_forms import EncryptedText
from events.views import (
    ChildDraft,
    ChildStatus,
    Fetch,
    RunStatus,
    fold_child,
    microseconds,
    moment,
    run_status,
)
from orchestrator import given
from orchestrator.definition import NESTING_DEPTH_MAX
from orchestrator.points import POSITION_MAX, Point, zoned

_COMPARED_MAX: Final = 1_000
"""With how many ids of runs one is compared that is not there."""
_FOLLOWS_SETTLED: Final = ("AttemptEndedLate", "OwnershipReleased", "OwnershipTaken")
"""What may come after a run was settled, and leaves it so: an abandoned attempt ends, an owner goes or comes."""
_LAST_ROWS: Final = 64
"""So many rows at a time are read back."""
_NESTED_MARK: Final = f'"{NESTED_TASK}"'.encode()
"""What the record of a child that is a parent has in it, and few others do."""


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One recorded event as people see it. `hash` is its link in the parent's chain, in hexadecimal."""

    position: int
    version: int
    type: str
    at: datetime
    data: Mapping[str, Any]
    hash: str


def state_of(log: EventLog, parent_id: str, at: int | datetime | None = None) -> tuple[ParentState, int]:
    """Fold a parent's stream, up to a position or a time if one is given; return the state and its position.

    Raises:
        RunNotFoundError: there is no such parent (at that point).
    """
    given.run_id(parent_id)
    if isinstance(at, datetime):
        found = folded(log, parent_id, upto_at=microseconds(zoned(at)))
    else:
        found = folded(log, parent_id, upto_position=given.whole(at, "a position", POSITION_MAX))
    require_then(log, parent_id, found.state, at)
    return found.state, found.position


def require_then(log: EventLog, parent_id: str, state: ParentState, at: int | datetime | None) -> None:
    """Raise RunNotFoundError where there is no such parent, or was none yet at a point whose state this is."""
    if not state.exists:
        require(log, parent_id)
        when = str(at) if isinstance(at, datetime) else given.shown_value(at)
        raise RunNotFoundError(f"there was no run {parent_id!r} yet at {when} in {log.location}")


class Following:
    """A parent's state, kept up to date from the log without ever reading an event twice. For any thread."""

    def __init__(self, log: EventLog, parent_id: str) -> None:
        self._log = log
        self._parent_id = parent_id
        self._lock = threading.Lock()
        self._state = INITIAL
        self._position = 0
        self._hash: bytes | None = None

    @property
    def has_begun(self) -> bool:
        """Whether anything was read: then only what came since has to be."""
        return self._state.version > 0

    def skip_to(self, state: ParentState, position: int) -> None:
        """Go on from a state that is on record, where that is further on."""
        with self._lock:
            if state.version > self._state.version:
                self._state, self._position, self._hash = state, position, None

    def look(self) -> tuple[ParentState, int]:
        """Return the state as it is on record now, and its position. Raises RunNotFoundError."""
        with self._lock:
            if not self._state.exists:
                found = folded(self._log, self._parent_id)
                self._state, self._position, self._hash = found.state, found.position, found.hash
            news = self._log.read(self._parent_id, after_version=self._state.version, after_hash=self._hash)
            replay = Replay(self._log.location, self._state)
            for record in news:
                replay.take(record)
                self._state, self._position, self._hash = replay.state, record.position, record.hash
            if not self._state.exists:
                raise _not_found(self._log, self._parent_id)
            return self._state, self._position


def records_until(log: EventLog, parent_id: str, at: int | datetime | None) -> Iterator[Recorded]:
    """Yield a parent's records up to a position, or up to the first one later than a time."""
    given.run_id(parent_id)
    point = Point(at)
    for record in log.read(parent_id, upto_position=point.upto_position):
        if not point.covers(record):
            return
        yield record


def status_of(log: EventLog, parent_id: str, at: int | datetime | None = None) -> RunStatus:
    """Return what `status` shows, now or at an earlier point."""
    state, position = state_of(log, parent_id, at)
    with placed(log, parent_id):
        return run_status(parent_id, state, position)


def status_and_pause(log: EventLog, parent_id: str, at: int | datetime | None = None) -> tuple[RunStatus, bool]:
    """Return what `status` shows, now or at an earlier point, and whether the run was paused then."""
    state, position = state_of(log, parent_id, at)
    with placed(log, parent_id):
        return run_status(parent_id, state, position), state.paused and not state.settled


def is_paused(log: EventLog, parent_id: str) -> bool:
    """Whether a parent is paused, without a look at all of its record."""
    return isinstance(latest_fact(log, parent_id, "Paused", "Resumed", "Redriven", "ParentSettled"), Paused)


def latest_fact(log: EventLog, parent_id: str, *types: str) -> Fact | None:
    """Return the latest fact of some types in a parent's stream; None where there is none."""
    rows = log.recorder.stream(parent_id, types=types, descending=True, limit=1)
    return decoded(rows[0], log.catalogue, log.location) if rows else None


def count_of(log: EventLog, parent_id: str, name: str) -> int:
    """Return how many facts of a type a parent has, counted where they are on record."""
    return log.recorder.tally(parent_id, POSITION_MAX).get(name, 0)


def outermost(log: EventLog, parent_id: str) -> str:
    """Return the id of the parent that has this one somewhere inside it; its own where none has."""
    for _ in range(NESTING_DEPTH_MAX):
        rows = log.recorder.stream(parent_id, types=("ParentCreated",), limit=1)
        created = decoded(rows[0], log.catalogue, log.location) if rows else None
        if not isinstance(created, ParentCreated) or created.within is None:
            break
        parent_id = created.within.parent_id
    return parent_id


def child_status(log: EventLog, parent_id: str, child_id: str) -> ChildStatus | None:
    """Return a child's status, without a look at all of its parent's record; None where there is no such child."""
    drafts: dict[str, ChildDraft] = {}
    for fact in facts_about(log, parent_id, child_id):
        fold_child(drafts, fact)
    return drafts[child_id].status if child_id in drafts else None


def nested_inputs(log: EventLog, parent_id: str) -> Iterator[str]:
    """Yield the inputs of those children that a parent was made with and that are parents themselves.

    The others are passed over undecoded, so that this is quick for a parent of many.
    """
    for row in log.recorder.rows(parent_id):
        if row.type == "ChildCreated":
            return
        if row.type == "ChildPrepared" and _NESTED_MARK in row.data:
            fact = decoded(row, log.catalogue, log.location)
            if isinstance(fact, ChildPrepared) and fact.task == NESTED_TASK:
                yield fact.input


@contextmanager
def placed(log: EventLog, parent_id: str) -> Iterator[None]:
    """Say of which parent it is that it tells of a time beyond all calendars, or holds what is no JSON."""
    try:
        yield
    except StoreDamagedError as error:
        if error.place is not None:
            raise
        raise StoreDamagedError.at(log.location, Place(parent_id, None, None, str(error))) from error


def history_of(log: EventLog, parent_id: str) -> Iterator[HistoryEvent]:
    """Yield a parent's events in order. Raises RunNotFoundError where there is none."""
    require(log, parent_id)
    return _history(log, parent_id)


def _history(log: EventLog, parent_id: str) -> Iterator[HistoryEvent]:
    for record in log.read(parent_id):
        with placed(log, parent_id):
            event = event_of(record)
        yield event


def event_of(record: Recorded) -> HistoryEvent:
    """Return a record as people see it. Raises StoreDamagedError where its time is beyond all calendars."""
    data = json.loads(DEFAULT_CATALOGUE.encode(record.fact)[1])
    at = moment(data.pop("at"))
    encrypted = [name for name in data if isinstance(getattr(record.fact, name), EncryptedText)]
    if encrypted:
        data = {name: value for name, value in data.items() if name not in encrypted} | {"encrypted": encrypted}
    return HistoryEvent(record.position, record.version, record.type, at, data, record.hash.hex())


def unfinished(log: EventLog) -> list[str]:
    """Return the ids of parents that are not settled, in order of creation.

    Parents that no orchestrator ever worked on are left out: an engine drives those itself.
    """
    return [
        parent_id
        for parent_id, head in log.recorder.parents()
        if not _ends_settled(log, parent_id, head) and _was_owned(log, parent_id)
    ]


def _was_owned(log: EventLog, parent_id: str) -> bool:
    return bool(log.recorder.stream(parent_id, types=("OwnershipTaken",), limit=1))


def _ends_settled(log: EventLog, parent_id: str, head: Head) -> bool:
    """Whether it was settled and is not gone on with: what may follow that changes nothing. A damaged head says no."""
    upto = head.version if head.is_sound else 0
    while upto > 0:
        rows = log.recorder.stream(
            parent_id, after_version=max(0, upto - _LAST_ROWS), upto_version=upto, descending=True
        )
        for row in rows:
            if row.type not in _FOLLOWS_SETTLED:
                return row.type in ("ParentSettled", "Redacted")
        upto -= _LAST_ROWS
    return False


def fetching(log: EventLog, parent_id: str) -> Fetch:
    """Return how payloads of a parent that lie in files are read."""

    def fetch(child_id: str, what: str, ref: PayloadRef) -> str:
        return log.payload(parent_id, child_id, what, ref)

    return fetch


def require(log: EventLog, parent_id: str) -> None:
    """Raise RunNotFoundError where there is no such parent."""
    given.run_id(parent_id)
    if log.recorder.head(parent_id) is None:
        raise _not_found(log, parent_id)


def _not_found(log: EventLog, parent_id: str) -> RunNotFoundError:
    """Return the error that there is no such parent, and which id may have been meant among the latest ones.

    Raises RunDroppedError where there was one.
    """
    log.require_not_dropped(parent_id)
    near = None
    with suppress(StoreDamagedError):
        from orchestrator.plan_source import close_match

        near = close_match(parent_id, deque(log.recorder.ids(), maxlen=_COMPARED_MAX))
    hint = "" if near is None else f"; did you mean {near!r}?"
    return RunNotFoundError(f"there is no run {parent_id!r} in {log.location}{hint}")
