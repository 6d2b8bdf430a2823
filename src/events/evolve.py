"""From a state and a fact to the next state. Pure, total over the facts, constant work for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from events.facts import (
    AttemptLost,
    CancelRequested,
    ChildCreated,
    ChildFinished,
    ChildPrepared,
    ChildRetryScheduled,
    ChildStarted,
    DeadlinePassed,
    Fact,
    MembershipClosed,
    OwnershipReleased,
    OwnershipTaken,
    ParentCreated,
    ParentDecided,
    ParentSettled,
)
from events.state import ChildState, Decision, ParentState, Phase, Running

INITIAL: Final = ParentState()
"""No parent: what every stream begins with."""


def evolve(state: ParentState, fact: Fact) -> ParentState:
    """Return the state after `fact`. Raises KeyError for a fact that its history makes impossible."""
    return _HANDLERS[type(fact)](state, fact)


def fold(facts: Iterable[Fact], state: ParentState = INITIAL) -> ParentState:
    """Return the state after all of `facts`, in order."""
    for fact in facts:
        state = _HANDLERS[type(fact)](state, fact)
    return state


def _parent_created(state: ParentState, fact: ParentCreated) -> ParentState:
    return state.replace(
        version=state.version + 1,
        strategy=fact.strategy,
        max_workers=fact.max_workers,
        on_decided=fact.on_decided,
        content=fact.content,
        timeout_seconds=fact.timeout_seconds,
        metadata=fact.metadata,
        created_at=fact.at,
    )


def _child_prepared(state: ParentState, fact: ChildPrepared) -> ParentState:
    return state.replace(
        version=state.version + 1,
        total=state.total + 1,
        children=state.children.set(fact.child_id, ChildState(fact.index, "prepared", fact)),
        order=state.order.set(fact.index, fact.child_id),
    )


def _child_created(state: ParentState, fact: ChildCreated) -> ParentState:
    child = state.children[fact.child_id]
    return state.replace(
        version=state.version + 1,
        created=state.created + 1,
        children=state.children.set(fact.child_id, ChildState(child.place, "waiting", child.prepared)),
    )


def _membership_closed(state: ParentState, _: MembershipClosed) -> ParentState:
    return state.replace(version=state.version + 1, membership_closed=True)


def _ownership_taken(state: ParentState, fact: OwnershipTaken) -> ParentState:
    return state.replace(version=state.version + 1, owner=fact.owner, epoch=fact.epoch)


def _ownership_released(state: ParentState, _: OwnershipReleased) -> ParentState:
    return state.replace(version=state.version + 1, owner=None)


def _child_started(state: ParentState, fact: ChildStarted) -> ParentState:
    child_id = fact.child_id
    child = state.children[child_id]
    changes = _leave_queue(state, child_id, child)
    if state.started_at is None:
        changes["started_at"] = fact.at
    return state.replace(
        version=state.version + 1,
        children=state.children.set(
            child_id, ChildState(child.place, "running", child.prepared, fact.attempt, child.failures)
        ),
        running=state.running.set(child_id, Running(fact.attempt, fact.worker, fact.at)),
        running_count=state.running_count + 1,
        **changes,
    )


def _leave_queue(state: ParentState, child_id: str, child: ChildState) -> dict[str, Any]:
    """Say what changes when a child stops waiting to be started."""
    if not child.untouched:
        return {"requeued": state.requeued.remove(child_id), "requeued_count": state.requeued_count - 1}
    if child.place > state.next_index:
        return {"ahead": state.ahead + 1}
    index, ahead = state.next_index + 1, state.ahead
    while ahead and not state.children[state.order[index]].untouched:
        index, ahead = index + 1, ahead - 1
    return {"next_index": index, "ahead": ahead}


def _child_retry_scheduled(state: ParentState, fact: ChildRetryScheduled) -> ParentState:
    return _requeue(state, fact.child_id, fact.not_before, failures=1)


def _attempt_lost(state: ParentState, fact: AttemptLost) -> ParentState:
    return _requeue(state, fact.child_id, 0, failures=0)


def _requeue(state: ParentState, child_id: str, not_before: int, *, failures: int) -> ParentState:
    child = state.children[child_id]
    waiting = child._replace(phase="waiting", failures=child.failures + failures)
    return state.replace(
        version=state.version + 1,
        children=state.children.set(child_id, waiting),
        running=state.running.remove(child_id),
        running_count=state.running_count - 1,
        requeued=state.requeued.set(child_id, not_before),
        requeued_count=state.requeued_count + 1,
    )


def _child_finished(state: ParentState, fact: ChildFinished) -> ParentState:
    child_id, outcome = fact.child_id, fact.outcome
    child = state.children[child_id]
    if child.phase == "running":
        changes: dict[str, Any] = {
            "running": state.running.remove(child_id),
            "running_count": state.running_count - 1,
        }
    else:
        changes = _leave_queue(state, child_id, child)
    changes[outcome] = getattr(state, outcome) + 1
    phase: Phase = outcome
    return state.replace(
        version=state.version + 1,
        children=state.children.set(child_id, ChildState(child.place, phase, None, child.attempts, child.failures)),
        **changes,
    )


def _cancel_requested(state: ParentState, _: CancelRequested) -> ParentState:
    return state.replace(version=state.version + 1, cancel_requested=True)


def _deadline_passed(state: ParentState, _: DeadlinePassed) -> ParentState:
    return state.replace(version=state.version + 1, deadline_passed=True)


def _parent_decided(state: ParentState, fact: ParentDecided) -> ParentState:
    decision = Decision(fact.status, fact.why, fact.child_id)
    return state.replace(version=state.version + 1, decision=decision, decided_at=fact.at)


def _parent_settled(state: ParentState, fact: ParentSettled) -> ParentState:
    return state.replace(version=state.version + 1, settled_at=fact.at)


_HANDLERS: Final[dict[type[Fact], Callable[[ParentState, Any], ParentState]]] = {
    ParentCreated: _parent_created,
    ChildPrepared: _child_prepared,
    ChildCreated: _child_created,
    MembershipClosed: _membership_closed,
    OwnershipTaken: _ownership_taken,
    OwnershipReleased: _ownership_released,
    ChildStarted: _child_started,
    ChildRetryScheduled: _child_retry_scheduled,
    AttemptLost: _attempt_lost,
    ChildFinished: _child_finished,
    CancelRequested: _cancel_requested,
    DeadlinePassed: _deadline_passed,
    ParentDecided: _parent_decided,
    ParentSettled: _parent_settled,
}
