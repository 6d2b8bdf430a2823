"""What each fact changes in a state, and what a frontier makes of it."""

from __future__ import annotations

import pytest

from events.catalogue import TYPES
from events.decide import decide
from events.evolve import INITIAL, evolve, fold
from events.facts import ChildFinished, ChildLimits
from events.frontier import frontier, startable
from events.state import ChildState, Decision, ParentState, Running, outcome_of
from events.strategy import ALL, ANY, OUTCOMES, Strategy, Tally, calculate_status
from tests.events.scenario import (
    AT,
    SECOND,
    Given,
    cancel,
    cancel_child,
    change,
    close,
    create,
    finish,
    give_up,
    late,
    lose,
    names,
    parent,
    pass_deadline,
    pause,
    prepare,
    progress,
    redact,
    redrive,
    release,
    respond,
    resume,
    skip,
    spec,
    start,
    take,
)

THRICE = ChildLimits(max_attempts=3, initial_seconds=10)


def queue(state: ParentState) -> tuple[list[tuple[str, int]], int]:
    return list(state.requeued.items()), state.requeued_count


# Facts


def test_every_fact_is_one_version() -> None:
    made = (
        Given()
        .given(create(timeout_seconds=9.0), prepare(spec("a", THRICE), *"bcd"), release(), close(), take(), start("a"))
        .given(finish("a", "failed"), start("b"), lose("b"), start("b"), finish("b", attempt=2))
        .given(give_up(), take(), cancel(), skip())
    )
    overdue = parent("a", timeout_seconds=9.0).given(pass_deadline())
    again = (
        parent(*"abc", strategy=ANY)
        .given(pause(), resume(), change(max_workers=4), start("a"), progress("a"), cancel_child("a"))
        .given(finish("a", "failed"), late("a"), start("b"), finish("b", "failed"), cancel_child("c"), redrive())
    )
    destroyed = parent("a").given(start("a"), finish("a"), redact())
    for given in (made, overdue, again, destroyed):
        state = INITIAL
        for version, fact in enumerate(given.facts, 1):
            state = evolve(state, fact)
            assert state.version == version, type(fact).__name__
    found = {name for given in (made, overdue, again, destroyed) for name in names(given.facts)}
    assert found == set(TYPES), "every kind was among them"


def test_a_parent_is_what_was_asked_for() -> None:
    command = create(ANY, max_workers=7, on_decided="drain", timeout_seconds=2.5).model_copy(update={"metadata": "{}"})
    state = Given().given(command).state
    assert (state.strategy, state.max_workers, state.on_decided, state.content) == (ANY, 7, "drain", "content")
    assert (state.timeout_seconds, state.metadata, state.created_at) == (2.5, "{}", AT)
    assert (state.owner, state.epoch, state.membership_closed, state.decision) == (None, 0, False, None)


def test_a_child_goes_its_way() -> None:
    made = parent("z", spec("a", THRICE)).given(take(), start("a", at=AT + 1))
    prepared = made.state.children["a"].prepared
    assert made.state.children["a"] == ChildState(1, "running", prepared, 1, 0)
    assert made.state.running["a"] == Running(1, "w", AT + 1)
    assert (made.state.started_at, made.state.running_count) == (AT + 1, 1)
    made = made.given(finish("a", "failed", at=AT + 2))
    assert made.state.children["a"] == ChildState(1, "waiting", prepared, 1, 1, again=1)
    assert queue(made.state) == ([("a", AT + 2 + 10 * SECOND)], 1)
    made = made.given(start("a", at=AT + 11 * SECOND), lose("a", 2))
    assert made.state.children["a"] == ChildState(1, "waiting", prepared, 2, 1, again=1)
    assert queue(made.state) == ([("a", 0)], 1)
    made = made.given(start("a", at=AT + 12 * SECOND))
    assert queue(made.state) == ([], 0)
    assert made.state.started_at == AT + 1, "the first start counts"
    made = made.given(finish("a", attempt=3))
    assert made.state.children["a"] == ChildState(1, "succeeded", None, 3, 1, again=1)
    assert (made.state.running_count, list(made.state.running.items()), made.state.succeeded) == (0, [], 1)


def test_a_child_that_waits_for_another_attempt_leaves_the_queue_when_it_ends() -> None:
    made = parent(*"abc").given(start("a"), start("b"), lose("a"), lose("b"), cancel())
    assert queue(made.state) == ([("a", 0), ("b", 0)], 2)
    made = made.given(skip(1))
    assert queue(made.state) == ([("b", 0)], 1)
    assert queue(made.given(skip()).state) == ([], 0)


@pytest.mark.parametrize(
    ("order", "places"),
    [
        ("cbaed", [(0, 1), (0, 2), (3, 0), (3, 1), (5, 0)]),
        ("cadbe", [(0, 1), (1, 1), (1, 2), (4, 0), (5, 0)]),
        ("abcde", [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)]),
    ],
)
def test_children_that_start_out_of_order_are_counted_until_their_turn_has_come(
    order: str, places: list[tuple[int, int]]
) -> None:
    made = parent(*"abcde")
    for child_id, place in zip(order, places, strict=True):
        made = made.given(start(child_id))
        assert (made.state.next_index, made.state.ahead) == place
        assert sorted(startable(made.state, AT)) == sorted(set("abcde") - set(made.state.running))


def test_a_child_that_ended_without_a_start_is_touched() -> None:
    made = parent(*"abc", strategy=ANY, on_decided="drain").given(start("a"), finish("a"), respond("c"))
    assert not made.state.children["c"].untouched
    assert made.state.children["b"].untouched
    assert [fact.child_id for fact in made.when(skip()) if isinstance(fact, ChildFinished)] == ["b"]


def test_a_decision_says_what_why_and_through_whom() -> None:
    made = parent(*"ab", strategy=ANY).given(start("b"), finish("b", at=AT + 5))
    assert made.state.decision == Decision("succeeded", "1 of 2 succeeded, 1 required", "b")
    assert made.state.decided_at == AT + 5
    assert not made.state.settled
    assert made.given(skip()).state.settled_at == AT


@pytest.mark.parametrize("phase", [*OUTCOMES, "prepared", "waiting", "running"])
def test_only_outcomes_are_outcomes(phase: str) -> None:
    assert outcome_of(phase) == (phase if phase in OUTCOMES else None)  # type: ignore[arg-type]


# Decisions


def test_a_decision_stands_whatever_the_counts_say_later() -> None:
    hasty = Strategy(kind="threshold", count=2, max_failures_percent=50.0, min_finished=1)
    made = parent(*"abc", strategy=hasty, on_decided="continue").given(start("a"), finish("a", "failed"))
    assert made.state.status == "failed"
    made = made.given(start("b"), finish("b"), start("c"), finish("c"))
    assert made.state.status == "failed"
    undecided = made.state.tally._replace(decided=None)
    assert calculate_status(hasty, undecided) == "succeeded", "as the counts alone would have it"
    assert calculate_status(hasty, undecided._replace(decided="cancelled")) == "cancelled"


def test_all_fails_at_its_first_failure_even_while_children_may_be_added() -> None:
    one_failed = Tally(total=3, succeeded=0, failed=1, started=True, open_membership=True)
    assert calculate_status(ALL, one_failed) == "failed"
    assert calculate_status(ANY, one_failed._replace(failed=3)) == "running"
    assert calculate_status(Strategy(kind="threshold", count=3), one_failed) == "running"
    assert calculate_status(Strategy(kind="threshold", percent=100.0), one_failed) == "running"


@pytest.mark.parametrize(
    ("limit", "failed", "ended", "status"),
    [
        ({"max_failures_percent": 25.0}, 1, 1, "running"),
        ({"max_failures_percent": 25.0}, 2, 2, "failed"),
        ({"max_failures_percent": 25.0, "min_finished": 3}, 2, 2, "running"),
        ({"max_failures_percent": 50.0, "min_finished": 2}, 1, 2, "running"),
        ({"max_failures_percent": 49.9, "min_finished": 2}, 1, 2, "failed"),
        ({"max_failures": 1}, 1, 1, "running"),
        ({"max_failures": 1}, 2, 2, "failed"),
    ],
)
def test_more_failures_than_allowed_fail_the_parent(
    limit: dict[str, float], failed: int, ended: int, status: str
) -> None:
    strategy = Strategy(kind="threshold", count=2, **limit)  # type: ignore[arg-type]
    tally = Tally(total=4, succeeded=ended - failed, failed=failed, started=True)
    assert calculate_status(strategy, tally) == status


def test_failures_are_counted_apart_from_successes_in_what_is_said() -> None:
    made = parent(*"abcd").given(start("a"), finish("a"), start("b"), finish("b"), start("c"))
    made = made.given(finish("c", "failed"))
    assert made.state.decision is not None
    assert made.state.decision.why == "1 of 4 ended without success, 4 successes required"


@pytest.mark.parametrize(("asked", "name"), [(cancel(), "CancelRequested"), (pass_deadline(), "DeadlinePassed")])
def test_a_request_whose_decision_is_missing_on_record_is_not_made_again(asked: object, name: str) -> None:
    """A record may be cut short between the two; whoever takes the parent over decides."""
    made = parent("a", timeout_seconds=9.0)
    first = decide(made.state, asked)[0]  # type: ignore[arg-type]
    assert type(first).__name__ == name
    cut = fold([first], made.state)
    assert decide(cut, asked) == []  # type: ignore[arg-type]
    assert names(decide(cut, take()))[:2] == ["OwnershipTaken", "ParentDecided"]


def test_no_more_children_are_given_up_at_once_than_was_asked() -> None:
    made = parent(*"abcdef").given(start("a"), start("b"), lose("a"), lose("b"), cancel())
    outcomes = []
    while not made.state.settled:
        facts = [fact for fact in made.when(skip(3)) if isinstance(fact, ChildFinished)]
        outcomes.append([(fact.child_id, fact.outcome, fact.attempt) for fact in facts])
        made = made.given(skip(3))
    assert outcomes == [
        [("a", "cancelled", 1), ("b", "cancelled", 1), ("c", "skipped", 0)],
        [("d", "skipped", 0), ("e", "skipped", 0), ("f", "skipped", 0)],
    ]


# Frontiers


def test_who_may_start_comes_in_order_and_what_is_to_run_again_comes_first() -> None:
    made = parent(spec("a", THRICE), *"bcde", max_workers=9)
    assert list(startable(made.state, AT)) == list("abcde")
    made = made.given(start("a"), start("c"), lose("c"), start("d"))
    assert list(startable(made.state, AT)) == list("cbe")
    made = made.given(finish("a", "failed"))
    assert list(startable(made.state, AT + 10 * SECOND - 1)) == list("cbe")
    assert sorted(startable(made.state, AT + 10 * SECOND)) == list("abce")


def test_prepared_children_may_not_start() -> None:
    made = Given().given(create(), prepare(*"ab"), release(), prepare("c"))
    assert list(startable(made.state, AT)) == ["a", "b"]
    assert frontier(made.state).wanted == 2


def test_slots_are_wanted_for_what_runs_and_what_may_start() -> None:
    made = parent(*"abcde", max_workers=4)
    assert frontier(made.state).wanted == 4
    made = parent(*"abcde", max_workers=9).given(start("d"), start("b"))
    assert frontier(made.state).wanted == 5, "two run, three may start"
    made = made.given(finish("d"), finish("b"))
    assert frontier(made.state).wanted == 3
    assert frontier(parent(*"abcde", max_workers=9).given(start("a"), finish("a"), start("b")).state).wanted == 4


def test_a_retry_wants_no_slot_before_it_is_due() -> None:
    made = parent(spec("a", THRICE), spec("b", THRICE), "c", max_workers=9)
    made = made.given(start("a"), finish("a", "failed"), start("b"), finish("b", "failed", at=AT + SECOND))
    assert frontier(made.state).wanted == 3
    assert [frontier(made.state, due).wanted for due in range(4)] == [1, 2, 3, 3]
    assert list(startable(made.state, AT, ["b"])) == ["b", "c"]
    assert list(startable(made.state, AT, ["b", "c", "x", "a"])) == ["b", "a", "c"]
    assert list(startable(made.state, AT + 10 * SECOND)) == ["a", "c"]


def test_nothing_starts_any_more_where_the_parent_is_decided() -> None:
    made = parent(spec("a", THRICE), "b").given(start("a"), finish("a", "failed"), cancel())
    assert list(startable(made.state, AT + 99 * SECOND)) == []
    assert list(startable(made.state, AT + 99 * SECOND, ["a"])) == []


def test_a_decided_parent_wants_what_runs_stopped_and_the_others_given_up() -> None:
    made = parent(*"abc", strategy=ANY).given(start("a"), start("b"), finish("a"))
    assert frontier(made.state) == (True, True, 1)
    made = made.given(skip())
    assert frontier(made.state) == (True, False, 1)
    made = made.given(finish("b", "cancelled"))
    assert frontier(made.state) == (False, False, 0)
    drained = parent(*"abc", strategy=ANY, on_decided="drain").given(start("a"), start("b"), finish("a"))
    assert frontier(drained.state) == (False, True, 1)
    for ending in (cancel(), pass_deadline()):
        ended = parent(*"ab", on_decided="drain", timeout_seconds=9.0).given(start("a"), ending)
        assert frontier(ended.state) == (True, True, 1)
    going_on = parent(*"abc", strategy=ANY, on_decided="continue").given(start("a"), finish("a"))
    assert frontier(going_on.state) == (False, False, 2)
