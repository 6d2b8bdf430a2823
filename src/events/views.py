"""Read models as pure folds: what `status`, `children` and `list` show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, overload

from events.errors import RedactedError, StoreDamagedError
from events.facts import (
    AttemptLost,
    ChildFinished,
    ChildPrepared,
    ChildProgressed,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
)
from events.payload import Json, decode_payload
from events.payload_files import PayloadRef
from events.state import ParentState
from events.strategy import Status
from events.text_forms import EncryptedText

ChildFact = ChildStarted | ChildProgressed | ChildRetryScheduled | AttemptLost | ChildRedriven | ChildFinished
"""What changes how a child is seen."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

ChildStatus = Literal["pending", "running", "succeeded", "failed", "timed_out", "cancelled", "skipped"]
"""A child's status as people see it; `pending` covers everything before a start and between attempts."""


@overload
def moment(at: int) -> datetime: ...
@overload
def moment(at: None) -> None: ...
@overload
def moment(at: int | None) -> datetime | None: ...
def moment(at: int | None) -> datetime | None:
    """Return microseconds since 1970 as a time in UTC, exactly; None stays None.

    Raises:
        StoreDamagedError: it is outside all calendars, so no clock has told it.
    """
    if at is None:
        return None
    try:
        return _EPOCH + timedelta(0, 0, at)
    except OverflowError:
        raise StoreDamagedError("a time on record is outside all calendars") from None


def microseconds(time: datetime) -> int:
    """Return a time that knows its zone as microseconds since 1970."""
    return (time - _EPOCH) // timedelta(microseconds=1)


class StrategyView(NamedTuple):
    """The strategy and how many successes it requires."""

    kind: Literal["all", "any", "threshold"]
    required: int


class Counts(NamedTuple):
    """How many children are where."""

    total: int
    pending: int
    running: int
    succeeded: int
    failed: int
    timed_out: int
    cancelled: int
    skipped: int


class RunStatus(NamedTuple):
    """A parent's status and the place in the log it holds at."""

    id: str
    status: Status
    settled: bool
    strategy: StrategyView
    counts: Counts
    position: int
    version: int
    decided_by: str | None
    created_at: datetime | None
    started_at: datetime | None
    decided_at: datetime | None
    settled_at: datetime | None


def run_status(parent_id: str, state: ParentState, position: int) -> RunStatus:
    """Return what `status` shows of a state that holds at `position`."""
    strategy = StrategyView(state.strategy.kind, state.strategy.required(state.total))
    return RunStatus(
        id=parent_id,
        status=state.status,
        settled=state.settled,
        strategy=strategy,
        counts=counts(state),
        position=position,
        version=state.version,
        decided_by=None if state.decision is None else state.decision.child_id,
        created_at=moment(state.created_at),
        started_at=moment(state.started_at),
        decided_at=moment(state.decided_at),
        settled_at=moment(state.settled_at),
    )


def counts(state: ParentState) -> Counts:
    """Count the children of a state by status."""
    total, running = state.total, state.running_count
    succeeded, failed, timed_out = state.succeeded, state.failed, state.timed_out
    cancelled, skipped = state.cancelled, state.skipped
    pending = total - running - succeeded - failed - timed_out - cancelled - skipped
    return Counts(total, pending, running, succeeded, failed, timed_out, cancelled, skipped)


@dataclass(frozen=True, slots=True)
class ChildView:
    """A child as people see it. `output` and `error` are the user's values, None where there is none."""

    id: str
    index: int
    status: ChildStatus
    attempts: int
    output: Json
    error: Json
    started_at: datetime | None
    finished_at: datetime | None
    task: str
    """The name of the task, `shell` for a command."""
    input: str
    """What the child was given, as JSON text."""
    progress: float | None = None
    """How much of the running attempt is done, from 0 to 1, as far as it said so; None where none runs."""
    message: str | None = None
    """What the running attempt said last; None where none runs."""
    withheld: Literal["encrypted", "redacted"] | None = None
    """Whether its texts cannot be read: here, for want of a key, or ever. They are None then, and `input` is empty."""


Fetch = Callable[[str, str, PayloadRef], str]
"""Returns the text of a payload that lies in a file: of which child, what it is (`input`, say), and where it lies."""


def _fetch_nothing(child_id: str, what: str, _: PayloadRef) -> str:
    raise StoreDamagedError(f"child {child_id!r}: its {what} lies in a file, and there are none here")


class ChildDraft:
    """A child while its facts are being folded."""

    __slots__ = (
        *("attempts", "error", "error_file", "finished_at", "message", "output", "output_file"),
        *("prepared", "progress", "started_at", "status"),
    )

    def __init__(self, prepared: ChildPrepared) -> None:
        self.prepared = prepared
        self.status: ChildStatus = "pending"
        self.attempts = 0
        self.output: str | None = None
        self.output_file: PayloadRef | None = None
        self.error: str | None = None
        self.error_file: PayloadRef | None = None
        self.started_at: int | None = None
        self.finished_at: int | None = None
        self.progress: float | None = None
        self.message: str | None = None

    def take(self, fact: ChildFact) -> None:
        """Take one more fact of the child. A start time is that of the latest attempt."""
        if isinstance(fact, ChildProgressed):
            self.progress, self.message = fact.progress, fact.message
            return
        self.progress = self.message = None
        if isinstance(fact, ChildStarted):
            self.status, self.attempts, self.started_at = "running", fact.attempt, fact.at
        elif isinstance(fact, ChildFinished):
            self.status, self.finished_at = fact.outcome, fact.at
            self.output, self.output_file = fact.output, fact.output_file
            self.error, self.error_file = fact.error, fact.error_file
        else:
            self.status, self.finished_at = "pending", None  # what went wrong stays to be seen
            if isinstance(fact, ChildRetryScheduled):
                self.error, self.error_file = fact.error, fact.error_file

    def view(self, fetch: Fetch = _fetch_nothing) -> ChildView:
        """Return the child as people see it. Raises what `fetch` raises, and StoreDamagedError for what is no JSON."""
        child_id, prepared = self.prepared.child_id, self.prepared
        output, error, asked, message = self.output, self.error, prepared.input, self.message
        hidden = None
        for text in (output, error, asked, message):
            if isinstance(text, EncryptedText):
                hidden = text
                break
        if hidden is not None:
            output, error, asked, message = None, None, "", None
        elif self.output_file is not None:
            output = fetch(child_id, "output", self.output_file)
        if self.error_file is not None and hidden is None:
            error = fetch(child_id, "error", self.error_file)
        if prepared.input_file is not None and hidden is None:
            asked = fetch(child_id, "input", prepared.input_file)
        return ChildView(
            id=child_id,
            index=prepared.index,
            status=self.status,
            attempts=self.attempts,
            output=None if output is None else decode_payload(output),
            error=None if error is None else decode_payload(error),
            started_at=moment(self.started_at),
            finished_at=moment(self.finished_at),
            task=prepared.task,
            input=asked,
            progress=self.progress,
            message=message,
            withheld=None if hidden is None else "redacted" if isinstance(hidden.why, RedactedError) else "encrypted",
        )


def fold_child(drafts: dict[str, ChildDraft], fact: Fact) -> None:
    """Take one more fact of a parent into its children."""
    if isinstance(fact, ChildPrepared):
        drafts[fact.child_id] = ChildDraft(fact)
    elif isinstance(fact, ChildFact):
        drafts[fact.child_id].take(fact)


def child_views(facts: Iterable[Fact], fetch: Fetch = _fetch_nothing) -> list[ChildView]:
    """Fold a parent's facts into its children, in index order."""
    drafts: dict[str, ChildDraft] = {}
    for fact in facts:
        fold_child(drafts, fact)
    return [draft.view(fetch) for draft in drafts.values()]


def plain(view: Any) -> Any:
    """Return a view as plain JSON values: named tuples become objects, times ISO 8601 in UTC."""
    if isinstance(view, datetime):
        return view.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(view, tuple) and hasattr(view, "_asdict"):
        return {name: plain(value) for name, value in view._asdict().items()}
    if is_dataclass(view):
        return {field.name: plain(getattr(view, field.name)) for field in fields(view)}
    if isinstance(view, Mapping):
        return {name: plain(value) for name, value in view.items()}
    if isinstance(view, list | tuple):
        return [plain(value) for value in view]
    return view
