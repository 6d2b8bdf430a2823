"""What each fact leaves in a state, field by field, with times and values of their own, so that none is mixed up."""

from __future__ import annotations

from typing import Any, Final

import pytest

from events.evolve import INITIAL, evolve, fold
from events.facts import (
    AttemptEndedLate,
    AttemptLost,
    ChildCancelRequested,
    ChildCreated,
    ChildFinished,
    ChildLimits,
    ChildPrepared,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    LimitsChanged,
    ParentCreated,
    Paused,
    Redriven,
    Resumed,
    Within,
)
from events.state import NESTED_TASK, NESTED_WORKER, ChildState, ChildWork, ParentState
from events.strategy import ALL, ANY, Outcome

PLAIN: Final = ParentCreated(at=10, strategy=ALL, max_workers=2, on_decided="drain", content="c")
WITHIN: Final = Within(parent_id="p", child_id="n", depth=2)
CLOCKS: Final = ChildLimits(queue_timeout_seconds=5.0, total_timeout_seconds=9.0)
QUEUE: Final = ChildLimits(queue_timeout_seconds=5.0)
TOTAL: Final = ChildLimits(total_timeout_seconds=9.0)
ONE: Final = "one"
NONE: Final = ChildLimits(max_attempts=2)


def prepared(child_id: str, index: int, limits: ChildLimits | None = None, task: str = "work") -> ChildPrepared:
    return ChildPrepared(at=11, child_id=child_id, index=index, task=task, input="null", limits=limits)


def work(limits: ChildLimits | None = None, task: str = "work") -> ChildWork:
    return ChildWork(task, "null", limits)


def created(child_id: str, at: int = 12) -> ChildCreated:
    return ChildCreated(at=at, child_id=child_id)


def started(child_id: str, attempt: int = 1, at: int = 20, worker: str = "w") -> ChildStarted:
    return ChildStarted(at=at, child_id=child_id, attempt=attempt, worker=worker)


def again(child_id: str, attempt: int = 1, at: int = 30, not_before: int = 35) -> ChildRetryScheduled:
    return ChildRetryScheduled(at=at, child_id=child_id, attempt=attempt, error="{}", not_before=not_before)


def lost(child_id: str, attempt: int = 1, at: int = 30, signal: str | None = None) -> AttemptLost:
    return AttemptLost(at=at, child_id=child_id, attempt=attempt, reason="r", signal=signal)


def ended(child_id: str, outcome: Outcome = "failed", attempt: int = 1, at: int = 40) -> ChildFinished:
    return ChildFinished(at=at, child_id=child_id, attempt=attempt, outcome=outcome)


def of(limits: ChildLimits | None = None, task: str = "work") -> ParentState:
    """Return a parent of one child `a` that was created, and another one that was prepared."""
    return fold([PLAIN, prepared("a", 0, limits, task), prepared("b", 1), created("a")])


def test_a_parent_has_all_that_it_was_made_with() -> None:
    fact = PLAIN.model_copy(
        update={
            "timeout_seconds": 1.5,
            "metadata": "{}",
            "retry_budget": 4,
            "seed": 5,
            "weight": 6,
            "priority": 7,
            "within": WITHIN,
        }
    )
    state = evolve(INITIAL, fact)
    assert (state.timeout_seconds, state.metadata, state.retry_budget) == (1.5, "{}", 4)
    assert (state.seed, state.weight, state.priority, state.within) == (5, 6, 7, WITHIN)
    assert (state.origin, state.created_at, state.deadline_from) == (fact, 10, 10)


def test_what_a_parent_was_not_given_it_has_as_usual() -> None:
    state = evolve(INITIAL.replace(weight=3, priority=3, seed=3), PLAIN)
    assert (state.seed, state.weight, state.priority, state.within, state.retry_budget) == (0, 1, 0, None, None)


@pytest.mark.parametrize(("limits", "timed"), [(None, False), (NONE, False), (QUEUE, True), (TOTAL, True)])
def test_a_parent_is_timed_once_a_child_is(limits: ChildLimits | None, *, timed: bool) -> None:
    state = fold([PLAIN, prepared("a", 0, limits)])
    assert state.timed is timed
    assert evolve(state, prepared("b", 1)).timed is timed
    assert fold([PLAIN, prepared("a", 0), prepared("b", 1, limits)]).timed is timed, "made known together"


@pytest.mark.parametrize(("limits", "since"), [(None, 0), (NONE, 0), (TOTAL, 0), (QUEUE, 12), (CLOCKS, 12)])
def test_a_child_waits_from_its_creation_where_that_is_measured(limits: ChildLimits | None, since: int) -> None:
    state = of(limits)
    assert state.children["a"] == ChildState(0, "waiting", work(limits), since=since)
    assert (state.created, state.total, state.children["b"].phase) == (1, 2, "prepared")


@pytest.mark.parametrize(
    ("limits", "first_at", "since"), [(None, 0, 0), (NONE, 0, 0), (QUEUE, 0, 12), (TOTAL, 20, 0), (CLOCKS, 20, 12)]
)
def test_a_child_has_the_time_of_its_first_start_where_that_is_measured(
    limits: ChildLimits | None, first_at: int, since: int
) -> None:
    state = of(limits)
    assert state.children["a"].since == since
    state = evolve(state, started("a"))
    asked = work(limits)
    assert state.children["a"] == ChildState(0, "running", asked, 1, first_at=first_at)
    state = fold([lost("a"), started("a", 2, at=50)], state)
    assert state.children["a"] == ChildState(0, "running", asked, 2, first_at=first_at)
    assert state.started_at == 20


@pytest.mark.parametrize(("limits", "retried", "lost_since"), [(NONE, 0, 0), (QUEUE, 35, 31)])
def test_a_child_waits_again_from_when_it_may_start(limits: ChildLimits, retried: int, lost_since: int) -> None:
    running = evolve(of(limits), started("a"))
    state = evolve(running, again("a"))
    assert state.children["a"] == ChildState(0, "waiting", work(limits), 1, 1, again=1, since=retried)
    assert (state.retries, list(state.requeued.items()), state.running_count) == (1, [("a", 35)], 0)
    state = evolve(running, lost("a", at=31))
    assert state.children["a"] == ChildState(0, "waiting", work(limits), 1, since=lost_since)
    assert (state.retries, list(state.requeued.items()), state.requeued_count) == (0, [("a", 0)], 1)


@pytest.mark.parametrize("limits", [None, NONE])
def test_crashes_failures_and_returns_are_counted_through_starts_and_the_end(limits: ChildLimits | None) -> None:
    asked = work(limits)
    state = fold([started("a"), lost("a", signal="SIGKILL"), started("a", 2)], of(limits))
    assert state.children["a"] == ChildState(0, "running", asked, 2, crashes=1)
    state = fold([again("a", 2), started("a", 3), lost("a", 3), started("a", 4)], state)
    assert state.children["a"] == ChildState(0, "running", asked, 4, 1, 1, 1)
    state = evolve(state, ended("a", attempt=4))
    assert state.children["a"] == ChildState(0, "failed", asked, 4, 1, 1, 1)


@pytest.mark.parametrize(("how", "crashes"), [({}, 0), ({"signal": "SIGKILL"}, 1), ({"exit_code": 0}, 1)])
def test_a_loss_is_a_crash_where_it_says_how_the_worker_died(how: dict[str, Any], crashes: int) -> None:
    state = fold([started("a"), lost("a").model_copy(update=how)], of())
    assert state.children["a"].crashes == crashes


def test_children_that_are_parents_are_counted_where_they_are() -> None:
    def counted(state: ParentState) -> tuple[int, int, int]:
        return state.nested_untouched, state.nested_running, state.nested_requeued

    state = of(task=NESTED_TASK)
    assert counted(state) == (1, 0, 0)
    running = evolve(state, started("a", worker=NESTED_WORKER))
    assert counted(running) == (0, 1, 0)
    waiting = evolve(running, again("a"))
    assert counted(waiting) == (0, 0, 1)
    assert counted(evolve(waiting, started("a", 2, worker=NESTED_WORKER))) == (0, 1, 0)
    assert counted(evolve(waiting, ended("a"))) == (0, 0, 0)
    assert counted(evolve(running, ended("a"))) == (0, 0, 0)
    skipped = evolve(state, ended("a", "skipped", 0))
    assert counted(skipped) == (0, 0, 0)
    assert counted(evolve(skipped, ChildRedriven(at=60, child_id="a"))) == (0, 0, 1)


def test_two_children_that_are_parents_are_two() -> None:
    both = [prepared(name, index, task=NESTED_TASK) for index, name in enumerate("ab")]
    state = fold([PLAIN, *both, created("a"), created("b")])
    assert state.nested_untouched == 2
    state = fold([started("a"), started("b")], state)
    assert (state.nested_untouched, state.nested_running) == (0, 2)
    state = fold([lost("a"), lost("b")], state)
    assert (state.nested_running, state.nested_requeued) == (0, 2)
    state = fold([ended("a"), ended("b")], state)
    assert state.nested_requeued == 0
    state = fold([ChildRedriven(at=60, child_id=name) for name in "ab"], state)
    assert state.nested_requeued == 2


def test_a_child_that_was_only_prepared_is_not_counted_as_one_that_may_start() -> None:
    state = fold([PLAIN, prepared("a", 0, task=NESTED_TASK), ended("a", "skipped", 0)])
    assert (state.nested_untouched, state.created, state.next_index, state.skipped) == (0, 1, 1, 1)


def test_who_was_asked_to_stop_is_known_with_the_reason_until_the_end() -> None:
    asked = [ChildCancelRequested(at=25, child_id=name, reason=f"not {name}") for name in "ab"]
    state = fold([created("b"), started("a"), started("b"), *asked], of())
    assert list(state.asked_to_stop.items()) == [("a", "not a"), ("b", "not b")]
    assert state.children["a"].phase == "running"
    state = evolve(state, ended("a", "cancelled"))
    assert list(state.asked_to_stop.items()) == [("b", "not b")]


def test_late_ends_are_known_by_child_and_attempt_with_their_time() -> None:
    late = [AttemptEndedLate(at=50 + number, child_id="a", attempt=number, outcome="failed") for number in (1, 2)]
    state = fold([started("a"), lost("a"), started("a", 2), lost("a", 2), *late], of())
    assert list(state.late.items()) == [(("a", 1), 51), (("a", 2), 52)]


def test_a_parent_is_paused_and_resumed_at_a_time() -> None:
    paused = evolve(of(), Paused(at=50, reason="r"))
    assert (paused.paused, paused.resumed_at) == (True, 0)
    resumed = evolve(paused, Resumed(at=55))
    assert (resumed.paused, resumed.resumed_at) == (False, 55)


def test_what_is_changed_is_changed_and_nothing_else() -> None:
    state = of()
    state = evolve(state, LimitsChanged(at=50, max_workers=5))
    assert (state.max_workers, state.strategy, state.weight, state.priority) == (5, ALL, 1, 0)
    state = evolve(state, LimitsChanged(at=50, strategy=ANY, weight=6))
    assert (state.max_workers, state.strategy, state.weight, state.priority) == (5, ANY, 6, 0)
    state = evolve(state, LimitsChanged(at=50, priority=-7))
    assert (state.max_workers, state.strategy, state.weight, state.priority) == (5, ANY, 6, -7)
    assert state.origin == PLAIN


def test_a_redrive_begins_another_life() -> None:
    before = of().replace(
        paused=True, retries=3, cancel_requested=True, deadline_passed=True, decided_at=41, settled_at=42, redrives=1
    )
    state = evolve(before, Redriven(at=60, reason="r", on_decided="continue", token=ONE))
    assert (state.paused, state.retries, state.cancel_requested, state.deadline_passed) == (False, 0, False, False)
    assert (state.decision, state.decided_at, state.settled_at) == (None, None, None)
    assert (state.on_decided, state.redrives, state.redrive_token, state.deadline_from) == ("continue", 2, ONE, 60)
    assert (state.version, state.redriving_at, state.created_at) == (5, 5, 10)
    again_without = evolve(state, Redriven(at=70, reason="r", on_decided="drain"))
    assert (again_without.redrive_token, again_without.redrives) == (ONE, 3)


@pytest.mark.parametrize(("limits", "since"), [(None, 0), (TOTAL, 0), (QUEUE, 60)])
def test_a_redriven_child_waits_as_if_nothing_had_been_but_its_attempts(limits: ChildLimits | None, since: int) -> None:
    life = [started("a"), lost("a", signal="SIGKILL"), started("a", 2), again("a", 2), started("a", 3)]
    over = fold([*life, ended("a", "timed_out", 3)], of(limits))
    assert (over.timed_out, over.ended) == (1, 1)
    state = evolve(over, ChildRedriven(at=60, child_id="a"))
    assert state.children["a"] == ChildState(0, "waiting", work(limits), 3, again=2, since=since)
    assert (state.timed_out, state.ended, state.version, state.redriving_at) == (0, 0, over.version + 1, state.version)
    assert (list(state.requeued.items()), state.requeued_count) == ([("a", 0)], 1)
