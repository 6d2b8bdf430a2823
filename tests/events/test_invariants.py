"""The checks of a history find what is wrong with one, where, and by which name; and nothing where all is well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given

from events.errors import InvariantBrokenError
from events.evolve import INITIAL
from events.facts import (
    AttemptLost,
    CancelRequested,
    ChildFinished,
    ChildLimits,
    ChildPrepared,
    ChildProgressed,
    ChildStarted,
    DeadlinePassed,
    Fact,
    OwnershipReleased,
    OwnershipTaken,
    ParentDecided,
    ParentSettled,
)
from events.invariants import HistoryCheck, LogCheck, check_history
from events.state import ParentState
from events.strategy import ANY
from tests.events.histories import History, go_on, histories
from tests.events.scenario import AT, cancel, finish, give_up, lose, names, parent, skip, spec, start, take
from tests.hostile.effort import tries

RETRY = ChildLimits(max_attempts=2, initial_seconds=1)
FRAGILE = ChildLimits(fail_when_lost=True)
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


def start_of(child_id: str, attempt: int = 1) -> ChildStarted:
    return ChildStarted(at=AT, child_id=child_id, attempt=attempt, worker="w")


HALF = parent("a", still_open=True).facts
TAKEN = parent(spec("a", RETRY), "b", max_workers=2).given(take(), start("a"), start("b"), take("you")).facts
RETRIED = parent(spec("a", RETRY)).given(start("a"), finish("a", "failed")).facts
LOST = parent(spec("a", FRAGILE), "b", strategy=ANY).given(take(), start("a"), lose("a")).facts
CANCELLED = parent(spec("a", RETRY)).given(take(), start("a"), cancel()).facts
OPEN = parent("a", strategy=ANY, on_decided="continue", still_open=True).given(take(), start("a"), finish("a")).facts
PREPARED = ChildPrepared(at=AT, child_id="z", index=1, task="work", input="null")
ENDED = ChildFinished(at=AT, child_id="a", attempt=1, outcome="succeeded")


class Broken(NamedTuple):
    """A record that breaks one invariant, first at a version."""

    invariant: str
    facts: Sequence[Fact]
    version: int
    message: str


BROKEN = [
    Broken("known-fact", (*GOOD, Fact(at=AT)), len(GOOD) + 1, "do not know"),
    Broken("created-first", GOOD[1:], 1, "creates"),
    Broken("created-first", again(0), 2, "creates"),
    Broken("child-once", again(at("ChildPrepared")), 3, "known already"),
    Broken("child-known", instead(at("ChildStarted"), child_id="e"), at("ChildStarted") + 1, "no child 'e'"),
    Broken("child-known", instead(at("ChildCreated"), child_id="e"), at("ChildCreated") + 1, "no child 'e'"),
    Broken("index-order", without(at("ChildPrepared")), 2, "index should be 0"),
    Broken("index-order", without(at("ChildCreated")), 6, "index order"),
    Broken("index-order", again(at("ChildCreated")), 7, "index order"),
    Broken("membership-closes", again(at("MembershipClosed")), at("MembershipClosed") + 2, "closed before"),
    Broken("membership-closes", (*HALF[:2], *parent("a").facts[3:]), 3, "prepared and not created"),
    Broken("membership-closes", plus(at("ChildStarted"), PREPARED), at("ChildStarted") + 1, "membership is closed"),
    Broken("epoch-counts-up", instead(at("OwnershipTaken"), epoch=2), at("OwnershipTaken") + 1, "epoch should be 1"),
    Broken("takeover-loses", (*TAKEN[:-1], ENDED), len(TAKEN), "AttemptLost must follow"),
    Broken("takeover-loses", TAKEN[:-2], len(TAKEN) - 1, "ends where AttemptLost"),
    Broken("release-at-rest", without(at("OwnershipTaken")), len(GOOD) - 1, "nobody owns"),
    Broken("release-at-rest", plus(at("ChildFinished"), OwnershipReleased(at=AT)), at("ChildFinished") + 1, "running"),
    Broken("start-after-creation", (*HALF[:2], start_of("a")), 3, "not created"),
    Broken("one-attempt-at-a-time", again(at("ChildStarted")), at("ChildStarted") + 2, "attempt 1 of the child is"),
    Broken("attempts-count-up", instead(at("ChildStarted"), attempt=2), at("ChildStarted") + 1, "should be 1, not 2"),
    Broken("attempts-count-up", instead(at("ChildRetryScheduled"), attempt=2), at("ChildRetryScheduled") + 1, "not 2"),
    Broken("attempts-count-up", instead(at("ChildFinished"), attempt=1), at("ChildFinished") + 1, "is running"),
    Broken("attempts-count-up", instead(at("ChildFinished", 2), attempt=0), at("ChildFinished", 2) + 1, "should be 1"),
    Broken("retry-waits", (*RETRIED, start_of("a", 2)), len(RETRIED) + 1, "too early"),
    Broken("retry-waits", instead(at("ChildRetryScheduled"), not_before=AT - 1), at("ChildRetryScheduled") + 1, "futu"),
    Broken("retry-is-left", instead(at("ChildRetryScheduled"), child_id="b"), at("ChildRetryScheduled") + 1, "left"),
    Broken("nothing-starts", plus(DECIDED + 2, start_of("d")), DECIDED + 3, "no child is to be started"),
    Broken("nothing-starts", (*CANCELLED, RETRIED[-1]), len(CANCELLED) + 1, "nothing is run again"),
    Broken("bounded", plus(at("ChildRetryScheduled"), start_of("d")), at("ChildRetryScheduled") + 1, "max_workers"),
    Broken("ends-what-runs", again(at("AttemptLost")), at("AttemptLost") + 2, "no attempt of the child is running"),
    Broken("one-outcome", plus(DECIDED + 1, GOOD[at("ChildFinished")]), DECIDED + 2, "ended already"),
    Broken("lost-fails", (*LOST[:-1], start_of("a", 2)), len(LOST), "ChildFinished must follow"),
    Broken("lost-fails", LOST[:-1], len(LOST), "ends where ChildFinished"),
    Broken("lost-fails", (*LOST[:-1], LOST[-1].model_copy(update={"outcome": "skipped"})), len(LOST), "be failed"),
    Broken("ends-at-rest", plus(at("ChildFinished"), GOOD[-4]), at("ChildFinished") + 1, "may still be started"),
    Broken("ends-at-rest", instead(at("ChildFinished", 3), outcome="cancelled"), at("ChildFinished", 3) + 1, "skipped"),
    Broken("ends-at-rest", instead(at("ChildFinished", 2), outcome="skipped"), at("ChildFinished", 2) + 1, "cancelled"),
    Broken("decided-stands", again(DECIDED), DECIDED + 2, "decided before"),
    Broken("decided-stands", plus(DECIDED + 1, CancelRequested(at=AT, reason="")), DECIDED + 2, "is decided"),
    Broken("decided-stands", plus(DECIDED + 1, DeadlinePassed(at=AT)), DECIDED + 2, "is decided"),
    Broken("decision-is-the-rule", instead(DECIDED, status="failed"), DECIDED + 1, "the rule says succeeded"),
    Broken("decision-is-the-rule", instead(DECIDED, child_id="d"), DECIDED + 1, "'d', has not ended"),
    Broken("decision-is-the-rule", plus(at("ChildFinished"), GOOD[DECIDED]), at("ChildFinished") + 1, "says running"),
    Broken("decision-follows", without(DECIDED), DECIDED + 1, "ParentDecided must follow"),
    Broken("decision-follows", GOOD[:DECIDED], DECIDED + 1, "the record ends where ParentDecided"),
    Broken("closing-follows", without(at("MembershipClosed")), DECIDED + 1, "MembershipClosed must follow"),
    Broken("settling-follows", without(SETTLED), SETTLED + 1, "ParentSettled must follow"),
    Broken("settled-is-over", plus(DECIDED + 1, ParentSettled(at=AT)), DECIDED + 2, "children are open"),
    Broken("settled-is-over", plus(DECIDED - 1, ParentSettled(at=AT)), DECIDED, "not decided"),
    Broken("settled-is-over", (*OPEN, ParentSettled(at=AT)), len(OPEN) + 1, "still be added"),
    Broken("settled-is-the-end", (*GOOD, CancelRequested(at=AT, reason="")), len(GOOD) + 1, "settled"),
    Broken("deadline-given", plus(DECIDED - 1, DeadlinePassed(at=AT)), DECIDED, "no deadline"),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: f"{case.invariant}-{case.version}")
def test_what_is_broken_is_named_at_its_first_bad_version(case: Broken) -> None:
    with pytest.raises(InvariantBrokenError, match=rf"^version {case.version}[,:].*{case.message}") as caught:
        check_history(case.facts)
    assert (caught.value.invariant, caught.value.version) == (case.invariant, case.version)
    check_history(case.facts[: case.version - 1], cut_anywhere=True)


def test_a_good_history_passes_whole_and_at_the_end_of_each_append() -> None:
    check_history(GOOD)
    check_history(GOOD[:DECIDED], cut_anywhere=True)


@pytest.mark.parametrize("facts", [TAKEN, LOST, CANCELLED, RETRIED, HALF, OPEN])
def test_what_the_broken_ones_are_made_of_is_good(facts: Sequence[Fact]) -> None:
    check_history(facts)


def test_a_check_goes_on_while_a_history_grows() -> None:
    check = HistoryCheck()
    for version, fact in enumerate(GOOD, 1):
        check.take(fact)
        assert check.version == check.state.version == version
    check.finish()


CORES: dict[str, Callable[[ParentState], ParentState]] = {
    "status-is-replay": lambda state: state.replace(succeeded=1),
    "status-is-replay ": lambda state: state.replace(settled_at=AT),
    "status-is-replay  ": lambda state: INITIAL,
    "counts-are-replay": lambda state: state.replace(version=77),
    "counts-are-replay ": lambda state: state.replace(running_count=1),
    "work-is-replay": lambda state: state.replace(max_workers=9),
}


@pytest.mark.parametrize("name", CORES)
def test_a_core_that_folds_wrongly_is_found_out(name: str) -> None:
    """As if the core had made something else of the facts so far."""
    check = HistoryCheck()
    started = at("ChildStarted")
    for fact in GOOD[:started]:
        check.take(fact)
    check.state = CORES[name](check.state)
    with pytest.raises(InvariantBrokenError) as caught:
        check.take(GOOD[started])
    assert caught.value.invariant == name.strip()


def owned(owner: str) -> OwnershipTaken:
    return OwnershipTaken(at=AT, owner=owner, epoch=1)


def test_running_children_are_counted_for_each_owner_over_all_parents() -> None:
    check = LogCheck(max_workers=2)
    parents = {"p": "me", "q": "me", "r": "you"}
    log: list[tuple[str, Fact]] = [(parent_id, owned(owner)) for parent_id, owner in parents.items()]
    log += [("p", start_of("a")), ("q", start_of("a")), ("r", start_of("a")), ("s", start_of("a")), ("q", ENDED)]
    for position, (parent_id, fact) in enumerate([*log, ("q", start_of("b"))], 1):
        check.take(3 * position, parent_id, fact)
    assert check.most_running == 2
    with pytest.raises(InvariantBrokenError, match="position 100: 3 children of 'me' are running") as caught:
        check.take(100, "p", start_of("b"))
    assert caught.value.invariant == "bounded-together"


def test_an_attempt_counts_for_the_owner_that_started_it_until_it_is_lost() -> None:
    check = LogCheck(max_workers=1)
    facts = [owned("me"), start_of("a"), owned("you"), AttemptLost(at=AT, child_id="a", attempt=1, reason="")]
    facts += [start_of("a", 2), OwnershipReleased(at=AT), start_of("b")]
    for position, fact in enumerate(facts, 1):
        check.take(position, "p", fact)
    assert check.most_running == 1


def test_positions_increase() -> None:
    check = LogCheck()
    check.take(5, "p", owned("me"))
    for position in (5, 4, -1):
        with pytest.raises(InvariantBrokenError) as caught:
            check.take(position, "q", owned("me"))
        assert caught.value.invariant == "positions-increase"


@given(history=histories())
@tries(25)
def test_no_child_fact_of_a_history_can_be_doubled(history: History) -> None:
    for index, fact in enumerate(history.facts):
        if not isinstance(fact, OwnershipTaken | ChildProgressed):  # these two may be said again
            with pytest.raises(InvariantBrokenError):
                check_history([*history.facts[: index + 1], fact], cut_anywhere=True)


@given(history=histories())
@tries(25)
def test_no_decision_and_no_ending_of_a_settled_history_can_be_dropped(history: History) -> None:
    facts = go_on(history.facts, 1).facts
    check_history(facts)
    for index, fact in enumerate(facts):
        if isinstance(fact, ParentDecided | ChildFinished):
            with pytest.raises(InvariantBrokenError):
                check_history([*facts[:index], *facts[index + 1 :]])
