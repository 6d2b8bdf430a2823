"""One parent's clock: it follows the wall clock forwards and never goes back, stands still, or behind the record."""

from __future__ import annotations

import pytest

from actors.clock import ParentClock
from events.commands import Cancel
from tests.actors.stage import Stage
from tests.events.scenario import AT, SECOND


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def clock(stage: Stage) -> ParentClock:
    return ParentClock(stage)


def passes(stage: Stage, *, wall: float, steady: float) -> None:
    stage.at += int(wall * SECOND)
    stage.seconds += steady


def asked(at: int) -> Cancel:
    return Cancel(at=at, reason="enough")


def test_a_wall_clock_that_runs_is_followed(stage: Stage, clock: ParentClock) -> None:
    assert clock.now() == AT
    for _ in range(3):
        passes(stage, wall=1.5, steady=1.5)
    assert clock.now() == AT + 4_500_000


def test_a_wall_clock_that_jumps_forwards_is_followed_from_there(stage: Stage, clock: ParentClock) -> None:
    passes(stage, wall=60, steady=1)
    assert clock.now() == AT + 60 * SECOND
    passes(stage, wall=0, steady=2)
    assert clock.now() == AT + 62 * SECOND


def test_while_the_wall_clock_is_behind_time_goes_on_by_the_steady_one(stage: Stage, clock: ParentClock) -> None:
    passes(stage, wall=-600, steady=2)
    assert clock.now() == AT + 2 * SECOND
    passes(stage, wall=1, steady=1)
    assert clock.now() == AT + 3 * SECOND
    passes(stage, wall=700, steady=1)
    assert clock.now() == AT + 101 * SECOND, "until it has caught up"


def test_nothing_is_earlier_than_the_record(stage: Stage, clock: ParentClock) -> None:
    clock.record(AT + 5 * SECOND)
    assert clock.now() == AT + 5 * SECOND
    passes(stage, wall=1, steady=1)
    assert clock.now() == AT + 6 * SECOND
    clock.record(AT + 2 * SECOND)
    assert clock.now() == AT + 6 * SECOND, "an earlier time on record sets nothing back"


def test_a_command_keeps_its_time_between_the_record_and_now(stage: Stage, clock: ParentClock) -> None:
    clock.record(AT + 2)
    inside = asked(AT + 5)
    assert clock.stamped(inside, AT + 9) is inside
    assert clock.stamped(asked(AT + 3), AT + 9) == asked(AT + 5), "none is earlier than the one before it"
    assert clock.stamped(asked(AT + 10), AT + 9) == asked(AT + 9), "nor later than now"
    clock.record(AT + 7)
    assert clock.stamped(asked(AT + 8), AT + 9) == asked(AT + 9)


def test_no_command_is_earlier_than_the_record(clock: ParentClock) -> None:
    clock.record(AT + 5)
    clock.record(AT + 2)
    assert clock.stamped(asked(AT + 1), AT + 9) == asked(AT + 5)


@pytest.mark.parametrize(("made_at", "stamped"), [(0, 0), (1, 1), (-1, 0)])
def test_where_nothing_is_on_record_a_command_may_be_as_old_as_time(
    clock: ParentClock, made_at: int, stamped: int
) -> None:
    """A machine without a battery begins in 1970. What is asked from before that counts as asked then."""
    assert clock.stamped(asked(made_at), AT) == asked(stamped)


@pytest.mark.parametrize("recorded", [False, True])
def test_a_clock_that_is_asked_all_the_time_does_not_stand_still(
    stage: Stage, clock: ParentClock, *, recorded: bool
) -> None:
    """However little time has passed since the last question counts, while the wall clock stands still."""
    for _ in range(100):
        passes(stage, wall=0, steady=0.4 / SECOND)
        now = clock.now()
        if recorded:
            clock.record(now)
    assert clock.now() - AT in (39, 40)
