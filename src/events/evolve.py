"""From a state and a fact to the next state. Pure, total over the facts, constant work for each.

`evolve` and `fold` leave the state they are given as it is. `apply` changes in place a state that its caller has
`opened`, and nobody else has: so a turn, or a replay, of many facts costs one copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
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
    Redacted,
    Redriven,
    Resumed,
)
from events.state import NESTED_TASK, ChildState, ChildWork, Decision, ParentState, Running

INITIAL: Final = ParentState()
"""No parent: what every stream begins with."""

_CHILD: Final[Callable[[tuple[Any, ...]], ChildState]] = partial(tuple.__new__, ChildState)
_WORK: Final[Callable[[tuple[Any, ...]], ChildWork]] = partial(tuple.__new__, ChildWork)
_RUNNING: Final[Callable[[tuple[Any, ...]], Running]] = partial(tuple.__new__, Running)
"""Make a tuple of all its members, in half of the time that its class takes. For what happens to every child."""


def evolve(state: ParentState, fact: Fact) -> ParentState:
    """Return the state after `fact`. Raises KeyError for a fact that its history makes impossible."""
    state = state.opened()
    apply(state, fact)
    return state


def fold(facts: Iterable[Fact], state: ParentState = INITIAL) -> ParentState:
    """Return the state after all of `facts`, in order."""
    state = state.opened()
    for fact in facts:
        _HANDLERS[type(fact)](state, fact)
        state.version += 1
    return state


def apply(state: ParentState, fact: Fact) -> None:
    """Turn an opened state into the one after `fact`. Raises what `evolve` does; the state is of no use then."""
    _HANDLERS[type(fact)](state, fact)
    state.version += 1


def _parent_created(state: ParentState, fact: ParentCreated) -> None:
    state.strategy = fact.strategy
    state.max_workers = fact.max_workers
    state.on_decided = fact.on_decided
    state.content = fact.content
    state.timeout_seconds = fact.timeout_seconds
    state.metadata = fact.metadata
    state.retry_budget = fact.retry_budget
    state.seed = fact.seed or 0
    state.weight = fact.weight or 1
    state.priority = fact.priority or 0
    state.within = fact.within
    state.origin = fact
    state.created_at = fact.at
    state.deadline_from = fact.at


def _child_prepared(state: ParentState, fact: ChildPrepared) -> None:
    child_id, index, limits = fact.child_id, fact.index, fact.limits
    work = _WORK((fact.task, fact.input, limits, fact.input_file))
    state.children.put(child_id, _CHILD((index, "prepared", work, 0, 0, 0, 0, 0, 0)))
    state.order.put(index, child_id)
    state.total += 1
    if limits is not None and limits.timed:
        state.timed = True


def _child_created(state: ParentState, fact: ChildCreated) -> None:
    child_id = fact.child_id
    child = state.children[child_id]
    prepared = child.prepared
    since = 0 if prepared is None or prepared.limits is None else _since(prepared.limits, fact.at)
    state.children.put(child_id, _CHILD((child.place, "waiting", prepared, 0, 0, 0, 0, 0, since)))
    state.created += 1
    if prepared is not None and prepared.task == NESTED_TASK:
        state.nested_untouched += 1


def _since(limits: ChildLimits | None, at: int) -> int:
    """Return since when a child waits for a start, where anybody will ask."""
    return 0 if limits is None or limits.queue_timeout_seconds is None else at


def _membership_closed(state: ParentState, _: MembershipClosed) -> None:
    state.membership_closed = True


def _ownership_taken(state: ParentState, fact: OwnershipTaken) -> None:
    state.owner, state.epoch = fact.owner, fact.epoch


def _ownership_released(state: ParentState, _: OwnershipReleased) -> None:
    state.owner = None


def _child_started(state: ParentState, fact: ChildStarted) -> None:
    child_id, at = fact.child_id, fact.at
    child = state.children[child_id]
    _leave_queue(state, child_id, child)
    if state.started_at is None:
        state.started_at = at
    prepared = child.prepared
    if prepared is None or (prepared.limits is None and child.again == 0 and prepared.task != NESTED_TASK):
        started = _CHILD((child.place, "running", prepared, fact.attempt, 0, child.crashes, 0, 0, 0))
    else:
        total = None if prepared.limits is None else prepared.limits.total_timeout_seconds
        first_at = child.first_at or (0 if total is None else at)
        started = child._replace(phase="running", attempts=fact.attempt, first_at=first_at, since=0)
        if prepared.task == NESTED_TASK:
            state.nested_running += 1
    state.children.put(child_id, started)
    state.running.put(child_id, _RUNNING((fact.attempt, fact.worker, at)))
    state.running_count += 1


def _leave_queue(state: ParentState, child_id: str, child: ChildState) -> None:
    """Let a child wait no more to be started."""
    if child.attempts or not child.untouched:
        state.requeued = state.requeued.remove(child_id)
        state.requeued_count -= 1
        if child.nested:
            state.nested_requeued -= 1
        return
    if child.phase == "waiting" and child.nested:
        state.nested_untouched -= 1
    if child.place > state.next_index:
        state.ahead += 1
        return
    index, ahead = state.next_index + 1, state.ahead
    while ahead and not state.children[state.order[index]].untouched:
        index, ahead = index + 1, ahead - 1
    state.next_index, state.ahead = index, ahead


def _child_retry_scheduled(state: ParentState, fact: ChildRetryScheduled) -> None:
    child = state.children[fact.child_id]
    state.retries += 1
    waiting = child._replace(phase="waiting", failures=child.failures + 1, again=child.again + 1)
    _requeue(state, fact.child_id, waiting, fact.not_before, fact.not_before)


def _attempt_lost(state: ParentState, fact: AttemptLost) -> None:
    child = state.children[fact.child_id]
    waiting = child._replace(phase="waiting", crashes=child.crashes + fact.crash)
    _requeue(state, fact.child_id, waiting, 0, fact.at)


def _requeue(state: ParentState, child_id: str, waiting: ChildState, not_before: int, since: int) -> None:
    """Put a running child back."""
    _stop_running(state, child_id, waiting)
    if waiting.nested:
        state.nested_requeued += 1
    if waiting.prepared is not None and waiting.prepared.limits is not None:
        waiting = waiting._replace(since=_since(waiting.prepared.limits, since))
    state.children.put(child_id, waiting)
    state.requeued = state.requeued.set(child_id, not_before)
    state.requeued_count += 1


def _stop_running(state: ParentState, child_id: str, child: ChildState) -> None:
    """Let an attempt be over."""
    state.running.drop(child_id)
    state.running_count -= 1
    if child.nested:
        state.nested_running -= 1


def _child_finished(state: ParentState, fact: ChildFinished) -> None:
    child_id, outcome = fact.child_id, fact.outcome
    child = state.children[child_id]
    before = child.phase
    if before == "running":
        _stop_running(state, child_id, child)
    else:
        _leave_queue(state, child_id, child)
    if child_id in state.asked_to_stop:
        state.asked_to_stop = state.asked_to_stop.remove(child_id)
    if before == "prepared":
        state.created += 1  # given up in index order, before it was released
    if outcome == "succeeded":
        state.succeeded += 1
    else:
        _count(state, outcome, 1)
    prepared = None if outcome == "succeeded" else child.prepared
    place, _, _, attempts, failures, crashes, again, _, _ = child
    state.children.put(child_id, _CHILD((place, outcome, prepared, attempts, failures, crashes, again, 0, 0)))


def _count(state: ParentState, outcome: str, step: int) -> None:
    """Let so many more children have an outcome."""
    setattr(state, outcome, getattr(state, outcome) + step)


def _child_cancel_requested(state: ParentState, fact: ChildCancelRequested) -> None:
    state.asked_to_stop = state.asked_to_stop.set(fact.child_id, fact.reason)


def _child_progressed(_: ParentState, __: ChildProgressed) -> None:
    """Change nothing: views show it."""


def _attempt_ended_late(state: ParentState, fact: AttemptEndedLate) -> None:
    state.late = state.late.set((fact.child_id, fact.attempt), fact.at)


def _cancel_requested(state: ParentState, _: CancelRequested) -> None:
    state.cancel_requested = True


def _deadline_passed(state: ParentState, _: DeadlinePassed) -> None:
    state.deadline_passed = True


def _paused(state: ParentState, _: Paused) -> None:
    state.paused = True


def _resumed(state: ParentState, fact: Resumed) -> None:
    state.paused, state.resumed_at = False, fact.at


def _limits_changed(state: ParentState, fact: LimitsChanged) -> None:
    if fact.max_workers is not None:
        state.max_workers = fact.max_workers
    if fact.strategy is not None:
        state.strategy = fact.strategy
    if fact.weight is not None:
        state.weight = fact.weight
    if fact.priority is not None:
        state.priority = fact.priority


def _redriven(state: ParentState, fact: Redriven) -> None:
    state.on_decided = fact.on_decided
    state.redrives += 1
    state.redriving_at = state.version + 1
    state.redrive_token = fact.token or state.redrive_token
    state.paused = False
    state.retries = 0
    state.cancel_requested = False
    state.deadline_passed = False
    state.deadline_from = fact.at
    state.decision = None
    state.decided_at = None
    state.settled_at = None


def _child_redriven(state: ParentState, fact: ChildRedriven) -> None:
    child_id = fact.child_id
    child = state.children[child_id]
    waiting = ChildState(child.place, "waiting", child.prepared, child.attempts, again=child.again + 1)
    _count(state, child.phase, -1)
    if child.nested:
        state.nested_requeued += 1
    if child.prepared is not None and child.prepared.limits is not None:
        waiting = waiting._replace(since=_since(child.prepared.limits, fact.at))
    state.children.put(child_id, waiting)
    state.redriving_at = state.version + 1
    state.requeued = state.requeued.set(child_id, 0)
    state.requeued_count += 1


def _redacted(state: ParentState, _: Redacted) -> None:
    state.redacted = True


def _parent_decided(state: ParentState, fact: ParentDecided) -> None:
    state.decision = Decision(fact.status, fact.why, fact.child_id)
    state.decided_at = fact.at


def _parent_settled(state: ParentState, fact: ParentSettled) -> None:
    state.settled_at = fact.at


_HANDLERS: Final[dict[type[Fact], Callable[[ParentState, Any], None]]] = {
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
    Redacted: _redacted,
}
