"""What a parent causes, and what it leaves alone: work, stops, waits, deadlines, leftovers."""

from __future__ import annotations

from weakref import ref

from actors.directory import Tenure
from actors.executors.work import Ending, Progress, Work
from actors.messages import DeadlineDue, Hand, News, RetryDue, StopAttempts, Tick
from events.commands import LoseAttempt, Redrive, StartChild
from events.facts import ChildLimits, ChildStarted
from events.nested import NestedParent
from events.state import NESTED_TASK, NESTED_WORKER
from events.strategy import ANY
from tests.actors.scenes import (
    BAD,
    GOOD,
    begun,
    child_ids,
    end,
    key,
    making,
    news,
    say,
    shares,
    state_of,
    with_slots,
    written,
)
from tests.actors.stage import ME, Scene
from tests.events.scenario import AT, SECOND, names, spec, start, take

# Retries


def test_a_child_that_fails_again_waits_again() -> None:
    scene = with_slots(1, spec("a", ChildLimits(max_attempts=3, initial_seconds=5)))
    end(scene, ("a", 1, BAD))
    scene.record()
    scene.stage.seconds = 5.0
    scene.tell(RetryDue)
    scene.allot(1, 2)
    assert child_ids(scene.record(), ChildStarted) == ["a"]
    end(scene, ("a", 2, BAD))
    assert names(scene.record()) == ["ChildRetryScheduled"]
    assert shares(scene)[-1] == (0, 0)
    scene.allot(1, 3)
    scene.tell(Tick)
    assert scene.journal.heard == []
    scene.stage.seconds = 15.0
    scene.tell(RetryDue)
    scene.allot(1, 4)
    assert child_ids(scene.record(), ChildStarted) == ["a"]


def test_a_child_that_may_not_run_again_wants_no_slot_in_place_of_one_that_waits() -> None:
    once = spec("a", ChildLimits(fail_when_lost=True))
    scene = with_slots(2, once, spec("b", ChildLimits(max_attempts=2, initial_seconds=5)), "c", strategy=ANY)
    end(scene, ("a", 1, Ending(None, lost="killed")), ("b", 1, BAD))
    assert names(scene.record()) == ["AttemptLost", "ChildFinished", "ChildRetryScheduled", "ChildStarted"]
    assert shares(scene)[-1] == (1, 1), "only the third child runs"
    scene.tell(Tick)
    assert shares(scene) == [(1, 1)]


# Deadlines


def test_a_deadline_runs_from_the_creation_though_the_wall_clock_jumps_meanwhile() -> None:
    scene = Scene()
    scene.loaded()
    scene.claim(*making(timeout_seconds=10.0))
    scene.stage.at += 3_600 * SECOND
    scene.record()
    assert scene.stage.take_timers(DeadlineDue) == [10.0]


def test_a_deadline_stays_whichever_actor_looks_after_it() -> None:
    scene = Scene(tenure=Tenure(working=True, deadline=7.5, deadline_from=AT))
    scene.stage.seconds = 2.0
    scene.loaded(*making(timeout_seconds=10.0), take(ME))
    assert scene.stage.take_timers(DeadlineDue) == [5.5]
    assert scene.tenure.deadline == 7.5


def redriven(scene: Scene) -> None:
    """Let the parent settle long after its time was up, and be redriven; that is not on record yet."""
    scene.stage.take_timers(DeadlineDue)
    for child_id in list(state_of(scene).running):
        end(scene, (child_id, 1, BAD))
    scene.record()
    assert state_of(scene).settled
    scene.stage.at += 100 * SECOND
    scene.stage.seconds += 100.0
    scene.request(Redrive(at=scene.stage.at, reason="once more"))


def test_a_redrive_gives_the_parent_its_whole_time_once_more() -> None:
    scene = with_slots(1, "a", timeout_seconds=10.0)
    redriven(scene)
    scene.record()
    assert scene.stage.take_timers(DeadlineDue) == [10.0]


def test_the_time_after_a_redrive_runs_from_it_though_the_wall_clock_jumps_meanwhile() -> None:
    scene = with_slots(1, "a", timeout_seconds=10.0)
    redriven(scene)
    scene.stage.seconds += 1.0
    scene.stage.at += 3_600 * SECOND
    scene.record()
    assert scene.stage.take_timers(DeadlineDue) == [9.0]


# What runs


def test_a_second_look_at_what_runs_repeats_it_and_stops_nothing() -> None:
    scene = with_slots(1)
    for _ in range(2):
        scene.tell(Tick)
    work = Work(key("a"), 0, "work", "null", None)
    assert scene.pool.take(Hand) == [Hand("p", scene.ref, [work], (), 2, again=True)]
    assert scene.pool.take(StopAttempts) == []


def test_what_ended_since_the_last_look_is_not_repeated() -> None:
    scene = with_slots(2, spec("a", ChildLimits(max_attempts=2)), "b")
    scene.tell(Tick)
    end(scene, ("a", 1, BAD))
    scene.record()
    scene.pool.heard.clear()
    scene.tell(Tick)
    [hand] = scene.pool.take(Hand)
    assert [work.key for work in hand.run] == [key("b")]


def test_news_that_lose_nothing_stop_nothing() -> None:
    scene = begun()
    scene.tell(News)
    scene.tell(news(scene, start("a")))
    assert scene.pool.take(StopAttempts) == []


def test_a_nested_parent_goes_on_when_another_process_takes_its_parent_over() -> None:
    scene = begun("a", spec("n", task=NESTED_TASK))
    scene.record()
    scene.allot(1, 1)
    scene.record()
    scene.tell(News)
    scene.tell(news(scene, take("ann"), LoseAttempt(at=AT, child_id="n", attempt=1, reason="killed")))
    assert scene.pool.take(StopAttempts) == [StopAttempts([key("a")], "another process took the run over")]


def test_a_nested_parent_that_ran_is_gone_on_with_once_its_parent_is_ours() -> None:
    scene = Scene()
    inner = NestedParent(strategy=ANY, max_workers=1, on_decided="cancel", content="0" * 64, children=()).text()
    nested = spec("n", task=NESTED_TASK, input_text=inner)
    begin_n = StartChild(at=AT, child_id="n", worker=NESTED_WORKER)
    scene.loaded(*making("a", nested), take("bob"), start("a"), begin_n)
    scene.claim(attach=True)
    assert names(scene.append()) == ["OwnershipTaken", "AttemptLost"]
    assert scene.nested.works == [], "it may not come on record"
    written(scene)
    assert [work.key for work in scene.nested.works] == [key("n")]


def test_what_a_parent_starts_in_the_turn_that_makes_it_ours_is_handed_out_once() -> None:
    scene = Scene()
    scene.loaded(*making(), take(ME), start("a"))
    scene.allot(1, 1)
    scene.claim(*making())
    assert names(scene.record()) == ["OwnershipTaken", "AttemptLost", "ChildStarted"]
    assert [work.key for hand in scene.pool.take(Hand) for work in hand.run] == [key("b")]


def test_the_last_words_of_an_attempt_that_is_over_are_forgotten() -> None:
    class Words(str):
        """Words whose end can be seen."""

    scene = with_slots(1)
    say(scene, "a", Progress(0.1))
    scene.record()
    words = Words("nearly done")
    left = ref(words)
    say(scene, "a", Progress(0.9, words))
    del words
    assert left() is not None, "it is too early to put them on record"
    end(scene, ("a", 1, GOOD))
    scene.record()
    assert left() is None


def test_what_is_our_own_is_no_leftover_even_when_we_count_as_gone() -> None:
    scene = Scene()
    scene.loaded(*making(), take(ME), start("a"))
    scene.living.discard(ME)
    scene.claim(*making())
    assert names(scene.record()) == ["OwnershipTaken", "AttemptLost"]
    assert scene.leftovers == []
