"""What can stand next in a parent's stream, and why it cannot: asked of every fact that is read back."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings

from events.evolve import INITIAL, evolve
from events.facts import (
    AttemptEndedLate,
    AttemptLost,
    CancelRequested,
    ChildCancelRequested,
    ChildCreated,
    ChildFinished,
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
from events.legality import objection
from events.state import ParentState
from events.strategy import ALL, ANY
from tests.events.histories import History, histories
from tests.events.scenario import (
    AT,
    Given,
    cancel,
    cancel_child,
    create,
    finish,
    late,
    lose,
    parent,
    pause,
    prepare,
    skip,
    spec,
    start,
    take,
)

MADE: Final = parent("ready", "runs", "over").given(take(), start("runs"), start("over"), finish("over"))
"""A parent with a child of each kind but one."""
STATE: Final = Given().given(create(), prepare("known")).state
"""One that is still being made: its child may not be started yet."""
CREATED: Final = ParentCreated(at=AT, strategy=ALL, max_workers=1, on_decided="cancel", content="c")
DECIDED: Final = MADE.given(cancel()).state
OPEN: Final = "prepared or waiting or running"
NESTED: Final = ChildStarted(at=AT, child_id="inner", attempt=1, worker="nested")
REDRIVEN: Final = Redriven(at=AT, reason="once more", on_decided="cancel")
SETTLED: Final = parent(*"abc").given(start("a"), start("b"), finish("b"), finish("a", "failed"), skip()).state
REOPENED: Final = evolve(SETTLED, REDRIVEN)


def prepared(child_id: str, index: int) -> ChildPrepared:
    return ChildPrepared(at=AT, child_id=child_id, index=index, task="t", input="null")


def started(child_id: str, attempt: int = 1) -> ChildStarted:
    return ChildStarted(at=AT, child_id=child_id, attempt=attempt, worker="1")


def said(child_id: str, attempt: int = 1) -> ChildProgressed:
    return ChildProgressed(at=AT, child_id=child_id, attempt=attempt, progress=0.5)


def late_end(child_id: str, attempt: int = 1) -> AttemptEndedLate:
    return AttemptEndedLate(at=AT, child_id=child_id, attempt=attempt, outcome="succeeded", output="1")


def asked(child_id: str) -> ChildCancelRequested:
    return ChildCancelRequested(at=AT, child_id=child_id, reason="not needed")


def again(child_id: str) -> ChildRetryScheduled:
    return ChildRetryScheduled(at=AT, child_id=child_id, attempt=1, error="{}", not_before=AT)


def lost(child_id: str) -> AttemptLost:
    return AttemptLost(at=AT, child_id=child_id, attempt=1, reason="killed")


def finished(child_id: str) -> ChildFinished:
    return ChildFinished(at=AT, child_id=child_id, attempt=1, outcome="succeeded", output="1")


def taken(epoch: int) -> OwnershipTaken:
    return OwnershipTaken(at=AT, owner="me", epoch=epoch)


def decided() -> ParentDecided:
    return ParentDecided(at=AT, status="failed", why="so")


@pytest.mark.parametrize(
    ("state", "fact", "why"),
    [
        (INITIAL, CREATED, None),
        (STATE, CREATED, "the run was created before"),
        (INITIAL, prepared("a", 0), "the run was not created yet"),
        (INITIAL, CancelRequested(at=AT, reason="x"), "the run was not created yet"),
        (STATE, prepared("new", 1), None),
        (STATE, prepared("new", 0), "child 'new' has index 0, not 1"),
        (STATE, prepared("new", 2), "child 'new' has index 2, not 1"),
        (STATE, prepared("known", 1), "child 'known' was prepared before"),
        (STATE, ChildCreated(at=AT, child_id="known"), None),
        (STATE, ChildCreated(at=AT, child_id="nobody"), "there is no child 'nobody'"),
        (MADE.state, ChildCreated(at=AT, child_id="ready"), "child 'ready' is waiting, not prepared"),
        (MADE.state, started("ready"), None),
        (STATE, started("known"), "child 'known' is prepared, not waiting"),
        (MADE.state, started("runs"), "child 'runs' is running, not waiting"),
        (MADE.state, started("over"), "child 'over' is succeeded, not waiting"),
        (MADE.state, started("nobody"), "there is no child 'nobody'"),
        (MADE.state, again("runs"), None),
        (MADE.state, again("ready"), "child 'ready' is waiting, not running"),
        (MADE.state, lost("runs"), None),
        (MADE.state, lost("over"), "child 'over' is succeeded, not running"),
        (STATE, finished("known"), None),
        (MADE.state, finished("ready"), None),
        (MADE.state, finished("runs"), None),
        (MADE.state, finished("over"), f"child 'over' is succeeded, not {OPEN}"),
        (MADE.state, taken(2), None),
        (MADE.state, taken(9), None),
        (MADE.state, taken(1), "epoch 1 is not above 1"),
        (MADE.given(take("ann")).state, taken(1), "epoch 1 is not above 2"),
        (MADE.state, decided(), None),
        (DECIDED, decided(), "the run was decided before"),
        (MADE.state, ParentSettled(at=AT), "the run is not decided yet"),
        (DECIDED, ParentSettled(at=AT), "2 children have no outcome yet"),
        (evolve(evolve(DECIDED, finished("ready")), finished("runs")), ParentSettled(at=AT), None),
        (SETTLED, ParentSettled(at=AT), "the run was settled before"),
        (MADE.state, NESTED.model_copy(update={"child_id": "ready"}), "child 'ready' is no parent itself"),
        (parent(spec("inner", task="parallel")).state, NESTED, None),
        (MADE.state, NESTED, "there is no child 'inner'"),
        (MADE.state, said("runs"), None),
        (MADE.state, said("runs", 2), "attempt 1 is the one that runs"),
        (MADE.state, said("ready"), "child 'ready' is waiting, not running"),
        (MADE.state, said("nobody"), "there is no child 'nobody'"),
        (MADE.state, late_end("over"), None),
        (parent("a").given(start("a"), lose("a"), start("a")).state, late_end("a"), None),
        (SETTLED, late_end("a"), None),
        (MADE.state, late_end("over", 2), "attempt 2 of child 'over' is not over"),
        (MADE.state, late_end("runs"), "attempt 1 of child 'runs' is not over"),
        (MADE.state, late_end("ready"), "attempt 1 of child 'ready' is not over"),
        (MADE.state, late_end("nobody"), "there is no child 'nobody'"),
        (MADE.given(late("over")).state, late_end("over"), "attempt 1 of child 'over' ended late before"),
        (MADE.state, asked("runs"), None),
        (MADE.state, asked("ready"), None),
        (STATE, asked("known"), "child 'known' is prepared, not waiting or running"),
        (MADE.state, asked("over"), "child 'over' is succeeded, not waiting or running"),
        (MADE.given(cancel_child("runs")).state, asked("runs"), "child 'runs' was asked to stop before"),
        (MADE.state, REDRIVEN, "the run is not settled"),
        (DECIDED, REDRIVEN, "the run is not settled"),
        (SETTLED, REDRIVEN, None),
        (INITIAL, ChildRedriven(at=AT, child_id="a"), "the run was not created yet"),
        (SETTLED, ChildRedriven(at=AT, child_id="a"), "no redrive was just begun"),
        (REOPENED, ChildRedriven(at=AT, child_id="a"), None),
        (
            REOPENED,
            ChildRedriven(at=AT, child_id="b"),
            "child 'b' is succeeded, not failed or timed_out or cancelled or skipped",
        ),
        (evolve(REOPENED, ChildRedriven(at=AT, child_id="a")), ChildRedriven(at=AT, child_id="c"), None),
        (
            evolve(evolve(REOPENED, ChildRedriven(at=AT, child_id="a")), started("a", 2)),
            ChildRedriven(at=AT, child_id="c"),
            "no redrive was just begun",
        ),
        (MADE.state, Paused(at=AT, reason="x"), None),
        (MADE.given(pause()).state, Paused(at=AT, reason="x"), "the run is paused already"),
        (SETTLED, Paused(at=AT, reason="x"), "the run is settled"),
        (MADE.state, Resumed(at=AT), "the run is not paused"),
        (MADE.given(pause()).state, Resumed(at=AT), None),
        (parent("a").given(start("a"), pause(), finish("a")).state, Resumed(at=AT), "the run is settled"),
        (MADE.state, LimitsChanged(at=AT, strategy=ANY), None),
        (DECIDED, LimitsChanged(at=AT, strategy=ANY), "the run is decided"),
        (DECIDED, LimitsChanged(at=AT, max_workers=1), None),
        (SETTLED, LimitsChanged(at=AT, max_workers=1), "the run is settled"),
    ],
)
def test_what_cannot_come_next_is_objected_to(state: ParentState, fact: Fact, why: str | None) -> None:
    assert objection(state, fact) == why


@pytest.mark.parametrize("state", [STATE, MADE.state, DECIDED])
@pytest.mark.parametrize(
    "fact",
    [
        MembershipClosed(at=AT),
        OwnershipReleased(at=AT),
        CancelRequested(at=AT, reason="x"),
        DeadlinePassed(at=AT),
    ],
)
def test_some_facts_may_come_at_any_time_once_the_parent_is_there(state: ParentState, fact: Fact) -> None:
    assert objection(state, fact) is None


@given(history=histories())
@settings(max_examples=50, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_that_was_decided_is_objected_to(history: History) -> None:
    state = INITIAL
    for fact in history.facts:
        assert objection(state, fact) is None
        state = evolve(state, fact)
