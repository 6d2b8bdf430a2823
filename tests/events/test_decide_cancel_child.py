"""One child is cancelled: at once where it waits, by asking it to stop where it runs."""

from __future__ import annotations

import pytest

from events.commands import Command
from events.decide import decide
from events.errors import StepOrderError
from events.evolve import fold
from events.facts import ChildCancelRequested, ChildFinished
from events.strategy import ANY, Outcome
from tests.events.scenario import (
    AT,
    Given,
    cancel,
    cancel_child,
    create,
    finish,
    give_up,
    lose,
    names,
    of_type,
    parent,
    prepare,
    skip,
    start,
    take,
)

ASKED = ChildCancelRequested(at=AT, child_id="a", reason="not needed")


def test_a_waiting_child_ends_at_once() -> None:
    asked, ended = parent(*"ab", strategy=ANY).when(cancel_child("a"))
    assert asked == ASKED
    assert isinstance(ended, ChildFinished)
    assert (ended.outcome, ended.attempt) == ("cancelled", 0)
    assert ended.error == '{"type":"Cancelled","message":"not needed"}'
    assert not parent(*"ab", strategy=ANY).given(cancel_child("a")).state.asked_to_stop


def test_the_only_open_child_decides_and_settles() -> None:
    facts = parent("a").when(cancel_child("a"))
    assert names(facts) == ["ChildCancelRequested", "ChildFinished", "ParentDecided", "ParentSettled"]


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "timed_out", "cancelled"])
def test_a_running_child_is_asked_and_ends_as_it_does(outcome: Outcome) -> None:
    made = parent(*"ab").given(start("a"))
    assert made.when(cancel_child("a")) == [ASKED]
    made = made.given(cancel_child("a"))
    assert made.when(cancel_child("a")) == []
    made = made.given(finish("a", outcome))
    assert made.state.children["a"].phase == outcome
    assert not made.state.asked_to_stop


@pytest.mark.parametrize("end", [lose("a"), take("bob"), give_up("ann")])
def test_a_child_that_was_asked_and_is_lost_ends_cancelled(end: Command) -> None:
    made = parent(*"ab", strategy=ANY).given(take("ann"), start("a"), cancel_child("a"))
    (ended,) = of_type(made.when(end), ChildFinished)
    assert (ended.outcome, ended.attempt) == ("cancelled", 1)
    assert ended.error == '{"type":"Cancelled","message":"not needed"}'


def test_what_has_ended_stays_quiet_and_what_is_not_there_is_refused() -> None:
    assert parent(*"ab").given(start("a"), finish("a")).when(cancel_child("a")) == []
    for made in (parent("b"), Given().given(create(), prepare("a")), Given()):
        with pytest.raises(StepOrderError, match="child 'a', or it was not created yet"):
            made.when(cancel_child("a"))


def test_a_record_cut_between_the_request_and_the_end_lets_nothing_start_under_a_new_owner() -> None:
    made = parent(*"ab", strategy=ANY)
    cut = fold(made.when(cancel_child("a"))[:1], made.state)
    facts = decide(cut, take())
    assert names(facts) == ["OwnershipTaken", "ChildFinished"]
    assert fold(facts, cut).children["a"].phase == "cancelled"


def test_a_record_cut_there_once_nothing_starts_leaves_the_child_to_be_skipped() -> None:
    made = parent(*"ab").given(start("a"), cancel())
    cut = fold(made.when(cancel_child("b"))[:1], made.state)
    assert names(decide(cut, take())) == ["OwnershipTaken", "AttemptLost"]
    (ended,) = of_type(decide(cut, skip()), ChildFinished)
    assert (ended.child_id, ended.outcome) == ("b", "skipped")
