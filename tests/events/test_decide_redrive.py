"""Redrives: what did not succeed runs again under the same parent, what did never does."""

from __future__ import annotations

import pytest

from events.commands import Command
from events.decide import decide
from events.errors import StepOrderError
from events.evolve import fold
from events.facts import ChildLimits, ChildRedriven, Redriven
from events.frontier import frontier, startable
from events.invariants import check_history
from events.strategy import ANY, Outcome
from tests.events.histories import go_on
from tests.events.scenario import (
    AT,
    Given,
    cancel,
    cancel_child,
    close,
    create,
    finish,
    names,
    of_type,
    parent,
    pass_deadline,
    pause,
    prepare,
    redrive,
    release,
    skip,
    spec,
    start,
    take,
)

ONE, ANOTHER = "one", "another"


def ended() -> Given:
    """Return a parent of which one child succeeded, and the others ended in every other way."""
    made = parent(*"abcde", on_decided="continue").given(*(start(name) for name in "abcd"), finish("a"))
    return made.given(finish("b", "failed"), finish("c", "timed_out"), finish("d", "cancelled"), cancel_child("e"))


def chosen(given: Given, command: Command) -> list[str]:
    return [fact.child_id for fact in of_type(given.when(command), ChildRedriven)]


def test_all_that_did_not_succeed_run_again_in_order() -> None:
    assert chosen(ended(), redrive()) == ["b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("ids", "outcomes", "children"),
    [
        ((), ("failed",), ["b"]),
        ((), ("cancelled", "timed_out"), ["c", "d", "e"]),
        (("e", "b", "e"), None, ["e", "b"]),
        (("b", "c"), ("failed",), ["b"]),
        ((), ("succeeded", "failed"), ["b"]),
    ],
)
def test_a_redrive_may_be_of_some_ids_and_outcomes(
    ids: tuple[str, ...], outcomes: tuple[Outcome, ...] | None, children: list[str]
) -> None:
    assert chosen(ended(), redrive(*ids, outcomes=outcomes)) == children


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (redrive("a"), "child 'a' has succeeded: it never runs again"),
        (redrive("b", "a"), "has succeeded"),
        (redrive("z"), "there is no child 'z'"),
        (redrive(outcomes=("skipped",)), "no child to run again: none of the 4 that ended"),
        (redrive("b", outcomes=("cancelled",)), "there is no child to run again"),
        (redrive(outcomes=("succeeded",)), "there is no child to run again"),
    ],
)
def test_what_cannot_run_again_is_refused(command: Command, message: str) -> None:
    with pytest.raises(StepOrderError, match=message):
        ended().when(command)


def test_only_a_settled_parent_is_redriven() -> None:
    for made in (parent("a"), parent(*"ab").given(start("a"), start("b"), finish("a", "failed"))):
        with pytest.raises(StepOrderError, match="not settled"):
            made.when(redrive())
    with pytest.raises(StepOrderError, match=r"no child to run again: all 1 succeeded$"):
        parent("a").given(start("a"), finish("a")).when(redrive())
    with pytest.raises(StepOrderError, match="no child to run again: the run has none"):
        parent().given().when(redrive())


@pytest.mark.parametrize(("request_", "status"), [(pass_deadline(), "timed_out"), (cancel(), "cancelled")])
def test_a_decision_stands_though_all_children_succeeded_and_the_refusal_says_what_to_do(
    request_: Command, status: str
) -> None:
    made = parent(*"ab", timeout_seconds=9.0).given(start("a"), start("b"), request_, finish("a"), finish("b"))
    assert (made.state.status, made.state.settled, made.state.succeeded) == (status, True, 2)
    with pytest.raises(StepOrderError, match=rf"all 2 succeeded, though the run is {status}, .* under another id"):
        made.when(redrive())


def test_where_there_is_no_parent_none_is_redriven() -> None:
    with pytest.raises(StepOrderError, match="no such run"):
        Given().when(redrive())


@pytest.mark.parametrize("ending", [cancel(), pass_deadline()])
def test_a_cancelled_or_late_parent_is_as_it_was_made_in_its_next_life(ending: Command) -> None:
    made = parent(*"ab", on_decided="drain", timeout_seconds=1.0).given(ending, skip())
    assert [fact.on_decided for fact in of_type(made.when(redrive()), Redriven)] == ["drain"]


def test_a_token_tells_a_redrive_that_comes_twice_from_another_one() -> None:
    made = ended().given(redrive("b", token=ONE))
    assert made.when(redrive("b", token=ONE)) == []
    with pytest.raises(StepOrderError, match="not settled"):
        made.when(redrive("b", token=ANOTHER))
    with pytest.raises(StepOrderError, match="not settled"):
        made.when(redrive("b"))


def test_a_redriven_parent_lives_again_with_its_attempts_counted_on() -> None:
    made = parent(*"ab", timeout_seconds=9.0).given(
        start("a"), pause(), pass_deadline(), finish("a", "cancelled"), skip()
    )
    assert (made.state.status, made.state.settled) == ("timed_out", True)
    made = made.given(redrive())
    assert (made.state.status, made.state.settled, made.state.paused) == ("running", False, False)
    assert made.state.decision is None
    assert list(startable(made.state, AT)) == ["a", "b"]
    made = made.given(start("a"), start("b"), finish("a", attempt=2), finish("b"))
    assert (made.state.status, made.state.settled, made.state.children["a"].attempts) == ("succeeded", True, 2)
    check_history(made.facts)


def test_children_that_were_never_released_run_again_as_well() -> None:
    """They were given up before `CreateChildren`: nothing is released a second time, and every one wants a slot."""
    made = Given().given(create(), prepare(*"abc"), cancel(), skip(), redrive("a", "b"))
    assert list(startable(made.state, AT)) == ["a", "b"]
    assert frontier(made.state).wanted == 2
    assert made.when(release()) == made.when(close()) == []
    made = made.given(start("a"), finish("a"))
    check_history(go_on(made.facts, 1).facts)


def test_one_that_never_started_is_skipped_in_its_next_life_too() -> None:
    made = parent(*"ab").given(start("a"), cancel(), finish("a", "cancelled"), skip(), redrive())
    made = made.given(cancel(), skip())
    check_history(made.facts)
    assert {name: child.phase for name, child in made.state.children.items()} == {"a": "cancelled", "b": "skipped"}


def test_what_the_rule_decides_at_once_runs_all_the_same() -> None:
    made = parent(*"abc", strategy=ANY).given(start("a"), finish("a"), skip()).given(redrive())
    assert names(made.facts[-4:]) == ["Redriven", "ChildRedriven", "ChildRedriven", "ParentDecided"]
    assert (made.state.status, made.state.halting) == ("succeeded", False)
    assert made.given(start("b"), finish("b", "failed"), start("c"), finish("c", "failed")).state.settled


def test_a_life_in_which_all_run_on_does_not_change_the_next_one() -> None:
    made = parent(*"ab", on_decided="drain").given(start("a"), finish("a", "failed"), skip())
    made = made.given(redrive("a"))
    assert made.state.on_decided == "continue", "one of the two is not enough: decided at once"
    made = made.given(start("a"), finish("a", attempt=2), redrive())
    assert of_type(made.facts, Redriven)[-1].on_decided == "drain"


def test_a_parent_of_the_same_content_is_still_the_same_and_another_is_told_by_what_was_asked() -> None:
    made = parent(*"ab", on_decided="drain").given(start("a"), finish("a", "failed"), skip(), redrive("a"))
    assert made.when(create(on_decided="drain")) == []
    with pytest.raises(ValueError, match=r"\(the children differ\)"):
        made.when(create(on_decided="drain", content="other"))
    with pytest.raises(ValueError, match=r"\(max_workers differs\)"):
        made.when(create(on_decided="drain", max_workers=3, content="other"))


def test_a_redrive_that_was_cut_short_on_record_is_taken_over() -> None:
    made = parent(*"ab").given(cancel(), skip())
    facts = made.when(redrive())
    cut = fold(facts[:1], made.state)
    assert names(decide(cut, take())) == ["OwnershipTaken", "ParentDecided", "ParentSettled"]


def test_failures_and_first_starts_count_anew() -> None:
    limits = ChildLimits(max_attempts=2, total_timeout_seconds=5.0, queue_timeout_seconds=5.0)
    made = parent(spec("a", limits)).given(start("a"), finish("a", "failed"), start("a"), finish("a", "failed", 2))
    child = made.given(redrive()).state.children["a"]
    assert (child.phase, child.attempts, child.failures, child.first_at, child.since) == ("waiting", 2, 0, 0, AT)
