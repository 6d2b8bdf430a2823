"""What an attempt is handed out with: its own time, what is left of its child's whole time, how deep it lies."""

from __future__ import annotations

import pytest

from actors.executors.work import Work
from actors.messages import Hand, StopAttempts
from events.facts import ChildLimits
from events.state import NESTED_TASK
from events.strategy import ANY
from tests.actors.scenes import GOOD, begun, end, key, with_slots
from tests.actors.stage import Scene
from tests.events.scenario import SECOND, cancel, cancel_child, lose, spec


def recorded(scene: Scene) -> Scene:
    """Put on record whatever is decided, until nothing more is."""
    while scene.journal.heard:
        scene.record()
    return scene


def handed(limits: ChildLimits) -> Work:
    scene = begun(spec("a", limits))
    scene.allot(1, 1)
    scene.record()
    [hand] = scene.pool.take(Hand)
    [work] = hand.run
    return work


@pytest.mark.parametrize(
    ("limits", "seconds", "name"),
    [
        (ChildLimits(timeout_seconds=3.0), 3.0, "timeout"),
        (ChildLimits(total_timeout_seconds=9.0), 9.0, "total_timeout"),
        (ChildLimits(timeout_seconds=3.0, total_timeout_seconds=9.0), 3.0, "timeout"),
        (ChildLimits(timeout_seconds=9.0, total_timeout_seconds=9.0), 9.0, "timeout"),
        (ChildLimits(timeout_seconds=20.0, total_timeout_seconds=9.0), 9.0, "total_timeout"),
        (ChildLimits(heartbeat_timeout_seconds=4.0), None, "timeout"),
    ],
)
def test_an_attempt_has_its_own_time_or_its_childs_whole_time(
    limits: ChildLimits, seconds: float | None, name: str
) -> None:
    work = handed(limits)
    assert (work.timeout_seconds, work.timeout_name) == (seconds, name)
    assert work.heartbeat_timeout_seconds == limits.heartbeat_timeout_seconds


@pytest.mark.parametrize(("passed", "left"), [(4, 5.0), (-60, 9.0)])
def test_a_later_attempt_has_what_is_left_of_the_whole_time(passed: int, left: float) -> None:
    scene = with_slots(1, spec("a", ChildLimits(total_timeout_seconds=9.0, max_attempts=9)))
    scene.stage.at += passed * SECOND
    scene.request(lose("a", at=scene.stage.at))
    recorded(scene)
    works = [work for hand in scene.pool.take(Hand) for work in hand.run]
    assert [work.timeout_seconds for work in works[:1]] == [pytest.approx(left)]


def nested() -> Scene:
    """Return a scene in which a nested parent runs, and a plain child."""
    scene = begun(spec("n", task=NESTED_TASK), "a")
    scene.allot(1, 1)
    return recorded(scene)


def test_a_nested_parent_is_not_the_pools_and_lies_one_level_down() -> None:
    scene = nested()
    works = [work for hand in scene.pool.take(Hand) for work in hand.run]
    assert [work.key for work in works] == [key("a")]
    assert [(work.key, work.depth) for work in scene.nested.works] == [(key("n"), 1)]


def test_one_nested_parent_is_asked_to_stop_by_the_reason_that_was_given() -> None:
    scene = nested()
    scene.request(cancel_child("n"))
    recorded(scene)
    assert (key("n"), "not needed") in scene.nested.stops
    assert all(child == key("n") for child, _ in scene.nested.stops)


def test_all_that_runs_is_asked_to_stop_where_the_run_is_cancelled() -> None:
    scene = nested()
    scene.request(cancel())
    recorded(scene)
    told = [(child, stop.reason) for stop in scene.pool.take(StopAttempts) for child in stop.keys]
    assert (key("a"), "cancelled by request") in told
    assert (key("n"), "cancelled by request") in scene.nested.stops


def test_what_goes_on_after_a_decision_is_stopped_by_the_request_and_not_by_the_decision() -> None:
    scene = with_slots(2, "a", "b", strategy=ANY, on_decided="continue")
    end(scene, ("a", 1, GOOD))
    recorded(scene)
    assert scene.pool.take(StopAttempts) == []
    scene.request(cancel())
    recorded(scene)
    assert scene.pool.take(StopAttempts) == [StopAttempts([key("b")], "cancelled by request")]
