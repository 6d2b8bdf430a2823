"""The clocks of a child: its whole time, and its waits for a start."""

from __future__ import annotations

import json
from typing import Literal

import pytest

from events.facts import ChildFinished, ChildLimits
from events.strategy import ANY
from tests.events.scenario import AT, SECOND, cancel, expire, finish, lose, names, of_type, parent, spec, start

TOTAL = ChildLimits(max_attempts=9, initial_seconds=2.0, backoff=1.0, total_timeout_seconds=5.0)
QUEUED = ChildLimits(queue_timeout_seconds=5.0)
ENDED = ["ChildFinished", "ParentDecided", "ParentSettled"]


def test_a_retry_that_would_come_after_the_whole_time_is_not_made() -> None:
    made = parent(spec("a", TOTAL)).given(start("a"))
    assert names(made.when(finish("a", "failed", at=AT + 3 * SECOND - 1))) == ["ChildRetryScheduled"]
    assert names(made.when(finish("a", "failed", at=AT + 3 * SECOND))) == ENDED


def test_a_start_after_the_whole_time_is_an_end() -> None:
    made = parent(spec("a", TOTAL)).given(start("a"), lose("a"))
    assert names(made.when(start("a", at=AT + 5 * SECOND - 1))) == ["ChildStarted"]
    facts = made.when(start("a", at=AT + 5 * SECOND))
    assert names(facts) == ENDED
    (ended,) = of_type(facts, ChildFinished)
    assert (ended.outcome, ended.attempt) == ("timed_out", 1)
    said = {"type": "TotalTimedOut", "message": "took longer than its total_timeout of 5 s"}
    assert json.loads(ended.error or "") == said


def test_the_whole_time_counts_from_the_first_start_alone() -> None:
    made = parent(spec("a", TOTAL)).given(start("a"), lose("a"), start("a", at=AT + SECOND), lose("a", 2))
    assert made.state.children["a"].first_at == AT
    assert names(parent(spec("a", TOTAL)).when(start("a", at=AT + 99 * SECOND))) == ["ChildStarted"]


def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    made = parent(spec("a", TOTAL)).given(start("a"), lose("a"))
    assert names(made.when(start("a", at=AT - 99 * SECOND))) == ["ChildStarted"]


def test_the_whole_time_counts_from_the_first_moment_that_there_is() -> None:
    made = parent(spec("a", TOTAL)).given(start("a", at=1), lose("a"))
    assert names(made.when(start("a", at=5 * SECOND))) == ["ChildStarted"]
    assert names(made.when(start("a", at=5 * SECOND + 1))) == ENDED
    assert names(made.when(expire("a", "total"))) == ENDED


@pytest.mark.parametrize("seconds", [1e303, 1.7e308, 5e-324])
def test_no_whole_time_is_too_long_or_too_short_to_be_worked_out(seconds: float) -> None:
    limits = ChildLimits(max_attempts=2, total_timeout_seconds=seconds)
    made = parent(spec("a", limits)).given(start("a"))
    expected = ENDED if seconds < 1 else ["ChildRetryScheduled"]
    assert names(made.when(finish("a", "failed", at=AT + 1))) == expected


def test_a_child_that_waits_too_long_times_out() -> None:
    made = parent(spec("a", QUEUED), "b", strategy=ANY)
    (ended,) = made.when(expire("a"))
    assert isinstance(ended, ChildFinished)
    assert (ended.outcome, ended.attempt) == ("timed_out", 0)
    said = {"type": "QueueTimedOut", "message": "waited longer than its queue_timeout of 5 s for a worker"}
    assert json.loads(ended.error or "") == said


def test_a_wait_counts_from_when_the_child_could_start() -> None:
    limits = ChildLimits(queue_timeout_seconds=5.0, max_attempts=2, initial_seconds=3.0)
    made = parent(spec("a", limits))
    assert made.state.children["a"].since == AT
    assert made.given(start("a")).state.children["a"].since == 0
    assert made.given(start("a"), finish("a", "failed")).state.children["a"].since == AT + 3 * SECOND
    assert made.given(start("a"), lose("a", at=AT + 7)).state.children["a"].since == AT + 7


@pytest.mark.parametrize("clock", ["queue", "total"])
def test_a_clock_that_there_is_not_or_that_comes_late_is_quiet(clock: Literal["queue", "total"]) -> None:
    timer = expire("a", clock)
    both = ChildLimits(queue_timeout_seconds=5.0, total_timeout_seconds=5.0)
    for made in (
        parent("a"),
        parent("b"),
        parent("a").given(start("a"), lose("a")),
        parent(spec("a", both)).given(start("a")),
        parent(spec("a", both)).given(start("a"), finish("a")),
        parent(spec("a", both)).given(start("a"), lose("a"), cancel()),
    ):
        assert made.when(timer) == []
    assert parent(spec("a", both)).when(expire("a", "total")) == [], "it never started"
