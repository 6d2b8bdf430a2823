"""The checks of a record know what may be asked of a parent: changes, cancels, redrives, takeovers of cut records."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from events.decide import decide
from events.errors import InvariantBrokenError
from events.evolve import fold
from events.facts import (
    CancelRequested,
    ChildCreated,
    ChildFinished,
    ChildLimits,
    ChildProgressed,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
    LimitsChanged,
    OwnershipTaken,
    ParentDecided,
)
from events.invariants import HistoryCheck, check_history
from events.strategy import ANY
from tests.events.scenario import (
    AT,
    Given,
    cancel,
    cancel_child,
    create,
    finish,
    lose,
    parent,
    pass_deadline,
    pause,
    prepare,
    redrive,
    skip,
    spec,
    start,
    take,
)

ONCE_MORE = CancelRequested(at=AT, reason="once more")


def started(child_id: str) -> ChildStarted:
    return ChildStarted(at=AT, child_id=child_id, attempt=1, worker="w")


def broken_by(facts: Sequence[Fact], fact: Fact, *, cut_anywhere: bool = False) -> str:
    check = HistoryCheck(cut_anywhere=cut_anywhere)
    for good in facts:
        check.take(good)
    with pytest.raises(InvariantBrokenError) as caught:
        check.take(fact)
    return caught.value.invariant


@pytest.mark.parametrize(
    ("name", "made_with", "other"), [("max_workers", 3, 2), ("weight", 3, 1), ("priority", 3, 0), ("priority", -1, 1)]
)
def test_what_a_parent_was_made_with_is_no_change(name: str, made_with: int, other: int) -> None:
    facts = Given().given(create().model_copy(update={name: made_with})).facts
    same = LimitsChanged.model_validate({"at": AT, name: made_with})
    change = LimitsChanged.model_validate({"at": AT, name: other})
    assert broken_by(facts, same) == "changes-change"
    check_history([*facts, change, same])
    assert broken_by([*facts, change], change) == "changes-change"


def test_what_goes_on_after_a_decision_is_cancelled_once() -> None:
    made = parent(*"abc", strategy=ANY, on_decided="drain").given(start("a"), start("b"), finish("a"))
    check_history([*made.facts, ONCE_MORE])
    assert broken_by([*made.facts, ONCE_MORE], ONCE_MORE) == "decided-stands"


def test_what_ran_out_of_time_is_not_cancelled() -> None:
    made = parent(*"ab", on_decided="drain", timeout_seconds=1.0).given(start("a"), pass_deadline())
    assert broken_by(made.facts, ONCE_MORE) == "decided-stands"
    cancelled = parent(*"ab", on_decided="drain").given(start("a"), cancel())
    assert broken_by(cancelled.facts, ONCE_MORE) == "decided-stands"


def test_a_redrive_has_no_more_than_the_budget() -> None:
    twice = ChildLimits(max_attempts=2)
    made = parent(spec("a", twice), spec("b", twice), retry_budget=1).given(start("a"), start("b"), cancel())
    made = made.given(finish("a", "failed"), finish("b", "failed"), redrive(), start("a"), start("b"))
    made = made.given(finish("a", "failed", 2))
    retry = ChildRetryScheduled(at=AT, child_id="b", attempt=2, error="{}", not_before=AT)
    assert broken_by(made.facts, retry) == "budget-is-kept"


def test_what_is_due_comes_before_a_child_is_redriven() -> None:
    facts = parent("a").given(start("a"), finish("a")).facts
    assert broken_by(facts[:-2], ChildRedriven(at=AT, child_id="a")) == "decision-follows"


def test_who_takes_over_a_record_cut_after_a_request_need_not_end_the_child_where_nothing_starts() -> None:
    made = parent(*"ab").given(take(), start("a"), cancel())
    cut = [*made.facts, *made.when(cancel_child("b"))[:1]]
    check = HistoryCheck(cut_anywhere=True)
    for fact in [*cut, *decide(fold(cut), take("you"))]:
        check.take(fact)
    assert (check.recount.running, check.recount.due) == (0, None)


def test_who_takes_it_over_does_not_start_a_child_that_was_asked_to_stop() -> None:
    made = parent(*"ab", strategy=ANY)
    cut = [*made.facts, *made.when(cancel_child("a"))[:1], OwnershipTaken(at=AT, owner="me", epoch=1)]
    assert broken_by(cut, started("a"), cut_anywhere=True) == "cancelled-child-stays-down"


def test_of_two_reasons_to_start_nothing_the_decision_is_told() -> None:
    made = parent(*"ab", strategy=ANY).given(take(), start("a"), pause(), finish("a"))
    assert broken_by(made.facts, started("b")) == "nothing-starts"


def test_what_was_redriven_before_it_was_released_is_not_released() -> None:
    made = Given().given(create(), prepare(*"ab"), cancel(), skip(), redrive("a"))
    assert broken_by(made.facts, ChildCreated(at=AT, child_id="a")) == "index-order"


def test_who_takes_it_over_may_end_as_cancelled_what_was_asked_to_stop() -> None:
    made = parent(*"ab", strategy=ANY)
    cut = [*made.facts, *made.when(cancel_child("a"))[:1]]
    check = HistoryCheck(cut_anywhere=True)
    for fact in [*cut, *decide(fold(cut), take())]:
        check.take(fact)
    assert check.recount.outcomes["cancelled"] == 1


def test_who_takes_it_over_ends_it_in_no_other_way() -> None:
    made = parent(*"ab", strategy=ANY)
    cut = [*made.facts, *made.when(cancel_child("a"))[:1], OwnershipTaken(at=AT, owner="me", epoch=1)]
    skipped = ChildFinished(at=AT, child_id="a", attempt=0, outcome="skipped")
    assert broken_by(cut, skipped, cut_anywhere=True) == "ends-at-rest"


def test_an_attempt_that_was_lost_says_nothing_any_more() -> None:
    made = parent("a").given(take(), start("a"), lose("a"))
    assert broken_by(made.facts, ChildProgressed(at=AT, child_id="a", attempt=1)) == "progress-of-what-runs"


def test_what_was_redriven_and_is_open_does_not_decide() -> None:
    made = parent(*"ab", strategy=ANY).given(start("a"), start("b"), finish("a", "failed"), finish("b", "failed"))
    made = made.given(redrive(), start("a"))
    ended = made.when(finish("a", attempt=2))[:1]
    decided = ParentDecided(at=AT, status="succeeded", why="", child_id="b")
    assert broken_by([*made.facts, *ended], decided) == "decision-is-the-rule"
