"""Responses for children that somebody else runs: their start and their end are on record together."""

from __future__ import annotations

import pytest

from events.errors import RunOwnedError, StepOrderError
from events.facts import ChildFinished, ChildLimits, ChildStarted, ParentDecided, ParentSettled
from events.strategy import ANY
from tests.events.scenario import (
    AT,
    Given,
    cancel,
    create,
    finish,
    give_up,
    names,
    parent,
    prepare,
    respond,
    skip,
    spec,
    start,
    take,
)


def test_a_response_puts_the_start_and_the_end_on_record() -> None:
    made = parent("a", "b", max_workers=1)
    assert made.when(respond("b")) == [
        ChildStarted(at=AT, child_id="b", attempt=1, worker="engine"),
        ChildFinished(at=AT, child_id="b", attempt=1, outcome="succeeded", output="1"),
    ]
    last = made.given(respond("b")).when(respond("a"))
    assert names(last) == ["ChildStarted", "ChildFinished", "ParentDecided", "ParentSettled"]


def test_a_child_that_has_an_outcome_keeps_it() -> None:
    made = parent("a", "b").given(respond("a"))
    assert made.when(respond("a", "failed")) == []
    assert made.given(take()).when(respond("a", "failed")) == []


def test_failures_are_tried_again_as_the_limits_say() -> None:
    made = parent(spec("a", ChildLimits(max_attempts=2, initial_seconds=60.0)))
    assert names(made.when(respond("a", "failed"))) == ["ChildStarted", "ChildRetryScheduled"]
    again = made.given(respond("a", "failed"))
    assert names(again.when(respond("a", "failed")))[:2] == ["ChildStarted", "ChildFinished"]


def test_a_late_response_is_recorded_and_flips_nothing() -> None:
    made = parent(*"abc", strategy=ANY).given(respond("a"))
    assert made.state.status == "succeeded"
    late = made.given(respond("b", "failed"))
    assert late.facts[-1] == ChildFinished(at=AT, child_id="b", attempt=0, outcome="failed")
    settled = late.given(respond("c")).facts
    assert isinstance(settled[-1], ParentSettled)
    assert [fact.status for fact in settled if isinstance(fact, ParentDecided)] == ["succeeded"]
    assert names(parent("a").given(cancel()).when(respond("a"))) == ["ChildFinished", "ParentSettled"]
    assert made.given(skip()).when(respond("b")) == []


def test_a_child_must_have_been_created() -> None:
    for made in (Given(), parent("a"), Given().given(create(), prepare("b"))):
        with pytest.raises(StepOrderError, match="'b', or it was not created yet"):
            made.when(respond("b"))


def test_who_owns_the_parent_reports_for_its_children() -> None:
    """Decided under the stream's version: a response that raced with a start must not run beside it."""
    made = parent(*"ab", max_workers=1).given(take(), start("a"))
    for child_id in "ab":
        with pytest.raises(RunOwnedError, match="run by me"):
            made.when(respond(child_id))
    free = made.given(finish("a"), give_up())
    assert names(free.when(respond("b")))[:2] == ["ChildStarted", "ChildFinished"]


def test_a_response_never_exceeds_max_workers() -> None:
    made = parent(*"ab", max_workers=1).given(start("a"))
    with pytest.raises(StepOrderError, match="1 children are running already"):
        made.when(respond("b"))


def test_a_response_for_an_attempt_that_runs_without_an_owner_ends_it() -> None:
    made = parent(*"ab").given(start("a"))
    assert names(made.when(respond("a"))) == ["ChildFinished"]
