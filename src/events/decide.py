"""From a state and a command to facts, or to a refusal. Pure; the only place that says what may happen.

A command that asks for what is so already, or that comes too late, is quiet: it yields no facts. A command that
makes no sense is refused with an error that says why. Every fact that can change the status is followed, in the
same turn, by `ParentDecided` and `ParentSettled` where the rule says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

from events.backoff import retry_delay_us
from events.commands import (
    Cancel,
    ChildSpec,
    CloseMembership,
    Command,
    CreateChildren,
    CreateParent,
    FinishAttempt,
    LoseAttempt,
    PassDeadline,
    PrepareChildren,
    RecordResponse,
    ReleaseOwnership,
    SkipChildren,
    StartChild,
    TakeOwnership,
)
from events.errors import ContentConflictError, RunOwnedError, StepOrderError, UsageError
from events.evolve import evolve
from events.facts import (
    AttemptLost,
    CancelRequested,
    ChildCreated,
    ChildFinished,
    ChildLimits,
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
from events.state import ChildState, ParentState, outcome_of
from events.strategy import FINAL_STATUSES, Status, impossible, too_many_failures

_NO_LIMITS: Final = ChildLimits()


def decide(state: ParentState, command: Command) -> list[Fact]:
    """Return the facts that follow from one command; none where there is nothing to do.

    Raises:
        UsageError: the command makes no sense for this parent (one of its subclasses says why).
        RunOwnedError: somebody reports for children that the parent's owner runs.
    """
    return decide_all(state, (command,))[0]


def decide_all(state: ParentState, commands: Iterable[Command]) -> tuple[list[Fact], ParentState]:
    """Return the facts that follow from commands, one after the other, and the state after them."""
    turn = Turn(state)
    for command in commands:
        turn.take(command)
    return turn.facts, turn.state


class Turn:
    """One turn of a parent: commands go in, facts gather, and the state follows them."""

    __slots__ = ("facts", "state")

    def __init__(self, state: ParentState) -> None:
        self.state = state
        self.facts: list[Fact] = []

    def take(self, command: Command) -> None:
        """Decide one command. Raises what `decide` does; then nothing of the command has entered the turn."""
        _HANDLERS[type(command)](self, command)

    def emit(self, fact: Fact) -> None:
        """Add a fact and go on from the state after it."""
        self.facts.append(fact)
        self.state = evolve(self.state, fact)

    def require_parent(self) -> None:
        """Refuse the command where there is no parent yet."""
        if not self.state.exists:
            raise StepOrderError("there is no such parent yet: create its state first")

    def judge(self, at: int, child_id: str | None = None) -> None:
        """Put the decision and the settlement on record where the rule says so."""
        state = self.state
        if state.decision is None:
            status = state.status
            if status not in FINAL_STATUSES:
                return
            self.emit(ParentDecided(at=at, status=status, why=_why(state, status), child_id=child_id))
            state = self.state
        if state.halting and not state.membership_closed:
            self.emit(MembershipClosed(at=at))
            state = self.state
        if state.settled_at is None and state.membership_closed and state.ended == state.total:
            self.emit(ParentSettled(at=at))


def _create_parent(turn: Turn, command: CreateParent) -> None:
    if turn.state.exists:
        if turn.state.content != command.content:
            raise ContentConflictError(
                f"a run of this id exists with other content ({_difference(turn.state, command)} differ): "
                "use another id, or the very same content"
            )
        return
    turn.emit(
        ParentCreated(
            at=command.at,
            strategy=command.strategy,
            max_workers=command.max_workers,
            on_decided=command.on_decided,
            content=command.content,
            timeout_seconds=command.timeout_seconds,
            metadata=command.metadata,
        )
    )


def _difference(state: ParentState, command: CreateParent) -> str:
    names = ("strategy", "max_workers", "on_decided", "timeout_seconds", "metadata")
    unlike = [name for name in names if getattr(state, name) != getattr(command, name)]
    return " and ".join(unlike) or "the children"


def _prepare_children(turn: Turn, command: PrepareChildren) -> None:
    turn.require_parent()
    fresh = [spec for spec in command.children if not _known(turn.state, spec)]
    if not fresh:
        return
    if turn.state.membership_closed or turn.state.decision is not None:
        raise StepOrderError("children can no longer be added: the parent's membership is closed")
    if len({spec.child_id for spec in fresh}) < len(fresh):
        raise UsageError("two children have the same id")
    for index, spec in enumerate(fresh, start=turn.state.total):
        turn.emit(
            ChildPrepared(
                at=command.at,
                child_id=spec.child_id,
                index=index,
                task=spec.task,
                input=spec.input,
                limits=spec.limits,
            )
        )


def _known(state: ParentState, spec: ChildSpec) -> bool:
    child = state.children.get(spec.child_id)
    if child is None:
        return False
    asked = child.prepared
    if asked is not None and (asked.task, asked.input, asked.limits) != (spec.task, spec.input, spec.limits):
        raise ContentConflictError(f"child {spec.child_id!r} was prepared before with other work")
    return True


def _create_children(turn: Turn, command: CreateChildren) -> None:
    turn.require_parent()
    state = turn.state
    if state.total == 0:
        raise StepOrderError("no children are prepared: prepare them first")
    if state.halting:
        return  # those not yet created end skipped, or have ended so
    for index in range(state.created, state.total):
        turn.emit(ChildCreated(at=command.at, child_id=state.order[index]))


def _close_membership(turn: Turn, command: CloseMembership) -> None:
    turn.require_parent()
    state = turn.state
    if state.membership_closed:
        return
    if state.created < state.total:
        raise StepOrderError("children are prepared but not created: create them before closing")
    given_up = command.arriving or state.decision is not None
    reason = None if given_up else impossible(state.strategy, state.total)
    if reason is not None:
        raise UsageError(f"strategy {state.strategy.kind!r} can never succeed: it {reason}")
    turn.emit(MembershipClosed(at=command.at))
    turn.judge(command.at)


def _take_ownership(turn: Turn, command: TakeOwnership) -> None:
    turn.require_parent()
    turn.emit(OwnershipTaken(at=command.at, owner=command.owner, epoch=turn.state.epoch + 1))
    turn.judge(command.at)  # a record that was cut short may lack the decision that its facts bring about
    _lose_all(turn, command.at, command.reason)


def _release_ownership(turn: Turn, command: ReleaseOwnership) -> None:
    if turn.state.owner == command.owner:
        _lose_all(turn, command.at, command.reason)
        turn.emit(OwnershipReleased(at=command.at))


def _lose_all(turn: Turn, at: int, reason: str) -> None:
    for child_id, running in list(turn.state.running.items()):
        _lose(turn, at, child_id, running.attempt, reason)


def _start_child(turn: Turn, command: StartChild) -> None:
    state = turn.state
    child = state.children.get(command.child_id)
    if (
        child is None
        or child.phase != "waiting"
        or state.halting
        or state.running_count >= state.max_workers
        or (child.attempts > 0 and state.requeued[command.child_id] > command.at)
    ):
        return
    turn.emit(ChildStarted(at=command.at, child_id=command.child_id, attempt=child.attempts + 1, worker=command.worker))


def _finish_attempt(turn: Turn, command: FinishAttempt) -> None:
    state = turn.state
    child_id = command.child_id
    child = state.children.get(child_id)
    if child is None or child.phase != "running" or child.attempts != command.attempt:
        return
    if command.outcome in ("failed", "timed_out") and not state.halting and _may_retry(child):
        turn.emit(
            ChildRetryScheduled(
                at=command.at,
                child_id=child_id,
                attempt=command.attempt,
                error=command.error or "null",
                not_before=command.at + retry_delay_us(_limits(child), child.failures),
            )
        )
        return
    _finish_child(turn, command, child_id, command.attempt)


def _finish_child(turn: Turn, command: FinishAttempt | RecordResponse, child_id: str, attempt: int) -> None:
    turn.emit(
        ChildFinished(
            at=command.at,
            child_id=child_id,
            attempt=attempt,
            outcome=command.outcome,
            output=command.output,
            error=command.error,
        )
    )
    turn.judge(command.at, child_id)


def _record_response(turn: Turn, command: RecordResponse) -> None:
    child_id = command.child_id
    child = turn.state.children.get(child_id)
    if child is None or child.phase == "prepared":
        raise StepOrderError(f"child {child_id!r} was not created yet")
    if outcome_of(child.phase) is not None:
        return
    if turn.state.owner is not None:
        raise RunOwnedError(f"the children are run by {turn.state.owner}, which reports for them")
    if turn.state.halting:
        _finish_child(turn, command, child_id, child.attempts)  # late, but a fact: it flips nothing
        return
    if child.phase == "waiting":
        if turn.state.running_count >= turn.state.max_workers:
            raise StepOrderError(f"{turn.state.max_workers} children are running already: report for them first")
        turn.emit(ChildStarted(at=command.at, child_id=child_id, attempt=child.attempts + 1, worker="engine"))
        child = turn.state.children[child_id]
    ending = command.model_dump()
    _finish_attempt(turn, FinishAttempt(attempt=child.attempts, **ending))


def _limits(child: ChildState) -> ChildLimits:
    return (child.prepared and child.prepared.limits) or _NO_LIMITS


def _may_retry(child: ChildState) -> bool:
    return child.failures + 1 < (_limits(child).max_attempts or 1)


def _lose_attempt(turn: Turn, command: LoseAttempt) -> None:
    running = turn.state.running.get(command.child_id)
    if running is not None and running.attempt == command.attempt:
        _lose(turn, command.at, command.child_id, command.attempt, command.reason)


def _lose(turn: Turn, at: int, child_id: str, attempt: int, reason: str) -> None:
    limits = _limits(turn.state.children[child_id])
    turn.emit(AttemptLost(at=at, child_id=child_id, attempt=attempt, reason=reason))
    if limits.fail_when_lost and not turn.state.halting:
        error = '{"type":"AttemptLost","message":"the attempt was interrupted and may not run again"}'
        turn.emit(ChildFinished(at=at, child_id=child_id, attempt=attempt, outcome="failed", error=error))
        turn.judge(at, child_id)


def _skip_children(turn: Turn, command: SkipChildren) -> None:
    state = turn.state
    if not state.halting:
        return
    left = command.limit
    for child_id in list(islice(state.requeued, left)):
        attempts = state.children[child_id].attempts
        turn.emit(ChildFinished(at=command.at, child_id=child_id, attempt=attempts, outcome="cancelled"))
        left -= 1
    while left and turn.state.next_index < turn.state.total:
        child_id = turn.state.order[turn.state.next_index]
        turn.emit(ChildFinished(at=command.at, child_id=child_id, attempt=0, outcome="skipped"))
        left -= 1
    turn.judge(command.at)


def _cancel(turn: Turn, command: Cancel) -> None:
    turn.require_parent()
    if turn.state.decision is None and not turn.state.cancel_requested:
        turn.emit(CancelRequested(at=command.at, reason=command.reason))
        turn.judge(command.at)


def _pass_deadline(turn: Turn, command: PassDeadline) -> None:
    state = turn.state
    if state.timeout_seconds is not None and state.decision is None and not state.deadline_passed:
        turn.emit(DeadlinePassed(at=command.at))
        turn.judge(command.at)


def _why(state: ParentState, status: Status) -> str:
    """Say in a few words why the parent is decided."""
    required = state.strategy.required(state.total)
    failed = state.ended - state.succeeded
    if status == "cancelled":
        return "cancelled by request"
    if status == "timed_out":
        return f"the deadline of {state.timeout_seconds:g} s passed"
    if status == "succeeded":
        return f"{state.succeeded} of {state.total} succeeded, {required} required"
    if too_many_failures(state.strategy, state.tally):
        return f"{failed} of {state.total} ended without success, more than allowed"
    return f"{failed} of {state.total} ended without success, {required} successes required"


_HANDLERS: Final[dict[type[Command], Callable[[Turn, Any], None]]] = {
    CreateParent: _create_parent,
    PrepareChildren: _prepare_children,
    CreateChildren: _create_children,
    CloseMembership: _close_membership,
    TakeOwnership: _take_ownership,
    ReleaseOwnership: _release_ownership,
    StartChild: _start_child,
    FinishAttempt: _finish_attempt,
    RecordResponse: _record_response,
    LoseAttempt: _lose_attempt,
    SkipChildren: _skip_children,
    Cancel: _cancel,
    PassDeadline: _pass_deadline,
}
