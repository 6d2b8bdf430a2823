"""What may happen to a parent as a whole: creation, owners, ends, pauses, changes, and another life."""

from __future__ import annotations

from typing import Any, Final

from events.commands import (
    Cancel,
    ChangeLimits,
    CloseMembership,
    CreateParent,
    PassDeadline,
    Pause,
    Redact,
    Redrive,
    ReleaseOwnership,
    Resume,
    TakeOwnership,
)
from events.decide_attempts import end_cancelled, lose
from events.draft import Draft
from events.errors import ContentConflictError, StepOrderError, UsageError
from events.facts import (
    AttemptLost,
    CancelRequested,
    ChildRedriven,
    DeadlinePassed,
    LimitsChanged,
    MembershipClosed,
    OwnershipReleased,
    OwnershipTaken,
    ParentCreated,
    Paused,
    Redacted,
    Redriven,
    Resumed,
)
from events.state import NESTED_WORKER, ChildState, ParentState, outcome_of
from events.strategy import FINAL_STATUSES, OnDecided, calculate_status, impossible


def create(draft: Draft, command: CreateParent) -> None:
    """Begin a parent, unless it is there already."""
    if draft.state.exists:
        if draft.state.content != command.content:
            raise ContentConflictError(
                f"a run of this id exists with other content ({_difference(draft.state, command)}): "
                "use another id, or the very same content"
            )
        return
    draft.emit(
        ParentCreated(
            at=command.at,
            strategy=command.strategy,
            max_workers=command.max_workers,
            on_decided=command.on_decided,
            content=command.content,
            timeout_seconds=command.timeout_seconds,
            metadata=command.metadata,
            retry_budget=command.retry_budget,
            seed=command.seed,
            weight=command.weight,
            priority=command.priority,
            within=command.within,
        )
    )


_COMPARED: Final[dict[str, int | None]] = {
    "strategy": None,
    "max_workers": None,
    "on_decided": None,
    "timeout_seconds": None,
    "metadata": None,
    "retry_budget": None,
    "weight": 1,
    "priority": 0,
    "within": None,
}
"""What makes one parent another one, and what each field is where it was not given."""


def _difference(state: ParentState, command: CreateParent) -> str:
    """Name what differs from what the parent was made with; what it has become since is another matter."""

    def given(source: object, name: str) -> Any:
        value = getattr(source, name)
        return _COMPARED[name] if value is None else value

    unlike = [
        "the run that it is inside of" if name == "within" else name
        for name in _COMPARED
        if given(state.origin, name) != given(command, name)
    ]
    if not unlike:
        return "the children differ"
    return f"{' and '.join(unlike)} differ{'s' if len(unlike) == 1 else ''}"


def close_membership(draft: Draft, command: CloseMembership) -> None:
    """Let no more children be added."""
    draft.require_parent()
    state = draft.state
    if state.membership_closed:
        return
    if state.created < state.total:
        raise StepOrderError("children are prepared but not created: create them before closing")
    given_up = command.arriving or state.decision is not None
    reason = None if given_up else impossible(state.strategy, state.total)
    if reason is not None:
        raise UsageError(f"strategy {state.strategy.kind!r} can never succeed: it {reason}")
    draft.emit(MembershipClosed(at=command.at))
    draft.judge(command.at)


def take_ownership(draft: Draft, command: TakeOwnership) -> None:
    """Make somebody the owner; what the one before had running is lost."""
    draft.require_parent()
    draft.emit(OwnershipTaken(at=command.at, owner=command.owner, epoch=draft.state.epoch + 1))
    draft.judge(command.at)  # a record that was cut short may lack the decision that its facts bring about
    _lose_all(draft, command.at, command.reason)
    for child_id in draft.state.asked_to_stop:
        if draft.state.children[child_id].phase == "waiting" and not draft.state.halting:
            end_cancelled(draft, command.at, child_id)  # cut short, too: between the request and the end


def release_ownership(draft: Draft, command: ReleaseOwnership) -> None:
    """Let the owner go."""
    if draft.state.owner == command.owner:
        _lose_all(draft, command.at, command.reason)
        draft.emit(OwnershipReleased(at=command.at))


def _lose_all(draft: Draft, at: int, reason: str) -> None:
    """Lose what ran. A nested parent goes on by itself, whoever works on it: its attempt is not interrupted."""
    for child_id, running in list(draft.state.running.items()):
        if running.worker == NESTED_WORKER:
            continue
        lose(draft, AttemptLost(at=at, child_id=child_id, attempt=running.attempt, reason=reason))


def cancel(draft: Draft, command: Cancel) -> None:
    """Cancel the parent: before its decision, which that brings about, or what goes on after it."""
    draft.require_parent()
    state = draft.state
    if not (state.cancel_requested or state.stopping or state.settled):
        draft.emit(CancelRequested(at=command.at, reason=command.reason))
        draft.judge(command.at)


def pass_deadline(draft: Draft, command: PassDeadline) -> None:
    """Let the parent's own time be up."""
    state = draft.state
    if state.timeout_seconds is not None and state.decision is None and not state.deadline_passed:
        draft.emit(DeadlinePassed(at=command.at))
        draft.judge(command.at)


def pause(draft: Draft, command: Pause) -> None:
    """Start no more children for now."""
    _require_open(draft, "paused")
    if not draft.state.paused:
        draft.emit(Paused(at=command.at, reason=command.reason))


def resume(draft: Draft, command: Resume) -> None:
    """Let a paused parent go on."""
    draft.require_parent()
    if draft.state.paused and not draft.state.settled:
        draft.emit(Resumed(at=command.at))


def change_limits(draft: Draft, command: ChangeLimits) -> None:
    """Change what the parent may do, as far as that is a change."""
    draft.require_parent()
    state = draft.state
    asked = {
        "max_workers": command.max_workers,
        "strategy": command.strategy,
        "weight": command.weight,
        "priority": command.priority,
    }
    changed: dict[str, Any] = {
        name: value for name, value in asked.items() if value not in (None, getattr(state, name))
    }
    if not changed:
        return
    _require_open(draft, "changed")
    strategy = command.strategy
    if strategy is not None and "strategy" in changed:
        if state.decision is not None:
            raise StepOrderError(f"the run is decided ({state.status}): its strategy can no longer change")
        reason = impossible(strategy, state.total) if state.membership_closed else None
        if reason is not None:
            raise UsageError(f"strategy {strategy.kind!r} can never succeed: it {reason}")
    draft.emit(LimitsChanged(at=command.at, **changed))
    if "strategy" in changed:
        draft.judge(command.at)


def _require_open(draft: Draft, what: str) -> None:
    draft.require_parent()
    if draft.state.settled:
        raise StepOrderError(f"the run is settled ({draft.state.status}): it can no longer be {what}")


def redrive(draft: Draft, command: Redrive) -> None:
    """Run children again that ended without success."""
    draft.require_parent()
    state = draft.state
    if command.token is not None and command.token == state.redrive_token:
        return
    if not state.settled:
        raise StepOrderError(f"the run is not settled ({state.status}): it can be redriven once all children ended")
    if state.redacted:
        raise StepOrderError("the run was redacted: what its children were given is destroyed")
    chosen = _chosen(state, command)
    if not chosen:
        raise StepOrderError(f"there is no child to run again: {_why_none(state)}")
    draft.emit(
        Redriven(at=command.at, reason=command.reason, on_decided=_afterwards(state, len(chosen)), token=command.token)
    )
    for child_id in chosen:
        draft.emit(ChildRedriven(at=command.at, child_id=child_id))
    draft.judge(command.at)


def redact(draft: Draft, command: Redact) -> None:
    """Put on record that the parent's texts are destroyed."""
    draft.require_parent()
    state = draft.state
    if state.redacted:
        return
    if not state.settled:
        raise StepOrderError(f"the run is not settled ({state.status}): it can be redacted once all children ended")
    draft.emit(Redacted(at=command.at, reason=command.reason))


def _why_none(state: ParentState) -> str:
    """Say why a settled parent has no child to run again, and what to do where nobody can have meant that."""
    if not state.total:
        return "the run has none"
    missing = state.total - state.succeeded
    if missing:
        return f"none of the {missing} that ended without success is among those asked for"
    if state.status == "succeeded":
        return f"all {state.total} succeeded"
    return (
        f"all {state.total} succeeded, though the run is {state.status}, and a decision stands: "
        "take their outputs as they are, or start another run, under another id"
    )


def _chosen(state: ParentState, command: Redrive) -> list[str]:
    """Return the children to run again, in index order where they were not named."""
    if command.child_ids is None:
        return [child_id for child_id, child in state.children.items() if _may_run_again(child, command)]
    chosen: dict[str, None] = {}
    for child_id in command.child_ids:
        child = state.children.get(child_id)
        if child is None:
            raise StepOrderError(f"there is no child {child_id!r}")
        if child.phase == "succeeded":
            raise StepOrderError(f"child {child_id!r} has succeeded: it never runs again")
        if _may_run_again(child, command):
            chosen[child_id] = None
    return list(chosen)


def _may_run_again(child: ChildState, command: Redrive) -> bool:
    outcome = outcome_of(child.phase)
    return outcome != "succeeded" and (command.outcomes is None or outcome in command.outcomes)


def _afterwards(state: ParentState, count: int) -> OnDecided:
    """Return what happens to open children from a redrive of so many on, once the parent is decided.

    Where the rule decides the parent at once, with or without them, they are to run all the same: that is what was
    asked for.
    """
    tally = state.tally
    anew = tally._replace(failed=tally.failed - count, cancel_requested=False, deadline_passed=False, decided=None)
    if calculate_status(state.strategy, anew) in FINAL_STATUSES:
        return "continue"
    return state.on_decided if state.origin is None else state.origin.on_decided
