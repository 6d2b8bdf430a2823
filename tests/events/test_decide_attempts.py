"""Attempts: started within the limit, ended once, run again as the child's limits say, lost without being blamed."""

from __future__ import annotations

import pytest

from events.commands import FinishAttempt, LoseAttempt
from events.facts import AttemptLost, ChildFinished, ChildLimits, ChildRetryScheduled, ChildStarted, ParentDecided
from events.strategy import ALL, ANY, OUTCOMES, Outcome, Strategy
from tests.events.scenario import (
    AT,
    SECOND,
    Given,
    cancel,
    create,
    finish,
    lose,
    names,
    parent,
    prepare,
    spec,
    start,
)

THRICE = ChildLimits(max_attempts=3)
YEAR = 365 * 86_400 * SECOND


# StartChild


def test_a_start_is_on_record_with_its_attempt_and_worker() -> None:
    assert parent("a").when(start("a")) == [ChildStarted(at=AT, child_id="a", attempt=1, worker="w")]


def test_a_start_that_comes_too_early_twice_or_for_nobody_is_quiet() -> None:
    prepared = Given().given(create(), prepare("a"))
    assert prepared.when(start("a")) == []
    assert parent("a").when(start("b")) == []
    assert parent("a").given(start("a")).when(start("a")) == []
    assert parent("a", "b").given(start("a"), finish("a")).when(start("a")) == []


def test_max_workers_is_never_exceeded() -> None:
    made = parent(*"abcd", max_workers=2).given(start("c"), start("a"))
    assert made.when(start("b")) == []
    assert made.given(finish("c")).when(start("b")) == [ChildStarted(at=AT, child_id="b", attempt=1, worker="w")]
    assert made.given(finish("c"), start("b")).when(start("d")) == []


def test_children_start_while_others_may_still_be_added() -> None:
    made = parent("a", still_open=True)
    assert names(made.when(start("a"))) == ["ChildStarted"]
    assert made.given(prepare("b")).when(start("b")) == []


@pytest.mark.parametrize(("on_decided", "starts"), [("cancel", 0), ("drain", 0), ("continue", 1)])
def test_what_starts_once_decided(on_decided: str, starts: int) -> None:
    made = parent(*"ab", strategy=ANY, on_decided=on_decided)  # type: ignore[arg-type]
    assert len(made.given(start("a"), finish("a")).when(start("b"))) == starts


def test_a_cancelled_parent_starts_nothing_even_if_it_would_have_continued() -> None:
    assert parent(*"ab", on_decided="continue").given(cancel()).when(start("a")) == []


# FinishAttempt


@pytest.mark.parametrize("outcome", [outcome for outcome in OUTCOMES if outcome != "skipped"])
def test_an_attempt_ends_once_with_its_output_or_error(outcome: Outcome) -> None:
    made = parent(*"ab").given(start("a"))
    ending = finish("a", outcome)
    expected = ChildFinished(at=AT, child_id="a", attempt=1, outcome=outcome, output=ending.output, error=ending.error)
    assert made.when(ending)[0] == expected
    for late in OUTCOMES:
        assert made.given(ending).when(finish("a", late)) == []


def test_an_ending_of_an_attempt_that_does_not_run_is_quiet() -> None:
    assert parent("a").when(finish("a")) == []
    assert parent("a").when(finish("b")) == []
    running = parent("a").given(start("a"))
    assert running.when(finish("a", attempt=2)) == []
    assert running.when(finish("a", attempt=0)) == []
    again = parent("a").given(start("a"), lose("a"), start("a"))
    assert again.when(finish("a", attempt=1)) == [], "the ending of a lost attempt comes too late"
    assert names(again.when(finish("a", attempt=2)))[0] == "ChildFinished"


def test_the_end_that_decides_is_named() -> None:
    made = parent(*"abc", strategy=Strategy(kind="threshold", count=2)).given(start("a"), start("b"), finish("a"))
    decided = made.when(finish("b"))[1]
    assert decided == ParentDecided(at=AT, status="succeeded", why="2 of 3 succeeded, 2 required", child_id="b")
    failed = parent(*"ab").given(start("b")).when(finish("b", "timed_out"))[1]
    why = "1 of 2 ended without success, 2 successes required"
    assert failed == ParentDecided(at=AT, status="failed", why=why, child_id="b")
    strict = Strategy(kind="threshold", count=1, max_failures=0)
    failed = parent(*"ab", strategy=strict).given(start("b")).when(finish("b", "failed"))[1]
    why = "1 of 2 ended without success, more than allowed"
    assert failed == ParentDecided(at=AT, status="failed", why=why, child_id="b")


# Retries


@pytest.mark.parametrize("outcome", ["failed", "timed_out"])
def test_a_failure_that_is_tried_again_is_open(outcome: Outcome) -> None:
    made = parent(spec("a", THRICE)).given(start("a"))
    retry = ChildRetryScheduled(at=AT, child_id="a", attempt=1, error='{"type":"Wrong"}', not_before=AT)
    assert made.when(finish("a", outcome)) == [retry]
    waiting = made.given(finish("a", outcome))
    assert (waiting.state.status, waiting.state.ended) == ("running", 0)
    assert waiting.when(finish("a", outcome)) == []
    assert waiting.when(start("a")) == [ChildStarted(at=AT, child_id="a", attempt=2, worker="w")]


def test_the_last_attempt_ends_the_child() -> None:
    made = parent(spec("a", THRICE)).given(start("a"), finish("a", "failed"), start("a"), finish("a", "timed_out", 2))
    facts = made.given(start("a")).when(finish("a", "failed", 3))
    assert names(facts) == ["ChildFinished", "ParentDecided", "ParentSettled"]


def test_success_and_cancellation_are_not_tried_again() -> None:
    made = parent(spec("a", THRICE), "b").given(start("a"))
    assert names(made.when(finish("a")))[0] == "ChildFinished"
    assert names(made.when(finish("a", "cancelled")))[0] == "ChildFinished"


def test_nothing_is_tried_again_once_nothing_is_to_be_started() -> None:
    made = parent(spec("a", THRICE), "b", strategy=ANY, on_decided="drain")
    made = made.given(start("a"), start("b"), finish("b"))
    assert names(made.when(finish("a", "failed"))) == ["ChildFinished", "ParentSettled"]


def test_a_decided_parent_that_continues_still_tries_again() -> None:
    made = parent(spec("a", THRICE), "b", strategy=ANY, on_decided="continue")
    made = made.given(start("a"), start("b"), finish("b"))
    assert names(made.when(finish("a", "failed"))) == ["ChildRetryScheduled"]


def waits(limits: ChildLimits, count: int) -> list[int]:
    """Return after how many microseconds each of the first retries may start."""
    made, found = parent(spec("a", limits)), []
    for attempt in range(1, count + 1):
        made = made.given(start("a", at=2**62), finish("a", "failed", attempt))
        fact = made.facts[-1]
        assert isinstance(fact, ChildRetryScheduled)
        found.append(fact.not_before - fact.at)
    return found


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        (ChildLimits(max_attempts=9), [0, 0, 0]),
        (ChildLimits(max_attempts=9, initial_seconds=0.5), [0.5, 1, 2, 4]),
        (ChildLimits(max_attempts=9, initial_seconds=2, backoff=1.5), [2, 3, 4.5]),
        (ChildLimits(max_attempts=9, initial_seconds=2, backoff=1), [2, 2, 2]),
        (ChildLimits(max_attempts=9, initial_seconds=2, max_seconds=5), [2, 4, 5, 5]),
        (ChildLimits(max_attempts=9, initial_seconds=9, max_seconds=5), [5, 5]),
        (ChildLimits(max_attempts=9, initial_seconds=9, max_seconds=0), [0, 0]),
    ],
)
def test_waits_grow_up_to_a_maximum(limits: ChildLimits, seconds: list[float]) -> None:
    assert waits(limits, len(seconds)) == [int(second * SECOND) for second in seconds]


def test_no_wait_is_longer_than_a_year() -> None:
    endless = ChildLimits(max_attempts=9, initial_seconds=1e308, backoff=1e308, max_seconds=1e308)
    assert waits(endless, 3) == [YEAR] * 3
    assert waits(ChildLimits(max_attempts=9, initial_seconds=1, backoff=1e200), 3) == [SECOND, YEAR, YEAR]


def test_a_retry_waits_for_its_time() -> None:
    limits = ChildLimits(max_attempts=2, initial_seconds=10)
    made = parent(spec("a", limits)).given(start("a"), finish("a", "failed"))
    assert made.when(start("a", at=AT + 10 * SECOND - 1)) == []
    assert names(made.when(start("a", at=AT + 10 * SECOND))) == ["ChildStarted"]


def test_a_failure_that_says_nothing_is_tried_again_with_nothing_as_its_error() -> None:
    made = parent(spec("a", THRICE)).given(start("a"))
    silent = FinishAttempt(at=AT, child_id="a", attempt=1, outcome="failed")
    assert made.when(silent) == [ChildRetryScheduled(at=AT, child_id="a", attempt=1, error="null", not_before=AT)]


def test_a_first_attempt_waits_for_no_time() -> None:
    assert names(parent("a").when(start("a", at=-1))) == ["ChildStarted"]


# LoseAttempt


def test_a_lost_attempt_runs_again_at_once_and_costs_no_retry() -> None:
    made = parent(spec("a", ChildLimits(max_attempts=2, initial_seconds=60))).given(start("a"))
    assert made.when(lose("a")) == [AttemptLost(at=AT, child_id="a", attempt=1, reason="killed")]
    again = made.given(lose("a"))
    assert again.when(lose("a")) == []
    again = again.given(start("a"))
    assert again.state.running["a"].attempt == 2
    assert names(again.when(finish("a", "failed", 2))) == ["ChildRetryScheduled"]
    assert names(parent("a").given(start("a"), lose("a")).when(start("a"))) == ["ChildStarted"]


def test_a_lost_attempt_runs_again_whatever_another_clock_says() -> None:
    made = parent("a").given(start("a", at=AT + SECOND), lose("a"))
    assert names(made.when(start("a", at=0))) == ["ChildStarted"]


def test_a_child_that_may_not_run_twice_says_what_its_worker_died_of() -> None:
    made = parent(spec("a", ChildLimits(fail_when_lost=True))).given(start("a"))
    died = LoseAttempt(at=AT, child_id="a", attempt=1, reason="worker process died: SIGSEGV", signal="SIGSEGV")
    finished = made.when(died)[1]
    assert isinstance(finished, ChildFinished)
    assert "interrupted (worker process died: SIGSEGV) and may not run again" in (finished.error or "")


def test_losing_what_does_not_run_is_quiet() -> None:
    assert parent("a").when(lose("a")) == []
    assert parent("a").given(start("a")).when(lose("a", 2)) == []
    assert parent(*"ab").given(start("a"), finish("a")).when(lose("a")) == []


def test_a_child_that_may_not_run_twice_fails_when_it_is_lost() -> None:
    made = parent(spec("a", ChildLimits(fail_when_lost=True, max_attempts=5)), "b").given(start("a"))
    facts = made.when(lose("a"))
    assert names(facts) == ["AttemptLost", "ChildFinished", "ParentDecided", "MembershipClosed"][:3]
    finished = facts[1]
    assert isinstance(finished, ChildFinished)
    assert (finished.outcome, finished.attempt) == ("failed", 1)
    assert finished.error == '{"type":"AttemptLost","message":"the attempt was interrupted and may not run again"}'
    assert facts[2] == ParentDecided(
        at=AT, status="failed", why="1 of 2 ended without success, 2 successes required", child_id="a"
    )


def test_how_its_worker_died_is_on_record_with_a_lost_attempt() -> None:
    made = parent("a").given(start("a"))
    died = LoseAttempt(at=AT, child_id="a", attempt=1, reason="died", signal="SIGSEGV", exit_code=3)
    fact = AttemptLost(at=AT, child_id="a", attempt=1, reason="died", signal="SIGSEGV", exit_code=3)
    assert made.when(died) == [fact]


def test_a_lost_child_ends_cancelled_where_it_would_not_run_again() -> None:
    made = parent(spec("a", ChildLimits(fail_when_lost=True)), "b", strategy=ANY, on_decided="drain")
    made = made.given(start("a"), start("b"), finish("b"))
    assert names(made.when(lose("a"))) == ["AttemptLost"]


def test_attempts_are_numbered_through_failures_and_losses() -> None:
    made = parent(spec("a", THRICE), strategy=ALL)
    made = made.given(start("a"), lose("a"), start("a"), finish("a", "failed", 2), start("a"), lose("a", 3), start("a"))
    assert made.state.running["a"].attempt == 4
    made = made.given(finish("a", "failed", 4), start("a"))
    assert names(made.when(finish("a", "failed", 5)))[0] == "ChildFinished", "the third failure is the last"
