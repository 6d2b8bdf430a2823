"""The checks of a record know a child's limits: how long it may wait for a retry, take in all, and of which errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from events.errors import InvariantBrokenError
from events.facts import AttemptLost, ChildFinished, ChildLimits, ChildRetryScheduled, ChildStarted, Fact
from events.invariants import HistoryCheck, check_history
from tests.events.scenario import AT, SECOND, cancel_child, finish, lose, parent, spec, start, take

TOTAL: Final = ChildLimits(max_attempts=9, total_timeout_seconds=5.0)
PICKY: Final = ChildLimits(max_attempts=3, retry_on=("OSError",))
FLAT: Final = ChildLimits(max_attempts=3, initial_seconds=2.0, backoff=1.0)


def again(wait_us: int = 0, error: str = "{}") -> ChildRetryScheduled:
    return ChildRetryScheduled(at=AT, child_id="a", attempt=1, error=error, not_before=AT + wait_us)


def begun(limits: ChildLimits) -> Sequence[Fact]:
    return parent(spec("a", limits)).given(start("a")).facts


def started(attempt: int, at: int) -> ChildStarted:
    return ChildStarted(at=at, child_id="a", attempt=attempt, worker="w")


def lost(attempt: int) -> AttemptLost:
    return AttemptLost(at=AT, child_id="a", attempt=attempt, reason="killed")


def broken_by(facts: Sequence[Fact], fact: Fact) -> str:
    check = HistoryCheck()
    for good in facts:
        check.take(good)
    with pytest.raises(InvariantBrokenError) as caught:
        check.take(fact)
    return caught.value.invariant


@pytest.mark.parametrize(
    "limits",
    [
        ChildLimits(max_attempts=4),
        ChildLimits(max_attempts=4, initial_seconds=1.0),
        ChildLimits(max_attempts=4, initial_seconds=1.0, backoff=3.0),
        ChildLimits(max_attempts=4, initial_seconds=1.0, backoff=1e200),
        ChildLimits(max_attempts=4, initial_seconds=1.0, backoff=1e200, max_seconds=7.0),
        ChildLimits(max_attempts=4, backoff=1e200),
        ChildLimits(max_attempts=4, initial_seconds=1.0, jitter=1.0),
    ],
)
def test_the_waits_that_the_core_works_out_are_those_that_the_limits_say(limits: ChildLimits) -> None:
    made = parent(spec("a", limits), seed=5)
    for attempt in range(1, 5):
        made = made.given(start("a", at=2**62), finish("a", "failed", attempt))
    check_history(made.facts)


@pytest.mark.parametrize("wait_us", [2 * SECOND - 1, 2 * SECOND, 2 * SECOND + 1])
def test_a_wait_may_be_a_microsecond_off(wait_us: int) -> None:
    check_history([*begun(FLAT), again(wait_us)])


@pytest.mark.parametrize("wait_us", [0, SECOND, 2 * SECOND - 2, 2 * SECOND + 2])
def test_a_wait_may_not_be_two_microseconds_off(wait_us: int) -> None:
    assert broken_by(begun(FLAT), again(wait_us)) == "backoff-is-kept"


def test_no_wait_may_be_a_microsecond_off_as_well() -> None:
    check_history([*begun(ChildLimits(max_attempts=2)), again(1)])
    assert broken_by(begun(ChildLimits(max_attempts=2)), again(2)) == "backoff-is-kept"


def test_the_whole_time_counts_from_the_first_start() -> None:
    facts = (*begun(TOTAL), lost(1), started(2, AT + 3 * SECOND), lost(2))
    check_history([*facts, started(3, AT + 5 * SECOND - 1)])
    assert broken_by(facts, started(3, AT + 5 * SECOND)) == "total-time-is-kept"


@pytest.mark.parametrize("first_at", [0, -1])
def test_a_start_before_there_was_time_says_nothing_about_the_whole_time(first_at: int) -> None:
    check_history([*parent(spec("a", TOTAL)).facts, started(1, first_at), lost(1), started(2, AT)])


def test_the_first_moment_that_there_is_does() -> None:
    facts = (*parent(spec("a", TOTAL)).facts, started(1, 1), lost(1))
    check_history([*facts, started(2, 5 * SECOND)])
    assert broken_by(facts, started(2, 5 * SECOND + 1)) == "total-time-is-kept"


@pytest.mark.parametrize("error", ["[" * 100_000, '{"type":[1],"bases":[{}]}', '{"bases":7}', "[1]"], ids=len)
def test_an_error_of_which_nobody_can_tell_the_type_is_of_none(error: str) -> None:
    assert broken_by(begun(PICKY), again(error=error)) == "retry-is-allowed"


def test_a_child_that_was_asked_to_stop_and_is_lost_ends_cancelled() -> None:
    check_history(parent("a", "b").given(take(), start("a"), cancel_child("a"), lose("a")).facts)


def over(kind: str, attempt: int = 0) -> ChildFinished:
    error = f'{{"type":"{kind}"}}'
    return ChildFinished(at=AT + 5 * SECOND, child_id="a", attempt=attempt, outcome="timed_out", error=error)


def test_a_child_whose_whole_time_is_over_ends_where_it_waits() -> None:
    facts = (*begun(TOTAL), lost(1))
    check_history([*facts, over("TotalTimedOut", 1)], cut_anywhere=True)
    check_history(parent(spec("a", TOTAL)).given(start("a"), lose("a"), start("a", at=AT + 5 * SECOND)).facts)


def test_a_child_without_such_a_clock_does_not() -> None:
    assert broken_by((*begun(FLAT), lost(1)), over("TotalTimedOut", 1)) == "clock-given"


def test_a_child_that_was_not_created_does_not_wait() -> None:
    asked = ChildLimits(queue_timeout_seconds=5.0)
    assert broken_by(parent(spec("a", asked), still_open=True).facts[:2], over("QueueTimedOut")) == "ends-at-rest"
