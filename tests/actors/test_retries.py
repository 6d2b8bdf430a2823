"""When children run again, by the clock that never jumps, and what is left of a wait after a restart."""

from __future__ import annotations

import pytest

from actors.directory import Tenure
from actors.messages import RetryDue
from actors.retries import Retries
from events.commands import Command
from events.decide import decide_all
from events.evolve import INITIAL
from events.facts import ChildLimits
from events.state import ParentState
from tests.actors.scenes import making
from tests.actors.stage import Probe, Stage
from tests.events.scenario import AT, SECOND, finish, lose, spec, start, take

LIMITS = ChildLimits(max_attempts=9, initial_seconds=5)


def retries(stage: Stage, tenure: Tenure | None = None) -> Retries:
    return Retries(Probe(stage).actor_ref, stage, tenure or Tenure())


def failed(times: int) -> ParentState:
    """Return a parent whose child has failed so often and waits, the last time at `AT`."""
    past: list[Command] = [*making(spec("a", LIMITS)), take()]
    for attempt in range(1, times + 1):
        at = AT - (times - attempt) * 1_000 * SECOND
        past += [start("a", at=at), finish("a", "failed", attempt, at=at)]
    return decide_all(INITIAL, past)[1]


# Waiting


def test_each_child_is_due_when_its_own_wait_is_over_the_first_one_first() -> None:
    stage = Stage()
    waiting = retries(stage)
    for child_id, seconds in (("c", 9), ("a", 1), ("d", 7), ("b", 4)):
        waiting.wait(child_id, seconds * SECOND)
    seen: list[list[str]] = []
    for stage.seconds in (0.0, 1.0, 3.9, 8.0, 9.0):
        seen.append(list(waiting.due()))
    assert seen == [[], ["a"], ["a"], ["a", "b", "d"], ["a", "b", "d", "c"]]


def test_the_shortest_wait_is_a_wait_and_none_is_none() -> None:
    stage = Stage()
    waiting = retries(stage)
    waiting.wait("a", 1)
    waiting.wait("b", 0)
    assert list(waiting.due()) == ["b"]
    assert stage.take_timers(RetryDue) == [pytest.approx(1e-6)]
    stage.seconds = 1e-6
    assert list(waiting.due()) == ["b", "a"]


def test_what_was_started_or_has_ended_is_due_no_more() -> None:
    stage, tenure = Stage(), Tenure()
    waiting = retries(stage, tenure)
    waiting.wait("a", 5 * SECOND)
    waiting.wait("b", 0)
    waiting.drop("a")
    waiting.drop("b")
    assert list(waiting.due()) == []
    stage.seconds = 6.0
    assert list(waiting.due()) == [], "nor once the wait would have been over"
    assert tenure.waits == {}, "nor for the actor that comes next"


def test_one_that_waits_anew_is_due_by_its_new_wait() -> None:
    stage = Stage()
    waiting = retries(stage)
    waiting.wait("a", 5 * SECOND)
    waiting.drop("a")
    waiting.wait("a", 20 * SECOND)
    stage.seconds = 6.0
    assert list(waiting.due()) == []
    stage.seconds = 20.0
    assert list(waiting.due()) == ["a"]


# After a restart


@pytest.mark.parametrize(("times", "whole"), [(1, 5.0), (2, 10.0), (3, 20.0)])
def test_a_wall_clock_that_was_set_back_makes_nobody_wait_longer_than_the_whole_wait(times: int, whole: float) -> None:
    stage = Stage()
    stage.at = AT - 3_600 * SECOND
    waiting = retries(stage)
    waiting.begin(failed(times))
    assert stage.take_timers(RetryDue) == [pytest.approx(whole)]
    stage.seconds = whole
    assert list(waiting.due()) == ["a"]


def test_what_was_lost_waits_for_nothing() -> None:
    stage = Stage()
    waiting = retries(stage)
    waiting.begin(decide_all(INITIAL, [*making("a"), take(), start("a"), lose("a")])[1])
    assert list(waiting.due()) == ["a"]
    assert stage.take_timers(RetryDue) == []


def test_a_wait_that_an_actor_before_us_timed_goes_on_whatever_the_wall_clock_says() -> None:
    stage = Stage()
    stage.at, stage.seconds = AT - 3_600 * SECOND, 1.0
    tenure = Tenure(waits={"a": 3.5, "gone": 9.0})
    waiting = retries(stage, tenure)
    waiting.begin(failed(1))
    assert stage.take_timers(RetryDue) == [pytest.approx(2.5)]
    assert tenure.waits == {"a": pytest.approx(3.5)}, "of what no longer waits nothing is kept"
    stage.seconds = 3.4
    assert list(waiting.due()) == []
    stage.seconds = 3.6
    assert list(waiting.due()) == ["a"]


def test_a_wait_is_never_cut_short_by_a_restart() -> None:
    stage = Stage()
    until = 0.1 + 0.2  # a hair more than 300,000 microseconds
    waiting = retries(stage, Tenure(waits={"a": until}))
    waiting.begin(failed(1))
    [seconds] = stage.take_timers(RetryDue)
    assert until <= seconds <= until + 2e-6


def test_a_child_that_is_due_stays_so_however_many_actors_look_after_it() -> None:
    stage = Stage()
    stage.at, stage.seconds = AT - 3_600 * SECOND, 4.0
    tenure = Tenure(waits={"a": 3.5})
    for _ in range(3):
        waiting = retries(stage, tenure)
        waiting.begin(failed(1))
        assert list(waiting.due()) == ["a"]
        assert stage.take_timers(RetryDue) == []
