"""How a parent ends: decided once, settled once, and every child with one outcome."""

from __future__ import annotations

import pytest

from events.facts import (
    CancelRequested,
    ChildFinished,
    ChildLimits,
    DeadlinePassed,
    MembershipClosed,
    ParentDecided,
    ParentSettled,
)
from events.frontier import frontier, startable
from events.strategy import ANY, OnDecided, Strategy
from tests.events.scenario import (
    AT,
    SECOND,
    Given,
    cancel,
    close,
    create,
    finish,
    lose,
    names,
    of_type,
    parent,
    pass_deadline,
    prepare,
    redrive,
    skip,
    spec,
    start,
)


def outcomes(made: Given) -> dict[str, tuple[str, int]]:
    return {fact.child_id: (fact.outcome, fact.attempt) for fact in of_type(made.facts, ChildFinished)}


# Decided and settled


def test_the_last_child_settles_the_parent() -> None:
    made = parent(*"ab").given(start("a"), start("b"), finish("b"))
    assert names(made.when(finish("a"))) == ["ChildFinished", "ParentDecided", "ParentSettled"]


@pytest.mark.parametrize("on_decided", ["cancel", "drain", "continue"])
def test_a_decision_stands_and_late_facts_are_recorded(on_decided: OnDecided) -> None:
    made = parent(*"abc", strategy=ANY, on_decided=on_decided).given(start("a"), start("b"), start("c"), finish("a"))
    assert made.state.status == "succeeded"
    assert names(made.when(finish("b", "failed"))) == ["ChildFinished"]
    made = made.given(finish("b", "failed"))
    assert names(made.when(finish("c", "failed"))) == ["ChildFinished", "ParentSettled"]
    made = made.given(finish("c", "failed"))
    assert (made.state.status, made.state.settled) == ("succeeded", True)


@pytest.mark.parametrize("on_decided", ["drain", "continue"])
def test_what_goes_on_after_the_decision_can_be_cancelled(on_decided: OnDecided) -> None:
    made = parent(*"abc", strategy=ANY, on_decided=on_decided).given(start("a"), start("b"), finish("a"))
    assert not frontier(made.state).stop
    assert names(made.when(cancel())) == ["CancelRequested"]
    made = made.given(cancel())
    assert made.state.status == "succeeded"
    assert frontier(made.state)[:2] == (True, True)
    assert made.when(cancel()) == made.when(start("c")) == []
    made = made.given(skip(), finish("b", "cancelled"))
    assert made.state.settled
    assert made.when(cancel()) == []
    made = made.given(redrive())
    assert not made.state.halting, "a redrive is a life of its own"


@pytest.mark.parametrize("on_decided", ["cancel", "drain", "continue"])
def test_what_is_over_cannot_be_cancelled(on_decided: OnDecided) -> None:
    made = parent(*"ab", strategy=ANY, on_decided=on_decided).given(start("a"), start("b"), finish("a"), finish("b"))
    assert made.state.settled
    assert made.when(cancel()) == []


def test_a_cancel_after_the_decision_closes_the_membership() -> None:
    made = parent("a", strategy=ANY, on_decided="continue", still_open=True).given(start("a"), finish("a"))
    assert names(made.when(cancel())) == ["CancelRequested", "MembershipClosed", "ParentSettled"]


def test_a_parent_that_continues_settles_only_once_no_more_children_can_come() -> None:
    made = parent("a", strategy=ANY, on_decided="continue", still_open=True).given(start("a"), finish("a"))
    assert (made.state.status, made.state.settled) == ("succeeded", False)
    assert made.when(close()) == [MembershipClosed(at=AT), ParentSettled(at=AT)]


def test_a_parent_that_starts_no_more_takes_no_more_children() -> None:
    made = parent("a", strategy=ANY, still_open=True).given(start("a"))
    assert names(made.when(finish("a"))) == ["ChildFinished", "ParentDecided", "MembershipClosed", "ParentSettled"]


# SkipChildren


def test_children_that_never_started_end_skipped() -> None:
    made = parent(*"abcd", strategy=ANY).given(start("b"), finish("b"))
    assert made.when(skip(2)) == [
        ChildFinished(at=AT, child_id="a", attempt=0, outcome="skipped"),
        ChildFinished(at=AT, child_id="c", attempt=0, outcome="skipped"),
    ]
    assert names(made.given(skip(2)).when(skip(2))) == ["ChildFinished", "ParentSettled"]
    assert made.given(skip(9)).when(skip(9)) == []


def test_children_between_attempts_end_cancelled() -> None:
    retry = ChildLimits(max_attempts=5, initial_seconds=60)
    made = parent(spec("a", retry), "b", "c", "d", strategy=ANY)
    made = made.given(start("a"), start("b"), start("d"), finish("a", "failed"), lose("b"), finish("d"))
    assert names(made.when(skip())) == ["ChildFinished"] * 3 + ["ParentSettled"]
    assert outcomes(made.given(skip())) == {
        "a": ("cancelled", 1),
        "b": ("cancelled", 1),
        "c": ("skipped", 0),
        "d": ("succeeded", 1),
    }


def test_running_children_are_not_skipped() -> None:
    made = parent(*"abc", strategy=ANY).given(start("a"), start("b"), finish("a")).given(skip())
    assert outcomes(made) == {"a": ("succeeded", 1), "c": ("skipped", 0)}
    assert made.when(skip()) == []
    assert outcomes(made.given(finish("b", "cancelled")))["b"] == ("cancelled", 1)


def test_prepared_children_end_skipped_too() -> None:
    made = parent("a", still_open=True).given(prepare("b", "c"), cancel(), skip())
    assert outcomes(made) == {"a": ("skipped", 0), "b": ("skipped", 0), "c": ("skipped", 0)}
    assert made.state.settled


def test_nothing_is_skipped_while_children_may_still_run() -> None:
    assert parent("a").when(skip()) == []
    assert parent(*"ab", strategy=ANY, on_decided="continue").given(start("a"), finish("a")).when(skip()) == []


# Cancel and the deadline


def test_a_cancel_decides_at_once() -> None:
    made = parent(*"ab").given(start("a"))
    assert made.when(cancel()) == [
        CancelRequested(at=AT, reason="enough"),
        ParentDecided(at=AT, status="cancelled", why="cancelled by request"),
    ]
    assert made.given(cancel()).when(cancel()) == []


def test_a_deadline_decides_at_once() -> None:
    made = parent(*"ab", timeout_seconds=90.0).given(start("a"))
    assert made.when(pass_deadline()) == [
        DeadlinePassed(at=AT),
        ParentDecided(at=AT, status="timed_out", why="the deadline of 90 s passed"),
    ]
    assert made.given(pass_deadline()).when(pass_deadline()) == []


def test_what_is_decided_can_neither_be_cancelled_nor_run_out_of_time() -> None:
    made = parent(*"ab", strategy=ANY, timeout_seconds=1.0).given(start("a"), finish("a"))
    assert made.when(cancel()) == []
    assert made.when(pass_deadline()) == []


def test_a_parent_without_a_deadline_does_not_run_out_of_time() -> None:
    assert parent("a").when(pass_deadline()) == []


def test_a_cancelled_parent_without_children_settles_at_once() -> None:
    made = Given().given(create())
    expected = ["CancelRequested", "ParentDecided", "MembershipClosed", "ParentSettled"]
    assert names(made.when(cancel())) == expected


def test_a_late_success_does_not_undo_a_cancel() -> None:
    made = parent("a").given(start("a"), cancel())
    assert names(made.when(finish("a"))) == ["ChildFinished", "ParentSettled"]
    assert made.given(finish("a")).state.status == "cancelled"


# The frontier


@pytest.mark.parametrize(
    ("on_decided", "stop", "skips", "wanted"),
    [("cancel", True, True, 1), ("drain", False, True, 1), ("continue", False, False, 2)],
)
def test_what_is_to_be_done_once_decided(on_decided: OnDecided, stop: bool, skips: bool, wanted: int) -> None:
    made = parent(*"abc", strategy=ANY, on_decided=on_decided).given(start("a"), start("b"), finish("a"))
    assert frontier(made.state) == (stop, skips, wanted)
    assert list(startable(made.state, AT)) == (["c"] if on_decided == "continue" else [])


@pytest.mark.parametrize("on_decided", ["cancel", "drain", "continue"])
@pytest.mark.parametrize("ending", [cancel(), pass_deadline()])
def test_a_cancelled_or_late_parent_stops_what_runs_whatever_was_asked(on_decided: OnDecided, ending: object) -> None:
    made = parent(*"ab", on_decided=on_decided, timeout_seconds=1.0).given(start("a"))
    made = made.given(cancel() if ending == cancel() else pass_deadline())
    assert frontier(made.state) == (True, True, 1)
    assert frontier(made.given(skip()).state) == (True, False, 1)
    assert frontier(made.given(skip(), finish("a", "cancelled")).state) == (False, False, 0)


def test_slots_are_wanted_for_what_can_start_up_to_the_limit() -> None:
    made = parent(*"abcde", max_workers=3)
    assert frontier(made.state) == (False, False, 3)
    made = made.given(start("b"), start("d"))
    assert frontier(made.state) == (False, False, 3)
    assert list(startable(made.state, AT)) == ["a", "c", "e"]
    made = made.given(finish("b"), start("a"), finish("d"), start("c"), finish("a"), finish("c"))
    assert frontier(made.state) == (False, False, 1)
    assert list(startable(made.state, AT)) == ["e"]
    assert frontier(made.given(start("e")).state) == (False, False, 1)
    assert frontier(Given().given(create(), prepare("a")).state) == (False, False, 0)


def test_children_that_run_again_come_first_and_when_their_time_has_come() -> None:
    retry = ChildLimits(max_attempts=5, initial_seconds=10)
    made = parent("a", spec("b", retry), spec("c", retry), "d")
    made = made.given(start("b"), start("c"), start("a"), finish("b", "failed"), finish("c", "failed", at=AT + SECOND))
    made = made.given(lose("a"))
    assert list(startable(made.state, AT)) == ["a", "d"]
    assert list(startable(made.state, AT + 10 * SECOND)) == ["b", "a", "d"]
    assert list(startable(made.state, AT + 11 * SECOND)) == ["b", "c", "a", "d"]
    assert list(startable(made.given(cancel()).state, AT + 11 * SECOND)) == []


def test_children_of_zero_one_and_many() -> None:
    for count in (0, 1, 2_000):
        ids = [str(number) for number in range(count)]
        made = parent(*ids, max_workers=1, strategy=Strategy(kind="threshold", percent=100.0))
        commands = [command for child_id in ids for command in (start(child_id), finish(child_id))]
        state = made.given(*commands).state if count <= 1 else made.state
        assert state.status == ("pending" if count > 1 else "succeeded")
        assert frontier(made.state).wanted == min(count, 1)
