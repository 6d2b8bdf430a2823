"""The checks of a history find what is wrong with one, and where."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings

from events.facts import (
    CancelRequested,
    ChildFinished,
    ChildLimits,
    ChildStarted,
    Fact,
    OwnershipReleased,
    OwnershipTaken,
    ParentDecided,
    ParentSettled,
)
from events.strategy import ANY
from tests.events.histories import History, go_on, histories
from tests.events.scenario import AT, finish, give_up, lose, names, parent, skip, spec, start, take
from tests.support.invariants import check_history

RETRY = ChildLimits(max_attempts=2, initial_seconds=1)
GOOD = (
    parent(spec("a", RETRY), "b", "c", "d", strategy=ANY, max_workers=2)
    .given(take(), start("a"), start("b"), finish("a", "failed"), lose("b"), start("b"))
    .given(start("c"), finish("b", attempt=2), finish("c", "cancelled"), skip(), give_up())
    .facts
)


def at(name: str, number: int = 0) -> int:
    """Return where the n-th fact of a name stands."""
    return [index for index, found in enumerate(names(GOOD)) if found == name][number]


def without(index: int) -> Sequence[Fact]:
    return (*GOOD[:index], *GOOD[index + 1 :])


def instead(index: int, **changes: object) -> Sequence[Fact]:
    return (*GOOD[:index], GOOD[index].model_copy(update=changes), *GOOD[index + 1 :])


def plus(index: int, fact: Fact) -> Sequence[Fact]:
    return (*GOOD[:index], fact, *GOOD[index:])


def again(index: int) -> Sequence[Fact]:
    return plus(index + 1, GOOD[index])


DECIDED, SETTLED = at("ParentDecided"), at("ParentSettled")
STARTED = ChildStarted(at=AT, child_id="d", attempt=1, worker="w")


def test_a_good_history_passes_whole_and_at_the_end_of_each_append() -> None:
    check_history(GOOD)
    check_history(GOOD[:DECIDED], cut_anywhere=True)
    with pytest.raises(AssertionError, match=f"version {DECIDED + 1}: the record ends where"):
        check_history(GOOD[:DECIDED])


@pytest.mark.parametrize(
    ("facts", "version", "message"),
    [
        (GOOD[1:], 1, "creates"),
        (again(0), 2, "creates"),
        (again(at("ChildPrepared")), 3, "known already"),
        (without(at("ChildPrepared")), 2, "index should be 0"),
        (without(at("ChildCreated")), 6, "index order"),
        (again(at("ChildCreated")), 7, "index order"),
        (again(at("MembershipClosed")), at("MembershipClosed") + 2, "closed before"),
        (without(at("MembershipClosed")), DECIDED + 1, "MembershipClosed"),
        (instead(at("OwnershipTaken"), epoch=2), at("OwnershipTaken") + 1, "epoch should be 1"),
        (again(at("ChildStarted")), at("ChildStarted") + 2, "running"),
        (instead(at("ChildStarted"), attempt=2), at("ChildStarted") + 1, "attempt should be 1"),
        (plus(at("ChildRetryScheduled"), STARTED), at("ChildRetryScheduled") + 1, "max_workers"),
        (plus(DECIDED + 1, STARTED), DECIDED + 2, "to be started"),
        (instead(at("ChildRetryScheduled"), attempt=2), at("ChildRetryScheduled") + 1, "is running"),
        (instead(at("ChildRetryScheduled"), child_id="b"), at("ChildRetryScheduled") + 1, "no attempt left"),
        (again(at("AttemptLost")), at("AttemptLost") + 2, "no attempt of the child is running"),
        (instead(at("ChildFinished"), attempt=1), at("ChildFinished") + 1, "is running"),
        (plus(DECIDED + 1, GOOD[at("ChildFinished")]), DECIDED + 2, "ended already"),
        (plus(at("ChildFinished"), GOOD[-4]), at("ChildFinished") + 1, "may still be started"),
        (instead(at("ChildFinished", 3), outcome="cancelled"), at("ChildFinished", 3) + 1, "should be skipped"),
        (instead(at("ChildFinished", 2), outcome="skipped"), at("ChildFinished", 2) + 1, "should be cancelled"),
        (instead(DECIDED, status="failed"), DECIDED + 1, "the rule says succeeded"),
        (without(DECIDED), DECIDED + 1, "must follow"),
        (plus(at("ChildFinished"), GOOD[DECIDED]), at("ChildFinished") + 1, "the rule says running"),
        (again(DECIDED), DECIDED + 2, "decided before"),
        (without(SETTLED), SETTLED + 1, "must follow"),
        (plus(DECIDED + 1, ParentSettled(at=AT)), DECIDED + 2, "children are open"),
        (plus(DECIDED + 1, CancelRequested(at=AT, reason="")), DECIDED + 2, "is decided"),
        ((*GOOD, CancelRequested(at=AT, reason="")), len(GOOD) + 1, "settled"),
        (without(at("OwnershipTaken")), len(GOOD) - 1, "nobody owns"),
        (plus(at("ChildFinished"), OwnershipReleased(at=AT)), at("ChildFinished") + 1, "children are running"),
        (instead(at("ChildStarted"), child_id="e"), at("ChildStarted") + 1, "e"),
        ((*GOOD, Fact(at=AT)), len(GOOD) + 1, "do not know"),
    ],
)
def test_a_bad_history_is_found_out_at_its_first_bad_version(facts: Sequence[Fact], version: int, message: str) -> None:
    with pytest.raises(AssertionError, match=rf"^version {version}[,:].*{message}"):
        check_history(facts)


def test_a_retry_that_starts_too_early_is_found_out() -> None:
    made = parent(spec("a", RETRY)).given(start("a"), finish("a", "failed"))
    early = ChildStarted(at=AT, child_id="a", attempt=2, worker="w")
    with pytest.raises(AssertionError, match="too early"):
        check_history([*made.facts, early])


@given(history=histories())
@settings(max_examples=50, deadline=None, print_blob=True)
def test_no_child_fact_of_a_history_can_be_doubled(history: History) -> None:
    for index, fact in enumerate(history.facts):
        if not isinstance(fact, OwnershipTaken):
            with pytest.raises(AssertionError):
                check_history([*history.facts[: index + 1], fact], cut_anywhere=True)


@given(history=histories())
@settings(max_examples=50, deadline=None, print_blob=True)
def test_no_decision_and_no_ending_of_a_settled_history_can_be_dropped(history: History) -> None:
    facts = go_on(history.facts, 1).facts
    check_history(facts)
    for index, fact in enumerate(facts):
        if isinstance(fact, ParentDecided | ChildFinished):
            with pytest.raises(AssertionError):
                check_history([*facts[:index], *facts[index + 1 :]])
