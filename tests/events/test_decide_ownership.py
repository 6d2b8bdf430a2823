"""Ownership: one owner at a time, each with a higher epoch; what ran under the one before is lost."""

from __future__ import annotations

import pytest

from events.evolve import fold
from events.facts import AttemptLost, ChildLimits, Fact, OwnershipReleased, OwnershipTaken, ParentDecided
from events.strategy import ANY, Strategy
from tests.events.scenario import (
    AT,
    Given,
    cancel,
    close,
    create,
    finish,
    give_up,
    names,
    parent,
    pass_deadline,
    spec,
    start,
    take,
)


def test_every_owner_has_a_higher_epoch() -> None:
    made = parent("a")
    assert made.when(take("me")) == [OwnershipTaken(at=AT, owner="me", epoch=1)]
    made = made.given(take("me"))
    assert made.when(take("you")) == [OwnershipTaken(at=AT, owner="you", epoch=2)]
    made = made.given(give_up("me"))
    assert made.when(take("you")) == [OwnershipTaken(at=AT, owner="you", epoch=2)]
    assert (made.state.owner, made.given(take("you")).state.owner) == (None, "you")


def test_who_takes_over_loses_what_was_running() -> None:
    made = parent(*"abcd").given(take(), start("a"), start("b"), start("c"), finish("b"))
    assert made.when(take("you")) == [
        OwnershipTaken(at=AT, owner="you", epoch=2),
        AttemptLost(at=AT, child_id="a", attempt=1, reason="its owner stopped"),
        AttemptLost(at=AT, child_id="c", attempt=1, reason="its owner stopped"),
    ]
    after = made.given(take("you"))
    assert after.state.running_count == 0
    assert after.when(finish("a")) == [], "what the old owner reports comes too late"


def test_who_gives_up_loses_what_was_running() -> None:
    made = parent(*"ab").given(take(), start("a"))
    assert made.when(give_up()) == [
        AttemptLost(at=AT, child_id="a", attempt=1, reason="closing"),
        OwnershipReleased(at=AT),
    ]
    assert made.given(give_up()).when(give_up()) == []


def test_only_the_owner_can_give_up() -> None:
    assert parent("a").when(give_up()) == []
    assert parent("a").given(take("me")).when(give_up("you")) == []
    assert parent("a").given(take("me"), take("you")).when(give_up("me")) == []


def test_children_that_may_not_run_twice_fail_and_may_decide() -> None:
    once = ChildLimits(fail_when_lost=True)
    made = parent(spec("a", once), spec("b", once), "c").given(take(), start("a"), start("b"), start("c"))
    assert names(made.when(take("you"))) == [
        "OwnershipTaken",
        "AttemptLost",
        "ChildFinished",
        "ParentDecided",
        "AttemptLost",  # once decided, the others are stopped and end cancelled
        "AttemptLost",
    ]
    tolerant = Strategy(kind="threshold", count=1)
    made = parent(spec("a", once), spec("b", once), "c", strategy=tolerant).given(take(), start("a"), start("b"))
    assert names(made.when(give_up())) == ["AttemptLost", "ChildFinished"] * 2 + ["OwnershipReleased"]


def test_the_last_children_lost_settle_the_parent() -> None:
    made = parent(spec("a", ChildLimits(fail_when_lost=True))).given(take(), start("a"))
    expected = ["AttemptLost", "ChildFinished", "ParentDecided", "ParentSettled", "OwnershipReleased"]
    assert names(made.when(give_up())) == expected


def cut_before_the_decision(made: Given) -> list[Fact]:
    at = next(index for index, fact in enumerate(made.facts) if isinstance(fact, ParentDecided))
    return list(made.facts[:at])


@pytest.mark.parametrize(
    "made",
    [
        parent("a").given(start("a"), finish("a")),
        parent(*"ab").given(start("a"), finish("a", "failed")),
        parent(*"ab").given(start("a"), cancel()),
        parent(*"ab", timeout_seconds=1.0).given(start("a"), pass_deadline()),
        parent(strategy=ANY, still_open=True).given(close(arriving=True)),
        parent("a", still_open=True).given(cancel()),
        Given().given(create(), cancel()),
    ],
)
def test_who_takes_over_a_record_that_was_cut_short_puts_the_decision_on_record(made: Given) -> None:
    cut = cut_before_the_decision(made)
    resumed = Given(fold(cut), tuple(cut)).given(take())
    assert names(resumed.facts[len(cut) :])[:2] == ["OwnershipTaken", "ParentDecided"]
    assert resumed.state.status == made.state.status
    assert resumed.state.settled == made.state.settled
