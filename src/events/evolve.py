"""From a state and a fact to the next state. Pure, total over the facts, constant work for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, Final

from events.facts import (
    AttemptEndedLate,
    AttemptLost,
    CancelRequested,
    ChildCancelRequested,
    ChildCreated,
    ChildFinished,
    ChildLimits,
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
from events.state import NESTED_TASK, ChildState, Decision, ParentState, Phase, Running

INITIAL: Final = ParentState()
"""No parent: what every stream begins with."""


def evolve(state: ParentState, fact: Fact) -> ParentState:
    """Return the state after `fact`. Raises KeyError for a fact that its history makes impossible."""
    return _HANDLERS[type(fact)](state, fact)


def fold(facts: Iterable[Fact], state: ParentState = INITIAL) -> ParentState:
    """Return the state after all of `facts`, in order."""
    for kind, run in groupby(facts, type):
        at_once = _AT_ONCE.get(kind)
        if at_once is not None:
            state = at_once(state, list(run))
            continue
        step = _HANDLERS[kind]
        for fact in run:
            state = step(state, fact)
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
        retry_budget=fact.retry_budget,
        seed=fact.seed or 0,
        weight=fact.weight or 1,
        priority=fact.priority or 0,
        within=fact.within,
        origin=fact,
        created_at=fact.at,
        deadline_from=fact.at,
    )


def _child_prepared(state: ParentState, fact: ChildPrepared) -> ParentState:
    return _children_prepared(state, (fact,))


def _children_prepared(state: ParentState, facts: Sequence[ChildPrepared]) -> ParentState:
    children: dict[str, ChildState] = {}
    order: dict[int, str] = {}
    timed = state.timed
    for fact in facts:
        child_id, index, limits = fact.child_id, fact.index, fact.limits
        children[child_id] = ChildState(index, "prepared", fact)
        order[index] = child_id
        timed = timed or (limits is not None and limits.timed)
    return state.replace(
        version=state.version + len(facts),
        total=state.total + len(facts),
        children=state.children.update(children),
        order=state.order.update(order),
        timed=timed,
    )


def _child_created(state: ParentState, fact: ChildCreated) -> ParentState:
    return _children_created(state, (fact,))


def _children_created(state: ParentState, facts: Sequence[ChildCreated]) -> ParentState:
    waiting: dict[str, ChildState] = {}
    nested = state.nested_untouched
    for fact in facts:
        child = state.children[fact.child_id]
        prepared = child.prepared
        if prepared is None or prepared.limits is None:
            waiting[fact.child_id] = ChildState(child.place, "waiting", prepared)
        else:
            since = _since(prepared.limits, fact.at)
            waiting[fact.child_id] = ChildState(child.place, "waiting", prepared, since=since)
        if prepared is not None and prepared.task == NESTED_TASK:
            nested += 1
    return state.replace(
        version=state.version + len(facts),
        created=state.created + len(facts),
        children=state.children.update(waiting),
        nested_untouched=nested,
    )


def _since(limits: ChildLimits | None, at: int) -> int:
    """Return since when a child waits for a start, where anybody will ask."""
    return 0 if limits is None or limits.queue_timeout_seconds is None else at


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
    prepared = child.prepared
    if prepared is None or (prepared.limits is None and prepared.task != NESTED_TASK and child.again == 0):
        started = ChildState(child.place, "running", prepared, fact.attempt, 0, child.crashes)
    else:
        total = None if prepared.limits is None else prepared.limits.total_timeout_seconds
        first_at = child.first_at or (0 if total is None else fact.at)
        started = child._replace(phase="running", attempts=fact.attempt, first_at=first_at, since=0)
        if prepared.task == NESTED_TASK:
            changes["nested_running"] = state.nested_running + 1
    return state.replace(
        version=state.version + 1,
        children=state.children.set(child_id, started),
        running=state.running.set(child_id, Running(fact.attempt, fact.worker, fact.at)),
        running_count=state.running_count + 1,
        **changes,
    )


def _leave_queue(state: ParentState, child_id: str, child: ChildState) -> dict[str, Any]:
    """Say what changes when a child stops waiting to be started."""
    changes: dict[str, Any] = {}
    if not child.untouched:
        changes["requeued"] = state.requeued.remove(child_id)
        changes["requeued_count"] = state.requeued_count - 1
        if child.nested:
            changes["nested_requeued"] = state.nested_requeued - 1
        return changes
    if child.phase == "waiting" and child.nested:
        changes["nested_untouched"] = state.nested_untouched - 1
    if child.place > state.next_index:
        changes["ahead"] = state.ahead + 1
        return changes
    index, ahead = state.next_index + 1, state.ahead
    while ahead and not state.children[state.order[index]].untouched:
        index, ahead = index + 1, ahead - 1
    changes["next_index"], changes["ahead"] = index, ahead
    return changes


def _child_retry_scheduled(state: ParentState, fact: ChildRetryScheduled) -> ParentState:
    child = state.children[fact.child_id]
    waiting = child._replace(phase="waiting", failures=child.failures + 1, again=child.again + 1)
    return _requeue(state.replace(retries=state.retries + 1), fact.child_id, waiting, fact.not_before, fact.not_before)


def _attempt_lost(state: ParentState, fact: AttemptLost) -> ParentState:
    child = state.children[fact.child_id]
    waiting = child._replace(phase="waiting", crashes=child.crashes + fact.crash)
    return _requeue(state, fact.child_id, waiting, 0, fact.at)


def _requeue(state: ParentState, child_id: str, waiting: ChildState, not_before: int, since: int) -> ParentState:
    """Put a running child back."""
    changes = _stop_running(state, child_id, waiting)
    if waiting.nested:
        changes["nested_requeued"] = state.nested_requeued + 1
    if waiting.prepared is not None and waiting.prepared.limits is not None:
        waiting = waiting._replace(since=_since(waiting.prepared.limits, since))
    return state.replace(
        version=state.version + 1,
        children=state.children.set(child_id, waiting),
        requeued=state.requeued.set(child_id, not_before),
        requeued_count=state.requeued_count + 1,
        **changes,
    )


def _stop_running(state: ParentState, child_id: str, child: ChildState) -> dict[str, Any]:
    """Say what changes when an attempt ends."""
    changes: dict[str, Any] = {
        "running": state.running.remove(child_id),
        "running_count": state.running_count - 1,
    }
    if child.nested:
        changes["nested_running"] = state.nested_running - 1
    return changes


def _child_finished(state: ParentState, fact: ChildFinished) -> ParentState:
    child_id, outcome = fact.child_id, fact.outcome
    child = state.children[child_id]
    if child.phase == "running":
        changes = _stop_running(state, child_id, child)
    else:
        changes = _leave_queue(state, child_id, child)
    if child_id in state.asked_to_stop:
        changes["asked_to_stop"] = state.asked_to_stop.remove(child_id)
    if child.phase == "prepared":
        changes["created"] = state.created + 1  # given up in index order, before it was released
    changes[outcome] = getattr(state, outcome) + 1
    phase: Phase = outcome
    prepared = None if outcome == "succeeded" else child.prepared
    ended = ChildState(child.place, phase, prepared, child.attempts, child.failures, child.crashes, child.again)
    return state.replace(version=state.version + 1, children=state.children.set(child_id, ended), **changes)


def _child_cancel_requested(state: ParentState, fact: ChildCancelRequested) -> ParentState:
    asked = state.asked_to_stop.set(fact.child_id, fact.reason)
    return state.replace(version=state.version + 1, asked_to_stop=asked)


def _child_progressed(state: ParentState, _: ChildProgressed) -> ParentState:
    return state.replace(version=state.version + 1)  # it changes nothing: views show it


def _attempt_ended_late(state: ParentState, fact: AttemptEndedLate) -> ParentState:
    late = state.late.set((fact.child_id, fact.attempt), fact.at)
    return state.replace(version=state.version + 1, late=late)


def _cancel_requested(state: ParentState, _: CancelRequested) -> ParentState:
    return state.replace(version=state.version + 1, cancel_requested=True)


def _deadline_passed(state: ParentState, _: DeadlinePassed) -> ParentState:
    return state.replace(version=state.version + 1, deadline_passed=True)


def _paused(state: ParentState, _: Paused) -> ParentState:
    return state.replace(version=state.version + 1, paused=True)


def _resumed(state: ParentState, fact: Resumed) -> ParentState:
    return state.replace(version=state.version + 1, paused=False, resumed_at=fact.at)


def _limits_changed(state: ParentState, fact: LimitsChanged) -> ParentState:
    asked = (fact.max_workers, fact.strategy, fact.weight, fact.priority)
    names = ("max_workers", "strategy", "weight", "priority")
    changes = {name: value for name, value in zip(names, asked, strict=True) if value is not None}
    return state.replace(version=state.version + 1, **changes)


def _redriven(state: ParentState, fact: Redriven) -> ParentState:
    return state.replace(
        version=state.version + 1,
        on_decided=fact.on_decided,
        redrives=state.redrives + 1,
        redriving_at=state.version + 1,
        redrive_token=fact.token or state.redrive_token,
        paused=False,
        retries=0,
        cancel_requested=False,
        deadline_passed=False,
        deadline_from=fact.at,
        decision=None,
        decided_at=None,
        settled_at=None,
    )


def _child_redriven(state: ParentState, fact: ChildRedriven) -> ParentState:
    child_id = fact.child_id
    child = state.children[child_id]
    waiting = ChildState(child.place, "waiting", child.prepared, child.attempts, again=child.again + 1)
    changes: dict[str, Any] = {child.phase: getattr(state, child.phase) - 1}
    if child.nested:
        changes["nested_requeued"] = state.nested_requeued + 1
    if child.prepared is not None and child.prepared.limits is not None:
        waiting = waiting._replace(since=_since(child.prepared.limits, fact.at))
    return state.replace(
        version=state.version + 1,
        children=state.children.set(child_id, waiting),
        redriving_at=state.version + 1,
        requeued=state.requeued.set(child_id, 0),
        requeued_count=state.requeued_count + 1,
        **changes,
    )


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
    AttemptEndedLate: _attempt_ended_late,
    ChildProgressed: _child_progressed,
    ChildCancelRequested: _child_cancel_requested,
    ChildRedriven: _child_redriven,
    ChildFinished: _child_finished,
    CancelRequested: _cancel_requested,
    DeadlinePassed: _deadline_passed,
    Paused: _paused,
    Resumed: _resumed,
    LimitsChanged: _limits_changed,
    Redriven: _redriven,
    ParentDecided: _parent_decided,
    ParentSettled: _parent_settled,
}

_AT_ONCE: Final[dict[type[Fact], Callable[[ParentState, Any], ParentState]]] = {
    ChildPrepared: _children_prepared,
    ChildCreated: _children_created,
}
"""The same for many facts of one type in a row."""
