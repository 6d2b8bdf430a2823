"""Pauses: nothing starts, what runs goes on, and whoever takes over finds the parent paused."""

from __future__ import annotations

import pytest

from events.errors import StepOrderError
from events.facts import ChildLimits, Paused, Resumed
from events.frontier import frontier, startable
from tests.events.scenario import (
    AT,
    SECOND,
    Given,
    cancel,
    expire,
    finish,
    names,
    parent,
    pause,
    resume,
    spec,
    start,
    take,
)

QUEUED = ChildLimits(queue_timeout_seconds=5.0)


def test_a_paused_parent_starts_nothing_until_it_is_resumed() -> None:
    made = parent(*"abc").given(start("a"))
    assert made.when(pause()) == [Paused(at=AT, reason="lunch")]
    made = made.given(pause())
    assert made.when(start("b")) == []
    assert (list(startable(made.state, AT)), frontier(made.state)) == ([], (False, False, 1))
    assert made.when(resume()) == [Resumed(at=AT)]
    assert names(made.given(resume()).when(start("b"))) == ["ChildStarted"]


def test_what_runs_goes_on_and_may_settle_a_paused_parent() -> None:
    made = parent("a").given(start("a"), pause())
    assert names(made.when(finish("a"))) == ["ChildFinished", "ParentDecided", "ParentSettled"]
    made = made.given(finish("a"))
    assert made.when(resume()) == []
    with pytest.raises(StepOrderError, match=r"is settled \(succeeded\): it can no longer be paused$"):
        made.when(pause())


def test_pausing_twice_and_resuming_what_goes_on_is_quiet() -> None:
    assert parent("a").given(pause()).when(pause()) == []
    assert parent("a").when(resume()) == []
    for command in (pause(), resume()):
        with pytest.raises(StepOrderError, match="no such run"):
            Given().when(command)


def test_a_paused_parent_can_be_cancelled_and_taken_over() -> None:
    made = parent(*"ab").given(take("ann"), start("a"), pause())
    assert names(made.when(cancel())) == ["CancelRequested", "ParentDecided"]
    taken = made.given(take("bob"))
    assert taken.state.paused
    assert taken.when(start("a")) == []


def test_the_wait_for_a_start_stands_still_and_counts_from_the_resumption() -> None:
    made = parent(spec("a", QUEUED), "b").given(pause())
    assert made.when(expire("a", at=AT + 60 * SECOND)) == []
    made = made.given(resume(at=AT + 60 * SECOND))
    assert (made.state.resumed_at, made.state.children["a"].since) == (AT + 60 * SECOND, AT)
    assert names(made.when(expire("a", at=AT + 65 * SECOND))) == ["ChildFinished", "ParentDecided"]
