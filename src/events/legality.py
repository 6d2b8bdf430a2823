"""Whether a fact can follow from a state: what is asked of every record that is read back.

Whoever can write a store can also make its hashes fit. A history that no parent can have had is damage all the same,
and is found before it is folded, so that nothing later has to wonder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from events.facts import (
    AttemptEndedLate,
    AttemptLost,
    ChildCancelRequested,
    ChildCreated,
    ChildFinished,
    ChildPrepared,
    ChildProgressed,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
    LimitsChanged,
    OwnershipTaken,
    ParentCreated,
    ParentDecided,
    ParentSettled,
    Paused,
    Redacted,
    Redriven,
    Resumed,
)
from events.state import NESTED_WORKER, ParentState

_PREPARED: Final = ("prepared",)
_WAITING: Final = ("waiting",)
_RUNNING: Final = ("running",)
_UNDER_WAY: Final = (*_WAITING, *_RUNNING)
_OPEN: Final = (*_PREPARED, *_UNDER_WAY)
_UNSUCCESSFUL: Final = ("failed", "timed_out", "cancelled", "skipped")


def objection(state: ParentState, fact: Fact) -> str | None:
    """Return why `fact` cannot come next, or None where it can. Constant work."""
    kind = type(fact)
    if not state.version and kind is not ParentCreated:
        return "the run was not created yet"
    check = _CHECKS.get(kind)
    return None if check is None else check(state, fact)


def _parent_created(state: ParentState, _: ParentCreated) -> str | None:
    return "the run was created before" if state.version else None


def _prepared(state: ParentState, fact: ChildPrepared) -> str | None:
    if fact.child_id in state.children:
        return f"child {fact.child_id!r} was prepared before"
    return None if fact.index == state.total else f"child {fact.child_id!r} has index {fact.index}, not {state.total}"


def _created(state: ParentState, fact: ChildCreated) -> str | None:
    return _not_in(state, fact.child_id, _PREPARED)


def _started(state: ParentState, fact: ChildStarted) -> str | None:
    child = state.children.get(fact.child_id)
    if fact.worker == NESTED_WORKER and child is not None and not child.nested:
        return f"child {fact.child_id!r} is no parent itself"
    return _not_in(state, fact.child_id, _WAITING)


def _attempt_ended(state: ParentState, fact: ChildRetryScheduled | AttemptLost) -> str | None:
    return _not_in(state, fact.child_id, _RUNNING)


def _progressed(state: ParentState, fact: ChildProgressed) -> str | None:
    running = state.running.get(fact.child_id)
    if running is None:
        return _not_in(state, fact.child_id, _RUNNING)
    return None if running.attempt == fact.attempt else f"attempt {running.attempt} is the one that runs"


def _ended_late(state: ParentState, fact: AttemptEndedLate) -> str | None:
    child = state.children.get(fact.child_id)
    if child is None:
        return f"there is no child {fact.child_id!r}"
    if fact.attempt > child.attempts or (child.phase == "running" and fact.attempt == child.attempts):
        return f"attempt {fact.attempt} of child {fact.child_id!r} is not over"
    late = (fact.child_id, fact.attempt) in state.late
    return f"attempt {fact.attempt} of child {fact.child_id!r} ended late before" if late else None


def _cancel_requested(state: ParentState, fact: ChildCancelRequested) -> str | None:
    if fact.child_id in state.asked_to_stop:
        return f"child {fact.child_id!r} was asked to stop before"
    return _not_in(state, fact.child_id, _UNDER_WAY)


def _child_redriven(state: ParentState, fact: ChildRedriven) -> str | None:
    if state.redrives == 0 or state.redriving_at != state.version:
        return "no redrive was just begun"
    return _not_in(state, fact.child_id, _UNSUCCESSFUL)


def _redriven(state: ParentState, _: Redriven) -> str | None:
    if state.redacted:
        return "the run was redacted"
    return None if state.settled else "the run is not settled"


def _redacted(state: ParentState, _: Redacted) -> str | None:
    if state.redacted:
        return "the run was redacted before"
    return None if state.settled else "the run is not settled"


def _paused(state: ParentState, _: Paused) -> str | None:
    return "the run is paused already" if state.paused else _over(state)


def _resumed(state: ParentState, _: Resumed) -> str | None:
    return _over(state) if state.paused else "the run is not paused"


def _limits_changed(state: ParentState, fact: LimitsChanged) -> str | None:
    if fact.strategy is not None and state.decision is not None:
        return "the run is decided"
    return _over(state)


def _over(state: ParentState) -> str | None:
    return "the run is settled" if state.settled else None


def _finished(state: ParentState, fact: ChildFinished) -> str | None:
    return _not_in(state, fact.child_id, _OPEN)


def _not_in(state: ParentState, child_id: str, phases: tuple[str, ...]) -> str | None:
    child = state.children.get(child_id)
    if child is None:
        return f"there is no child {child_id!r}"
    return None if child.phase in phases else f"child {child_id!r} is {child.phase}, not {' or '.join(phases)}"


def _taken(state: ParentState, fact: OwnershipTaken) -> str | None:
    return None if fact.epoch > state.epoch else f"epoch {fact.epoch} is not above {state.epoch}"


def _decided(state: ParentState, _: ParentDecided) -> str | None:
    return None if state.decision is None else "the run was decided before"


def _settled(state: ParentState, _: ParentSettled) -> str | None:
    if state.settled or state.decision is None:
        return "the run was settled before" if state.settled else "the run is not decided yet"
    open_children = state.total - state.ended
    return f"{open_children} children have no outcome yet" if open_children else None


_CHECKS: Final[dict[type[Fact], Callable[[ParentState, Any], str | None]]] = {
    ParentCreated: _parent_created,
    ChildPrepared: _prepared,
    ChildCreated: _created,
    ChildStarted: _started,
    ChildRetryScheduled: _attempt_ended,
    AttemptLost: _attempt_ended,
    AttemptEndedLate: _ended_late,
    ChildProgressed: _progressed,
    ChildCancelRequested: _cancel_requested,
    ChildRedriven: _child_redriven,
    ChildFinished: _finished,
    Paused: _paused,
    Resumed: _resumed,
    LimitsChanged: _limits_changed,
    Redriven: _redriven,
    Redacted: _redacted,
    OwnershipTaken: _taken,
    ParentDecided: _decided,
    ParentSettled: _settled,
}
