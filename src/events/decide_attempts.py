"""What may happen to attempts: start, end, be lost, be tried again."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from events.backoff import jitter_draw, retry_delay_us
from events.commands import (
    FinishAttempt,
    LoseAttempt,
    RecordLateEnding,
    RecordResponse,
    ReportProgress,
    StartChild,
)
from events.draft import Draft
from events.errors import RunOwnedError, StepOrderError
from events.facts import (
    AttemptEndedLate,
    AttemptLost,
    ChildFinished,
    ChildLimits,
    ChildProgressed,
    ChildRetryScheduled,
    ChildStarted,
)
from events.payload_files import PayloadRef
from events.state import ChildState, ParentState, outcome_of
from events.strategy import Outcome


class Start(NamedTuple):
    """What `StartChild` says, made in a fifth of the time: a parent says so to itself for every child."""

    at: int
    child_id: str
    worker: str


class Finish(NamedTuple):
    """What `FinishAttempt` says, made in a fifth of the time."""

    at: int
    child_id: str
    attempt: int
    outcome: Outcome
    output: str | None = None
    error: str | None = None
    output_file: PayloadRef | None = None
    error_file: PayloadRef | None = None


CRASHES_MAX: Final = 3
"""How often the worker may die of a child before the child fails, where its limits say nothing."""
_NO_LIMITS: Final = ChildLimits.model_construct()
_SECOND_US: Final = 1_000_000


def start(draft: Draft, command: StartChild | Start) -> None:
    """Claim a slot, where there is one and the child may start."""
    state = draft.state
    child_id = command.child_id
    child = state.children.get(child_id)
    if (
        child is None
        or child.phase != "waiting"
        or state.halting
        or state.paused
        or state.running_count >= state.max_workers
        or (not child.untouched and state.requeued[child_id] > command.at)
    ):
        return
    if time_is_up(child, command.at):
        end_timed_out(draft, command.at, child_id, child, "total")
        return
    number = child.attempts + 1
    started = {"at": command.at, "child_id": child_id, "attempt": number, "worker": command.worker}
    draft.emit(ChildStarted.sure(started))


def time_is_up(child: ChildState, at: int) -> bool:
    """Whether a child has had all the time that it may take over all attempts."""
    if child.prepared is None or child.prepared.limits is None:
        return False
    total = child.prepared.limits.total_timeout_seconds
    return total is not None and child.first_at > 0 and at - child.first_at >= total * _SECOND_US


def end_timed_out(draft: Draft, at: int, child_id: str, child: ChildState, clock: str) -> None:
    """End a waiting child whose time is up: its `total` time, or that for which it may wait in the `queue`."""
    limits = limits_of(child)
    if clock == "total":
        message = f"took longer than its total_timeout of {limits.total_timeout_seconds:g} s"
        error = {"type": "TotalTimedOut", "message": message}
    else:
        message = f"waited longer than its queue_timeout of {limits.queue_timeout_seconds:g} s for a worker"
        error = {"type": "QueueTimedOut", "message": message}
    draft.emit(
        ChildFinished(at=at, child_id=child_id, attempt=child.attempts, outcome="timed_out", error=json.dumps(error))
    )
    draft.judge(at, child_id)


def finish(draft: Draft, command: FinishAttempt | Finish) -> None:
    """End an attempt, and the child with it unless the attempt failed and another one may follow."""
    state = draft.state
    child_id = command.child_id
    child = state.children.get(child_id)
    if child is None or child.phase != "running" or child.attempts != command.attempt:
        return
    if command.outcome in ("failed", "timed_out") and not state.halting and _may_retry(state, child, command):
        draft.emit(
            ChildRetryScheduled(
                at=command.at,
                child_id=child_id,
                attempt=command.attempt,
                error=command.error or "null",
                error_file=command.error_file,
                not_before=_retry_at(state, child, command),
            )
        )
        return
    if type(command) is Finish and _is_plain(command):
        finished = {
            "at": command.at,
            "child_id": child_id,
            "attempt": command.attempt,
            "outcome": command.outcome,
            "output": command.output,
            "error": None,
            "output_file": None,
            "error_file": None,
        }
        draft.emit(ChildFinished.sure(finished))
        draft.judge(command.at, child_id)
        return
    _finish_child(draft, command, child_id, command.attempt)


def _is_plain(ending: Finish) -> bool:
    """Whether an ending says that the child succeeded with an output, and nothing else that needs a check."""
    nothing = ending.error is None and ending.output_file is None and ending.error_file is None
    return nothing and ending.outcome == "succeeded" and type(ending.output) is str


def _finish_child(draft: Draft, command: FinishAttempt | Finish | RecordResponse, child_id: str, attempt: int) -> None:
    draft.emit(
        ChildFinished(
            at=command.at,
            child_id=child_id,
            attempt=attempt,
            outcome=command.outcome,
            output=command.output,
            error=command.error,
            output_file=command.output_file,
            error_file=command.error_file,
        )
    )
    draft.judge(command.at, child_id)


def record_response(draft: Draft, command: RecordResponse) -> None:
    """Put on record how a child went that an engine ran by itself."""
    child_id = command.child_id
    child = draft.require_child(child_id)
    if outcome_of(child.phase) is not None:
        return
    state = draft.state
    if state.owner is not None:
        raise RunOwnedError(f"the children are run by {state.owner}, which reports for them")
    if state.halting:
        _finish_child(draft, command, child_id, child.attempts)  # late, but a fact: it flips nothing
        return
    if child.phase == "waiting":
        if state.running_count >= state.max_workers:
            raise StepOrderError(f"{state.max_workers} children are running already: report for them first")
        draft.emit(ChildStarted(at=command.at, child_id=child_id, attempt=child.attempts + 1, worker="engine"))
        child = draft.state.children[child_id]
    finish(draft, FinishAttempt(attempt=child.attempts, **dict(command)))


def limits_of(child: ChildState) -> ChildLimits:
    """Return a child's limits; those of nothing where it has none."""
    return (child.prepared and child.prepared.limits) or _NO_LIMITS


def _may_retry(state: ParentState, child: ChildState, command: FinishAttempt | Finish) -> bool:
    """Whether a failed attempt is followed by another one: by count, by budget, by kind of error, and by the clock."""
    limits = limits_of(child)
    if child.failures + 1 >= (limits.max_attempts or 1):
        return False
    if command.child_id in state.asked_to_stop:
        return False
    if state.retry_budget is not None and state.retries >= state.retry_budget:
        return False
    if limits.retry_on is not None or limits.give_up_on is not None:
        kinds = error_kinds(command.error)
        if kinds & set(limits.give_up_on or ()) or (limits.retry_on is not None and not kinds & set(limits.retry_on)):
            return False
    return not time_is_up(child, _retry_at(state, child, command))


def _retry_at(state: ParentState, child: ChildState, command: FinishAttempt | Finish) -> int:
    """Return before when the next attempt is not to start."""
    limits = limits_of(child)
    draw = jitter_draw(state.seed, command.child_id, command.attempt) if limits.jitter else 0.0
    return command.at + retry_delay_us(limits, child.failures, draw)


def error_kinds(error: str | None) -> set[str]:
    """Return the type of an error on record, and the types it is derived from as far as they are told."""
    try:
        value: Any = None if error is None else json.loads(error)
    except (ValueError, RecursionError):
        return set()  # whoever ran the attempt said what nobody can read
    if not isinstance(value, dict):
        return set()
    bases = value.get("bases")
    kinds = [value.get("type"), *(bases if isinstance(bases, list) else ())]
    return {kind for kind in kinds if isinstance(kind, str)}


def lose_one(draft: Draft, command: LoseAttempt) -> None:
    """Put an interrupted attempt on record, if it is the one that runs."""
    running = draft.state.running.get(command.child_id)
    if running is not None and running.attempt == command.attempt:
        lost = AttemptLost(
            at=command.at,
            child_id=command.child_id,
            attempt=command.attempt,
            reason=command.reason,
            signal=command.signal,
            exit_code=command.exit_code,
        )
        lose(draft, lost)


def lose(draft: Draft, lost: AttemptLost) -> None:
    """Put an interrupted attempt on record, and the end of its child where that may not run again."""
    child_id = lost.child_id
    limits = limits_of(draft.state.children[child_id])
    draft.emit(lost)
    state = draft.state
    if state.halting:
        return
    crashes_max = limits.crashes_max or CRASHES_MAX
    if child_id in state.asked_to_stop:
        error = {"type": "Cancelled", "message": state.asked_to_stop[child_id]}
    elif limits.fail_when_lost:
        how = f" ({lost.reason})" if lost.crash else ""
        error = {"type": "AttemptLost", "message": f"the attempt was interrupted{how} and may not run again"}
    elif state.children[child_id].crashes >= crashes_max:
        error = {"type": "AttemptLost", "message": f"its worker died {crashes_max} times: {lost.reason}"}
    else:
        return
    draft.emit(
        ChildFinished(
            at=lost.at,
            child_id=child_id,
            attempt=lost.attempt,
            outcome="cancelled" if child_id in state.asked_to_stop else "failed",
            error=json.dumps(error, separators=(",", ":")),
        )
    )
    draft.judge(lost.at, child_id)


def end_cancelled(draft: Draft, at: int, child_id: str) -> None:
    """End a child as cancelled that was asked to stop and does not run."""
    child = draft.state.children[child_id]
    error = {"type": "Cancelled", "message": draft.state.asked_to_stop[child_id]}
    draft.emit(
        ChildFinished(
            at=at,
            child_id=child_id,
            attempt=child.attempts,
            outcome="cancelled",
            error=json.dumps(error, separators=(",", ":")),
        )
    )
    draft.judge(at, child_id)


def record_late_ending(draft: Draft, command: RecordLateEnding) -> None:
    """Put on record how an attempt ended that had been given up."""
    child = draft.state.children.get(command.child_id)
    if child is None or not 1 <= command.attempt <= child.attempts:
        return
    if child.phase == "running" and child.attempts == command.attempt:
        return
    if (command.child_id, command.attempt) in draft.state.late:
        return
    draft.emit(
        AttemptEndedLate(
            at=command.at,
            child_id=command.child_id,
            attempt=command.attempt,
            outcome=command.outcome,
            output=command.output,
            error=command.error,
            output_file=command.output_file,
            error_file=command.error_file,
        )
    )


def report_progress(draft: Draft, command: ReportProgress) -> None:
    """Put on record how far a running attempt is."""
    child = draft.state.children.get(command.child_id)
    if child is None or child.phase != "running" or child.attempts != command.attempt:
        return
    draft.emit(
        ChildProgressed(
            at=command.at,
            child_id=command.child_id,
            attempt=command.attempt,
            progress=command.progress,
            message=command.message,
        )
    )
