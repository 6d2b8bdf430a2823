"""What comes after an end, or while an attempt runs: late endings and progress. They flip nothing."""

from __future__ import annotations

import pytest

from events.facts import AttemptEndedLate, ChildLimits, ChildProgressed
from events.views import child_views
from tests.events.scenario import (
    AT,
    Given,
    create,
    finish,
    late,
    lose,
    parent,
    prepare,
    progress,
    redrive,
    spec,
    start,
)

LATE = AttemptEndedLate(at=AT, child_id="a", attempt=1, outcome="succeeded", output="1")


@pytest.mark.parametrize(
    "made",
    [
        parent(*"ab").given(start("a"), finish("a", "timed_out")),
        parent("a").given(start("a"), finish("a", "cancelled")),
        parent("a").given(start("a"), lose("a")),
        parent("a").given(start("a"), lose("a"), start("a")),
        parent("a").given(start("a"), finish("a", "failed"), redrive()),
    ],
)
def test_a_late_end_is_on_record_once_and_flips_nothing(made: Given) -> None:
    before = (made.state.status, made.state.settled, made.state.ended, made.state.running_count)
    assert made.when(late("a")) == [LATE]
    after = made.given(late("a"))
    assert (after.state.status, after.state.settled, after.state.ended, after.state.running_count) == before
    assert after.when(late("a")) == []
    assert after.when(late("a", outcome="failed")) == []
    assert [view.output for view in child_views(after.facts)] == [None] * len(child_views(after.facts))


@pytest.mark.parametrize(
    "made",
    [parent("a"), parent("b"), parent("a").given(start("a")), Given(), Given().given(create(), prepare("a"))],
)
def test_an_attempt_that_runs_or_never_was_does_not_end_late(made: Given) -> None:
    assert made.when(late("a")) == []


def test_each_attempt_has_a_late_end_of_its_own() -> None:
    made = parent(spec("a", ChildLimits(max_attempts=3))).given(start("a"), finish("a", "timed_out"), start("a"))
    made = made.given(late("a"), finish("a", "timed_out", 2), late("a", 2))
    assert made.when(late("a", 3)) == made.when(late("a", 0)) == made.when(late("a", -1)) == []


def test_a_running_attempt_says_how_far_it_is_as_often_as_it_likes() -> None:
    made = parent("a").given(start("a"))
    said = ChildProgressed(at=AT, child_id="a", attempt=1, progress=0.5, message="half")
    assert made.when(progress("a", 0.5, "half")) == [said]
    assert made.given(progress("a", 0.5, "half")).when(progress("a", 0.5, "half")) == [said]


def test_progress_of_what_does_not_run_is_quiet() -> None:
    lost = parent("a").given(start("a"), lose("a"))
    for made in (parent("a"), parent("b"), Given(), lost, lost.given(start("a"))):
        assert made.when(progress("a")) == []
