"""Given some commands, when another one, then these facts: the words of the core's tests."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import fields
from typing import Any, Final, Literal, NamedTuple, TypeVar

from events.commands import (
    Cancel,
    CancelChild,
    ChangeLimits,
    ChildSpec,
    CloseMembership,
    Command,
    CreateChildren,
    CreateParent,
    ExpireChild,
    FinishAttempt,
    LoseAttempt,
    PassDeadline,
    Pause,
    PrepareChildren,
    RecordLateEnding,
    RecordResponse,
    Redact,
    Redrive,
    ReleaseOwnership,
    ReportProgress,
    Resume,
    SkipChildren,
    StartChild,
    TakeOwnership,
)
from events.decide import decide, decide_all
from events.evolve import INITIAL, fold
from events.facts import ChildLimits, Fact
from events.order import Order
from events.state import ParentState
from events.strategy import ALL, OnDecided, Outcome, Strategy
from events.table import Table

F = TypeVar("F", bound=Fact)

AT: Final = 1_700_000_000_000_000
SECOND: Final = 1_000_000


def spec(child_id: str, limits: ChildLimits | None = None, task: str = "work", input_text: str = "null") -> ChildSpec:
    return ChildSpec(child_id=child_id, task=task, input=input_text, limits=limits)


def create(
    strategy: Strategy = ALL,
    *,
    max_workers: int = 10,
    on_decided: OnDecided = "cancel",
    timeout_seconds: float | None = None,
    content: str = "content",
    retry_budget: int | None = None,
    seed: int | None = None,
) -> CreateParent:
    return CreateParent(
        at=AT,
        strategy=strategy,
        max_workers=max_workers,
        on_decided=on_decided,
        content=content,
        timeout_seconds=timeout_seconds,
        retry_budget=retry_budget,
        seed=seed,
    )


def prepare(*children: str | ChildSpec) -> PrepareChildren:
    return PrepareChildren(at=AT, children=tuple(spec(c) if isinstance(c, str) else c for c in children))


def release() -> CreateChildren:
    return CreateChildren(at=AT)


def close(*, arriving: bool = False) -> CloseMembership:
    return CloseMembership(at=AT, arriving=arriving)


def take(owner: str = "me") -> TakeOwnership:
    return TakeOwnership(at=AT, owner=owner, reason="its owner stopped")


def give_up(owner: str = "me") -> ReleaseOwnership:
    return ReleaseOwnership(at=AT, owner=owner, reason="closing")


def start(child_id: str, *, at: int = AT) -> StartChild:
    return StartChild(at=at, child_id=child_id, worker="w")


def finish(child_id: str, outcome: Outcome = "succeeded", attempt: int = 1, *, at: int = AT) -> FinishAttempt:
    good = outcome == "succeeded"
    output, error = ("1", None) if good else (None, '{"type":"Wrong"}')
    return FinishAttempt(at=at, child_id=child_id, attempt=attempt, outcome=outcome, output=output, error=error)


def respond(child_id: str, outcome: Outcome = "succeeded") -> RecordResponse:
    return RecordResponse(at=AT, child_id=child_id, outcome=outcome, output="1" if outcome == "succeeded" else None)


def lose(child_id: str, attempt: int = 1, *, at: int = AT) -> LoseAttempt:
    return LoseAttempt(at=at, child_id=child_id, attempt=attempt, reason="killed")


def crash(child_id: str, attempt: int = 1) -> LoseAttempt:
    return LoseAttempt(at=AT, child_id=child_id, attempt=attempt, reason="its worker died", signal="SIGSEGV")


def late(child_id: str, attempt: int = 1, outcome: Outcome = "succeeded") -> RecordLateEnding:
    return RecordLateEnding(at=AT, child_id=child_id, attempt=attempt, outcome=outcome, output="1")


def progress(child_id: str, part: float = 0.5, message: str | None = None, attempt: int = 1) -> ReportProgress:
    return ReportProgress(at=AT, child_id=child_id, attempt=attempt, progress=part, message=message)


def expire(child_id: str, clock: Literal["queue", "total"] = "queue", *, at: int = AT) -> ExpireChild:
    return ExpireChild(at=at, child_id=child_id, clock=clock)


def cancel_child(child_id: str) -> CancelChild:
    return CancelChild(at=AT, child_id=child_id, reason="not needed")


def pause() -> Pause:
    return Pause(at=AT, reason="lunch")


def resume(*, at: int = AT) -> Resume:
    return Resume(at=at)


def change(
    *, max_workers: int | None = None, strategy: Strategy | None = None, weight: int | None = None
) -> ChangeLimits:
    return ChangeLimits(at=AT, max_workers=max_workers, strategy=strategy, weight=weight)


def redact() -> Redact:
    return Redact(at=AT, reason="asked for")


def redrive(*child_ids: str, outcomes: tuple[Outcome, ...] | None = None, token: str | None = None) -> Redrive:
    return Redrive(at=AT, reason="once more", outcomes=outcomes, child_ids=child_ids or None, token=token)


def skip(limit: int = 1_000) -> SkipChildren:
    return SkipChildren(at=AT, limit=limit)


def cancel() -> Cancel:
    return Cancel(at=AT, reason="enough")


def pass_deadline() -> PassDeadline:
    return PassDeadline(at=AT)


class Given(NamedTuple):
    """A parent with a past."""

    state: ParentState = INITIAL
    facts: tuple[Fact, ...] = ()

    def given(self, *commands: Command) -> Given:
        """Return the parent after these commands, each of which must have caused something."""
        after = self
        for command in commands:
            facts, state = decide_all(after.state, [command])
            assert facts, f"{command!r} is quiet"
            after = Given(state, (*after.facts, *facts))
        return after

    def when(self, command: Command) -> list[Fact]:
        """Return the facts that a command causes; hold `decide` to being pure meanwhile."""
        before = fingerprint(self.state)
        facts = decide(self.state, command)
        assert fingerprint(self.state) == before, "decide changed the state it was given"
        assert decide(self.state, command) == facts, "decide said something else the second time"
        assert fingerprint(fold(facts, self.state)) == fingerprint(decide_all(self.state, [command])[1])
        return facts


def fingerprint(state: ParentState) -> dict[str, Any]:
    """Return everything a state holds, the order of its tables included, as values that compare."""
    values = {field.name: getattr(state, field.name) for field in fields(state)}
    return {name: list(value.items()) if isinstance(value, Table | Order) else value for name, value in values.items()}


def essence(state: ParentState) -> Hashable:
    """Return what `decide` can see of a state but its version, times and texts: equal essences, equal futures."""
    return (
        tuple((child.phase, *child[3:6], child.again > 0) for _, child in sorted(state.children.items())),
        tuple(sorted(state.running.items())),
        tuple(sorted(state.requeued.items())),
        (state.created, state.next_index, state.ahead, state.running_count, state.requeued_count),
        (state.succeeded, state.failed, state.timed_out, state.cancelled, state.skipped, state.membership_closed),
        (state.cancel_requested, state.deadline_passed, state.decision and state.decision.status, state.settled),
    )


def names(facts: Iterable[Fact]) -> list[str]:
    """Return the names of facts."""
    return [type(fact).__name__ for fact in facts]


def of_type(facts: Iterable[Fact], kind: type[F]) -> list[F]:
    """Return the facts of one type."""
    return [fact for fact in facts if isinstance(fact, kind)]


def parent(
    *children: str | ChildSpec,
    strategy: Strategy = ALL,
    max_workers: int = 10,
    on_decided: OnDecided = "cancel",
    timeout_seconds: float | None = None,
    retry_budget: int | None = None,
    seed: int | None = None,
    still_open: bool = False,
) -> Given:
    """Return a parent with children that were created; its membership is closed unless it is `still_open`."""
    made = Given().given(
        create(
            strategy,
            max_workers=max_workers,
            on_decided=on_decided,
            timeout_seconds=timeout_seconds,
            retry_budget=retry_budget,
            seed=seed,
        )
    )
    if children:
        made = made.given(prepare(*children), release())
    return made if still_open else made.given(close())
