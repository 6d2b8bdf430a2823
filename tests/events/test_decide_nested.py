"""Children that are parents themselves: they take a place of their parent, and no slot."""

from __future__ import annotations

from events.commands import StartChild
from events.facts import ChildStarted
from events.frontier import frontier, startable
from events.invariants import check_history
from events.state import NESTED_TASK, NESTED_WORKER
from events.strategy import ANY
from tests.events.scenario import (
    AT,
    cancel_child,
    finish,
    give_up,
    lose,
    names,
    of_type,
    parent,
    redrive,
    respond,
    skip,
    spec,
    start,
    take,
)

INNER = spec("n", task=NESTED_TASK)


def begin(child_id: str = "n") -> StartChild:
    return StartChild(at=AT, child_id=child_id, worker=NESTED_WORKER)


def test_what_takes_no_slot_is_not_wanted_but_has_a_place() -> None:
    made = parent(INNER, "a", "b", max_workers=2)
    assert frontier(made.state).wanted == 2
    made = made.given(begin())
    assert (made.state.running_count, made.state.leaves_running, frontier(made.state).wanted) == (1, 0, 1)
    made = made.given(start("a"))
    assert (frontier(made.state).wanted, made.when(start("b"))) == (1, [])
    assert list(startable(made.state, AT)) == ["b"]


def test_one_that_waits_again_is_counted_where_it_waits() -> None:
    made = parent(INNER, "a").given(begin(), lose("n"))
    assert (made.state.nested_requeued, made.state.nested_running, frontier(made.state).wanted) == (1, 0, 1)
    made = made.given(begin())
    assert (made.state.nested_requeued, made.state.nested_running) == (0, 1)
    made = made.given(finish("n", attempt=2))
    assert (made.state.nested_running, made.state.running_count) == (0, 0)


def test_one_that_never_started_is_counted_through_a_redrive() -> None:
    made = parent("a", INNER, strategy=ANY).given(start("a"), finish("a", "failed"))
    assert made.state.nested_untouched == 1
    skipped = parent("a", INNER, strategy=ANY).given(start("a"), finish("a"), skip())
    assert skipped.state.nested_untouched == 0
    again = skipped.given(redrive())
    assert (again.state.nested_requeued, frontier(again.state).wanted) == (1, 0)
    check_history(again.given(begin(), finish("n")).facts)


def test_it_goes_on_whoever_owns_its_parent() -> None:
    made = parent(INNER, "a").given(take("ann"), begin(), start("a"))
    assert names(made.when(take("bob"))) == ["OwnershipTaken", "AttemptLost"]
    assert names(made.when(give_up("ann"))) == ["AttemptLost", "OwnershipReleased"]
    taken = made.given(take("bob"))
    assert taken.state.running["n"].attempt == 1
    check_history(taken.given(finish("n")).facts)


def test_one_that_was_asked_to_stop_runs_on_under_the_next_owner() -> None:
    asked = parent(INNER, "a").given(take("ann"), begin(), cancel_child("n"))
    assert names(asked.when(take("bob"))) == ["OwnershipTaken"]
    taken = asked.given(take("bob"))
    assert (taken.state.children["n"].phase, "n" in taken.state.asked_to_stop) == ("running", True)
    check_history(taken.given(finish("n", "cancelled")).facts)


def test_an_engine_may_report_for_one_where_nobody_owns_its_parent() -> None:
    made = parent(INNER, "a").given(respond("n"))
    assert [fact.worker for fact in of_type(made.facts, ChildStarted)] == ["engine"]
    check_history(made.facts)
