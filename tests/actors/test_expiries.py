"""When waiting children run out of time: by the clock that never jumps, with what a restart leaves of a wait."""

from __future__ import annotations

import pytest

from actors.expiries import Expiries
from actors.messages import Conflicted, DeadlineDue, ExpiryDue, LoadedNews
from events.commands import Command, ExpireChild
from events.decide import decide_all
from events.evolve import INITIAL
from events.facts import ChildFinished, ChildLimits
from events.log.record import Recorded
from events.state import ParentState
from tests.actors.scenes import begun, making, with_slots
from tests.actors.stage import Probe, Scene, Stage
from tests.events.scenario import (
    AT,
    SECOND,
    close,
    create,
    finish,
    lose,
    names,
    pause,
    prepare,
    redrive,
    release,
    resume,
    spec,
    take,
)
from tests.events.scenario import start as started

HASTY = ChildLimits(queue_timeout_seconds=5.0)
SHORT = ChildLimits(total_timeout_seconds=10.0, max_attempts=9, initial_seconds=4.0, backoff=1.0)


def expiries(stage: Stage) -> Expiries:
    return Expiries(Probe(stage).actor_ref, stage)


def state_after(*commands: Command) -> ParentState:
    return decide_all(INITIAL, commands)[1]


def due(watching: Expiries, state: ParentState) -> list[tuple[str, str]]:
    return [(c.child_id, c.clock) for c in watching.due(state, AT) if isinstance(c, ExpireChild)]


def test_children_without_such_limits_cost_nothing() -> None:
    stage = Stage()
    watching = expiries(stage)
    facts, state = decide_all(INITIAL, making())
    watching.begin(state)
    watching.note(facts, state, 0.0)
    assert not state.timed
    assert stage.timers == []
    assert due(watching, state) == []


def test_a_wait_ends_when_its_time_is_up_and_not_before() -> None:
    stage = Stage()
    watching = expiries(stage)
    facts, state = decide_all(INITIAL, making(spec("a", HASTY), "b"))
    watching.note(facts, state, 0.0)
    assert stage.take_timers(ExpiryDue) == [5.0]
    stage.seconds = 4.999
    assert due(watching, state) == []
    stage.seconds = 5.0
    assert due(watching, state) == [("a", "queue")]
    assert due(watching, state) == [("a", "queue")], "told until it is on record"
    _, ended = decide_all(state, watching.due(state, AT))
    assert due(watching, ended) == []


def test_what_was_started_meanwhile_does_not_expire() -> None:
    stage = Stage()
    watching = expiries(stage)
    facts, state = decide_all(INITIAL, making(spec("a", HASTY)))
    watching.note(facts, state, 0.0)
    _, state = decide_all(state, [take(), started("a")])
    stage.seconds = 5.0
    assert due(watching, state) == []


def test_each_wait_has_its_own_time() -> None:
    stage = Stage()
    watching = expiries(stage)
    _, state = decide_all(INITIAL, [*making(spec("a", HASTY)), take(), started("a")])
    stage.seconds = 100.0
    facts, state = decide_all(state, [lose("a", at=AT + 100 * SECOND)])
    watching.note(facts, state, 0.0)
    assert stage.take_timers(ExpiryDue) == [5.0]
    stage.seconds = 105.0
    assert due(watching, state) == [("a", "queue")]


def test_the_wait_for_a_retry_is_not_a_wait_for_a_worker() -> None:
    limits = ChildLimits(queue_timeout_seconds=5.0, max_attempts=2, initial_seconds=60.0)
    stage = Stage()
    watching = expiries(stage)
    facts, state = decide_all(INITIAL, [*making(spec("a", limits)), take(), started("a"), finish("a", "failed")])
    watching.note(facts, state, 0.0)
    assert stage.take_timers(ExpiryDue) == [65.0]


def test_a_wait_that_was_over_says_nothing_of_the_one_after_it() -> None:
    stage = Stage()
    watching = expiries(stage)
    facts, state = decide_all(INITIAL, making(spec("a", HASTY)))
    watching.note(facts, state, 0.0)
    _, state = decide_all(state, [take(), started("a")])
    stage.seconds = 3.0
    facts, state = decide_all(state, [lose("a", at=AT + 3 * SECOND)])
    watching.note(facts, state, 0.0)
    stage.seconds = 5.0
    assert due(watching, state) == [], "it has waited anew since 3 s"
    stage.seconds = 8.0
    assert due(watching, state) == [("a", "queue")]


def test_a_redriven_child_has_its_whole_time_once_more() -> None:
    stage = Stage()
    watching = expiries(stage)
    once = ChildLimits(total_timeout_seconds=10.0)
    facts, state = decide_all(INITIAL, [*making(spec("a", once)), take(), started("a"), lose("a")])
    watching.note(facts, state, 0.0)
    assert stage.take_timers(ExpiryDue) == [10.0]
    facts, state = decide_all(state, [started("a"), finish("a", "failed", 2), redrive()])
    watching.note(facts, state, 0.0)
    stage.seconds = 10.0
    assert due(watching, state) == []
    facts, state = decide_all(state, [started("a", at=AT + 9 * SECOND), lose("a", 3, at=AT + 10 * SECOND)])
    watching.note(facts, state, 0.0)
    stage.seconds = 19.0
    assert due(watching, state) == [("a", "total")]


def test_a_childs_whole_time_does_not_run_before_its_first_start() -> None:
    stage = Stage()
    watching = expiries(stage)
    facts, state = decide_all(INITIAL, making(spec("a", SHORT)))
    watching.note(facts, state, 0.0)
    assert stage.take_timers(ExpiryDue) == []
    stage.seconds = 60.0
    assert due(watching, state) == []


def test_a_clock_set_back_makes_the_wait_for_a_retry_no_longer() -> None:
    limits = ChildLimits(queue_timeout_seconds=5.0, max_attempts=4, initial_seconds=60.0, backoff=2.0)
    stage = Stage()
    stage.at = AT - 1000 * SECOND
    facts, state = decide_all(INITIAL, [*making(spec("a", limits)), take(), started("a"), finish("a", "failed")])
    expiries(stage).note(facts, state, None)
    assert stage.take_timers(ExpiryDue) == [pytest.approx(65.0)]


def test_a_resumed_parents_waits_begin_anew_whatever_came_along_with_it() -> None:
    stage = Stage()
    watching = expiries(stage)
    facts, state = decide_all(INITIAL, [*making(spec("a", HASTY), "b"), take(), started("b"), pause()])
    watching.note(facts, state, 0.0)
    stage.at, stage.seconds = AT + 3 * SECOND, 3.0
    facts, state = decide_all(state, [resume(at=stage.at), lose("b", at=stage.at)])
    watching.note(facts, state, 0.0)
    assert stage.take_timers(ExpiryDue) == [5.0], "that of a, which had been paused all the time"
    stage.seconds = 8.0
    assert due(watching, state) == [("a", "queue")]


def test_a_pause_that_nobody_waited_out_sets_the_clock_anew() -> None:
    stage = Stage()
    watching = expiries(stage)
    facts, state = decide_all(INITIAL, making(spec("a", HASTY)))
    watching.note(facts, state, 0.0)
    assert stage.take_timers(ExpiryDue) == [5.0]
    stage.at, stage.seconds = AT + 3 * SECOND, 3.0
    facts, state = decide_all(state, [pause(), resume(at=stage.at)])
    watching.note(facts, state, 0.0)
    assert stage.take_timers(ExpiryDue) == [5.0]
    stage.seconds = 5.0
    assert due(watching, state) == []


def test_a_childs_whole_time_counts_from_its_first_start() -> None:
    stage = Stage()
    watching = expiries(stage)
    later = AT + 7 * SECOND
    facts, state = decide_all(
        INITIAL, [*making(spec("a", SHORT)), take(), started("a"), finish("a", "failed", at=later)]
    )
    assert "ChildRetryScheduled" not in names(facts), "4 s of wait do not fit into 3"
    facts, state = decide_all(INITIAL, [*making(spec("a", SHORT)), take(), started("a"), lose("a", at=later)])
    watching.note(facts, state, 0.0)
    assert stage.take_timers(ExpiryDue) == [pytest.approx(3.0)]
    stage.seconds = 3.0
    assert due(watching, state) == [("a", "total")]


@pytest.mark.parametrize(
    ("passed", "left"), [(0, 5.0), (3, 2.0), (25, 0.0), (-25, 5.0)], ids=["none", "some", "all", "clock set back"]
)
def test_after_a_restart_what_is_left_is_taken_from_the_wall_clock(passed: int, left: float) -> None:
    stage = Stage()
    stage.at = AT + passed * SECOND
    watching = expiries(stage)
    watching.begin(state_after(*making(spec("a", HASTY))))
    assert stage.take_timers(ExpiryDue) == [pytest.approx(left)]


@pytest.mark.parametrize(("passed", "left"), [(3, 2.0), (9, 0.0), (-60, 5.0)])
def test_of_a_wait_that_is_heard_of_late_only_what_is_left_is_waited(passed: int, left: float) -> None:
    stage = Stage()
    facts, state = decide_all(INITIAL, (create(), prepare(spec("a", HASTY)), release()))
    stage.at = AT + passed * SECOND
    expiries(stage).note(facts, state, None)
    assert stage.take_timers(ExpiryDue) == [left]


def test_who_hears_late_of_a_parent_waits_for_what_is_left_of_its_time_and_of_its_childrens() -> None:
    scene = Scene()
    scene.loaded()
    scene.stage.at += 3 * SECOND
    facts, _ = decide_all(INITIAL, (create(timeout_seconds=20), prepare(spec("a", HASTY)), release()))
    scene.tell(LoadedNews([Recorded("p", version, fact, version) for version, fact in enumerate(facts, 1)]))
    assert scene.stage.take_timers(ExpiryDue) == [2.0]
    assert scene.stage.take_timers(DeadlineDue) == [17.0]


@pytest.mark.parametrize("jump", [0, 3600, -3600], ids=["steady", "ahead", "back"])
def test_an_append_that_took_its_time_takes_it_from_the_waits_whatever_the_wall_clock_says(jump: int) -> None:
    scene = Scene()
    scene.loaded()
    scene.stage.seconds += 50.0
    scene.stage.at += 50 * SECOND
    made = making(spec("a", HASTY), timeout_seconds=20)
    scene.claim(*(command.model_copy(update={"at": AT + 50 * SECOND}) for command in made))
    scene.stage.seconds += 3.0  # the process was stopped, say, before it heard of its own append
    scene.stage.at += (3 + jump) * SECOND
    scene.record()
    assert scene.stage.take_timers(ExpiryDue) == [pytest.approx(2.0)]
    assert scene.stage.take_timers(DeadlineDue) == [pytest.approx(17.0)]


def test_a_pause_stops_the_clock_of_waits_and_they_begin_anew_after_it() -> None:
    stage = Stage()
    watching = expiries(stage)
    facts, state = decide_all(INITIAL, [*making(spec("a", HASTY)), pause()])
    watching.note(facts, state, 0.0)
    stage.seconds = 60.0
    assert due(watching, state) == []
    facts, state = decide_all(state, [resume(at=AT + 60 * SECOND)])
    stage.at = AT + 60 * SECOND
    watching.note(facts, state, 0.0)
    assert stage.take_timers(ExpiryDue) == [pytest.approx(5.0)]
    stage.seconds = 65.0
    assert due(watching, state) == [("a", "queue")]


def test_an_earlier_time_comes_first_whatever_was_set_before() -> None:
    stage = Stage()
    watching = expiries(stage)
    slow = ChildLimits(queue_timeout_seconds=50.0)
    facts, state = decide_all(INITIAL, [create(), prepare(spec("slow", slow)), release()])
    watching.note(facts, state, 0.0)
    facts, state = decide_all(state, [prepare(spec("quick", HASTY)), release(), close()])
    watching.note(facts, state, 0.0)
    assert stage.take_timers(ExpiryDue) == [50.0, 5.0]
    stage.seconds = 5.0
    assert due(watching, state) == [("quick", "queue")]
    assert stage.take_timers(ExpiryDue) == [45.0]
    _, state = decide_all(state, watching.due(state, AT))
    stage.seconds = 50.0
    assert due(watching, state) == [("slow", "queue")]


# In the parent's actor


def test_a_parent_puts_on_record_who_waited_too_long() -> None:
    scene = with_slots(1, "a", spec("b", HASTY), "c", max_workers=1)
    scene.stage.seconds += 5.0
    scene.tell(ExpiryDue)
    fact = scene.record()[0]
    assert isinstance(fact, ChildFinished)
    assert (fact.child_id, fact.outcome, fact.attempt) == ("b", "timed_out", 0)


def test_a_conflict_does_not_make_a_parent_forget_who_waited_too_long() -> None:
    scene = with_slots(1, "a", spec("b", HASTY), "c", max_workers=1)
    scene.stage.seconds += 5.0
    scene.tell(ExpiryDue)
    assert names(scene.append())[0] == "ChildFinished"
    scene.tell(Conflicted(scene.sent.expected_version))
    scene.tell(LoadedNews([]))
    assert names(scene.append())[0] == "ChildFinished"


def test_only_the_owner_ends_children_whose_time_is_up() -> None:
    scene = Scene()
    scene.loaded(*making(spec("a", HASTY)), take("ann"))
    scene.stage.seconds += 50.0
    scene.tell(ExpiryDue)
    assert scene.is_quiet


def test_a_parent_that_is_not_ours_yet_waits_with_it() -> None:
    scene = begun(spec("a", HASTY))
    assert scene.stage.take_timers(ExpiryDue) == [5.0]
