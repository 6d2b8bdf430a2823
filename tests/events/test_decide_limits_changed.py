"""Changes while a parent lives: at once, on record, and not too late."""

from __future__ import annotations

import pytest

from events.commands import ChangeLimits
from events.errors import StepOrderError, UsageError
from events.facts import LimitsChanged
from events.frontier import frontier
from events.strategy import ALL, ANY, Strategy
from tests.events.scenario import AT, Given, change, close, finish, names, parent, start

TWO = Strategy(kind="threshold", count=2)


def test_a_change_is_a_fact_of_what_is_new() -> None:
    made = parent(*"ab", max_workers=1)
    assert made.when(change(max_workers=2, strategy=ALL, weight=1)) == [LimitsChanged(at=AT, max_workers=2)]
    made = made.given(start("a"), change(max_workers=2))
    assert frontier(made.state).wanted == 2
    assert names(made.when(start("b"))) == ["ChildStarted"]


def test_a_weight_and_a_priority_change_by_themselves() -> None:
    made = parent("a")
    assert made.when(change(weight=2)) == [LimitsChanged(at=AT, weight=2)]
    assert made.when(ChangeLimits(at=AT, priority=-1)) == [LimitsChanged(at=AT, priority=-1)]
    assert made.when(ChangeLimits(at=AT, priority=0)) == []


def test_fewer_workers_let_what_runs_end_and_start_nothing_meanwhile() -> None:
    made = parent(*"abc").given(start("a"), start("b"), change(max_workers=1))
    assert (frontier(made.state).wanted, made.when(start("c"))) == (2, [])
    assert made.given(finish("a")).when(start("c")) == []
    assert names(made.given(finish("a"), finish("b")).when(start("c"))) == ["ChildStarted"]


def test_what_changes_nothing_is_quiet_even_where_it_comes_late() -> None:
    assert parent("a").when(change()) == []
    settled = parent("a").given(start("a"), finish("a"))
    assert settled.when(change(max_workers=10, strategy=ALL, weight=1)) == []


def test_another_strategy_may_decide_at_once() -> None:
    made = parent(*"abc").given(start("a"), finish("a"))
    assert names(made.when(change(strategy=ANY))) == ["LimitsChanged", "ParentDecided"]
    last = parent("a", "b", strategy=TWO, on_decided="continue", still_open=True).given(start("a"), finish("a"))
    assert names(last.when(change(strategy=ANY))) == ["LimitsChanged", "ParentDecided"]
    halted = parent("a", strategy=TWO, still_open=True).given(start("a"), finish("a"))
    changed = halted.when(change(strategy=ANY))
    assert names(changed) == ["LimitsChanged", "ParentDecided", "MembershipClosed", "ParentSettled"]


def test_a_strategy_that_can_never_succeed_is_refused_once_all_children_are_known() -> None:
    with pytest.raises(UsageError, match="can never succeed: it needs at least 2 successes, has 1 child"):
        parent("a").when(change(strategy=TWO))
    made = parent("a", still_open=True).given(change(strategy=TWO))
    with pytest.raises(UsageError, match="can never succeed"):
        made.when(close())
    assert names(made.when(close(arriving=True))) == ["MembershipClosed", "ParentDecided"]


def test_a_strategy_comes_too_late_once_decided_and_the_rest_once_settled() -> None:
    made = parent(*"ab", strategy=ANY).given(start("a"), start("b"), finish("a"))
    with pytest.raises(StepOrderError, match=r"is decided \(succeeded\): its strategy can no longer change"):
        made.when(change(strategy=ALL))
    assert names(made.when(change(max_workers=3))) == ["LimitsChanged"]
    assert made.when(change(max_workers=3, strategy=ANY)) == [LimitsChanged(at=AT, max_workers=3)], "it is the same"
    with pytest.raises(StepOrderError, match=r"is settled \(succeeded\): it can no longer be changed$"):
        made.given(finish("b")).when(change(max_workers=3))
    for asked in (change(max_workers=3), change()):
        with pytest.raises(StepOrderError, match="no such run"):
            Given().when(asked)
