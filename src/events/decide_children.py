"""What may happen to children outside their attempts: become known, be released, be given up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from events.child_specs import ChildSpec, ids_of
from events.commands import CancelChild, CreateChildren, ExpireChild, PrepareChildren, SkipChildren
from events.decide_attempts import end_cancelled, end_timed_out, limits_of
from events.draft import Draft
from events.errors import ContentConflictError, StepOrderError, UsageError
from events.facts import ChildCancelRequested, ChildFinished, ChildPrepared
from events.making import Creating, Preparing
from events.payload_files import same_payload
from events.state import ChildWork, ParentState, outcome_of
from events.strategy import Outcome


def prepare(draft: Draft, command: PrepareChildren) -> None:
    """Make children known that are not."""
    draft.require_parent()
    known = draft.state.children
    fresh: Sequence[ChildSpec] = command.children
    if any(map(known.__contains__, ids_of(fresh))):
        fresh = [spec for spec in fresh if spec.child_id not in known or not _known(draft.state, spec)]
    if not fresh:
        return
    if draft.state.membership_closed or draft.state.halting:
        raise StepOrderError("children can no longer be added: the run is closed")
    if len(set(ids_of(fresh))) < len(fresh):
        raise UsageError("two children have the same id")
    draft.emit_all(Preparing(command.at, draft.state.total, fresh))


def _known(state: ParentState, spec: ChildSpec) -> bool:
    child = state.children.get(spec.child_id)
    if child is None:
        return False
    asked = child.prepared
    if asked is not None:
        require_same_work(asked, spec)
    return True


def require_same_work(asked: ChildWork | ChildPrepared, spec: ChildSpec) -> None:
    """Raise ContentConflictError where a child is to do something else than it was asked for."""
    alike = (asked.task, asked.limits) == (spec.task, spec.limits)
    if not (alike and same_payload(asked.input, asked.input_file, spec.input, spec.input_file)):
        raise ContentConflictError(f"child {spec.child_id!r} was prepared before with other work")


def create(draft: Draft, command: CreateChildren) -> None:
    """Release what is prepared."""
    draft.require_parent()
    state = draft.state
    if state.total == 0:
        raise StepOrderError("no children are prepared: prepare them first")
    if state.halting:
        return  # those not yet created end skipped, or have ended so
    fresh = range(state.created, state.total)
    order = state.order
    draft.emit_all(Creating(command.at, [order[index] for index in fresh]))


def cancel(draft: Draft, command: CancelChild) -> None:
    """Cancel one child: at once where it waits, by asking it to stop where it runs."""
    child_id = command.child_id
    child = draft.require_child(child_id)
    if outcome_of(child.phase) is not None or child_id in draft.state.asked_to_stop:
        return
    draft.emit(ChildCancelRequested(at=command.at, child_id=child_id, reason=command.reason))
    if child.phase != "running":
        end_cancelled(draft, command.at, child_id)


def expire(draft: Draft, command: ExpireChild) -> None:
    """End a waiting child whose time is up. Whether it is, whoever watches the clock knows best."""
    child = draft.state.children.get(command.child_id)
    if child is None or child.phase != "waiting" or draft.state.halting:
        return
    limits = limits_of(child)
    if command.clock == "queue":
        limited = limits.queue_timeout_seconds is not None and not draft.state.paused
    else:
        limited = limits.total_timeout_seconds is not None and child.first_at > 0
    if limited:
        end_timed_out(draft, command.at, command.child_id, child, command.clock)


def skip(draft: Draft, command: SkipChildren) -> None:
    """Give children that will not run any more their outcome."""
    if not draft.state.halting:
        return
    left = command.limit
    for child_id in list(islice(draft.state.requeued, left)):
        attempts = draft.state.children[child_id].attempts
        outcome: Outcome = "cancelled" if attempts else "skipped"
        draft.emit(ChildFinished(at=command.at, child_id=child_id, attempt=attempts, outcome=outcome))
        left -= 1
    while left and draft.state.next_index < draft.state.total:
        child_id = draft.state.order[draft.state.next_index]
        draft.emit(ChildFinished(at=command.at, child_id=child_id, attempt=0, outcome="skipped"))
        left -= 1
    draft.judge(command.at)
