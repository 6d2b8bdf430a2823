"""Any command at all, sensible or not, at any point of a parent's life."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from events.commands import (
    Cancel,
    CancelChild,
    ChangeLimits,
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
    Redrive,
    ReleaseOwnership,
    ReportProgress,
    Resume,
    SkipChildren,
    StartChild,
    TakeOwnership,
)
from events.state import ParentState
from events.strategy import ALL, ANY, Strategy
from tests.events.histories import OUTCOMES, OWNERS, worker
from tests.events.scenario import AT, SECOND, spec

STRATEGIES = (None, ALL, ANY, Strategy(kind="threshold", count=2), Strategy(kind="threshold", percent=60.0))


def any_command(state: ParentState, seed: int) -> Command:
    """Return any command at all, sensible or not, about the children that there are and one that there is not."""
    chance, at = Random(seed), AT + 10**6 * SECOND  # late enough for every retry
    running, known = list(state.running), list(state.children)
    child_id = chance.choice([*running, *running, *known, "unknown"])
    child = state.children.get(child_id)
    attempt = (0 if child is None else child.attempts) + chance.choice((0, 0, 0, 1, -1))
    name = chance.choice((*OWNERS, state.owner or "nobody"))
    outcome = chance.choice(OUTCOMES)
    fresh = chance.choice((child_id, f"c{len(known)}"))
    makers: list[Callable[[], Command]] = [
        lambda: CreateParent(at=at, strategy=ANY, max_workers=1, on_decided="drain", content=name),
        lambda: PrepareChildren(at=at, children=(spec(fresh),) * chance.choice((1, 1, 2))),
        lambda: CreateChildren(at=at),
        lambda: CloseMembership(at=at, arriving=chance.random() < 0.5),
        lambda: TakeOwnership(at=at, owner=name, reason="its owner stopped"),
        lambda: ReleaseOwnership(at=at, owner=name, reason="closing"),
        lambda: StartChild(at=at, child_id=child_id, worker=worker(state, child_id)),
        lambda: FinishAttempt(at=at, child_id=child_id, attempt=attempt, outcome=outcome),
        lambda: RecordResponse(at=at, child_id=child_id, outcome=outcome),
        lambda: LoseAttempt(at=at, child_id=child_id, attempt=attempt, reason="killed"),
        lambda: SkipChildren(at=at, limit=chance.randint(1, 5)),
        lambda: Cancel(at=at, reason="enough"),
        lambda: PassDeadline(at=at),
        lambda: LoseAttempt(at=at, child_id=child_id, attempt=attempt, reason="died", exit_code=chance.randint(0, 2)),
        lambda: RecordLateEnding(at=at, child_id=child_id, attempt=attempt, outcome=outcome),
        lambda: ReportProgress(at=at, child_id=child_id, attempt=attempt, progress=chance.random()),
        lambda: ExpireChild(at=at, child_id=child_id, clock=chance.choice(("queue", "total"))),
        lambda: CancelChild(at=at, child_id=child_id, reason="not needed"),
        lambda: Pause(at=at, reason="lunch"),
        lambda: Resume(at=at),
        lambda: ChangeLimits(at=at, max_workers=chance.choice((None, 1, 3)), strategy=chance.choice(STRATEGIES)),
        lambda: _redrive(at, chance, child_id),
    ]
    weights = [1, 2, 1, 1, 1, 1, 4, 6, 3, 3, 2, 1, 1, 2, 2, 1, 2, 2, 1, 1, 2, 4]
    return chance.choices(makers, weights)[0]()


def _redrive(at: int, chance: Random, child_id: str) -> Redrive:
    return Redrive(
        at=at,
        reason="once more",
        child_ids=chance.choice((None, (child_id,))),
        outcomes=chance.choice((None, None, ("failed", "timed_out"))),
        token=chance.choice((None, "first", "second")),
    )
