"""The checks of a record know what may be asked of a parent: changes, cancels, redrives, takeovers of cut records."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from events.decide import decide
from events.errors import InvariantBrokenError
from events.evolve import fold
from events.facts import CancelRequested, ChildLimits, ChildRedriven, ChildRetryScheduled, Fact, LimitsChanged
from events.invariants import HistoryCheck, check_history
from events.strategy import ANY
from tests.events.scenario import (
    AT,
    Given,
    cancel,
    cancel_child,
    create,
    finish,
    parent,
    pass_deadline,
    redrive,
    spec,
    start,
    take,
)

ONCE_MORE = CancelRequested(at=AT, reason="once more")


def broken_by(facts: Sequence[Fact], fact: Fact) -> str:
    check = HistoryCheck()
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
