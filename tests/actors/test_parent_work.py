"""What a parent lets run, and when: slots, workers, retries, deadlines."""

from __future__ import annotations

import pytest

from actors.directory import Tenure
from actors.executors.work import Ending, Work
from actors.messages import (
    Appended,
    DeadlineDue,
    Drain,
    Hand,
    News,
    RetryDue,
    Tick,
)
from events.commands import Cancel
from events.facts import ChildFinished, ChildLimits, ChildStarted
from tests.actors.scenes import (
    BAD,
    GOOD,
    begun,
    child_ids,
    end,
    key,
    making,
    shares,
    state_of,
    with_slots,
)
from tests.actors.stage import ME, Scene
from tests.events.scenario import (
    AT,
    SECOND,
    cancel,
    finish,
    names,
    spec,
    start,
    take,
)

# Slots, starts and work


def test_children_start_as_there_are_slots_and_are_handed_out_once_that_is_on_record() -> None:
    scene = begun("a", spec("b", ChildLimits(timeout_seconds=7.5), task="t", input_text="[1]"), "c")
    shares(scene)
    scene.allot(2, 1)
    facts = scene.append()
    assert facts == [
        ChildStarted(at=AT, child_id="a", attempt=1, worker="1"),
        ChildStarted(at=AT, child_id="b", attempt=1, worker="2"),
    ]
    assert scene.pool.take(Hand) == []
    scene.tell(Appended(scene.sent.expected_version + 2, scene.position + 2))
    work = [Work(key("a"), 0, "work", "null", None), Work(key("b"), 1, "t", "[1]", 7.5)]
    assert scene.pool.take(Hand) == [Hand("p", scene.ref, work, [], 1)]
    assert shares(scene) == [(3, 0)], "which says that the allotment was seen; that it is used goes without saying"
    assert scene.journal.heard == []


def test_an_older_allotment_that_comes_late_is_of_no_account() -> None:
    scene = begun()
    scene.allot(1, 2)
    scene.allot(3, 1)
    assert child_ids(scene.record(), ChildStarted) == ["a"]
    assert scene.journal.heard == []


def test_no_more_start_than_the_parent_may_have_whatever_the_pool_gives() -> None:
    scene = begun(*"abc", max_workers=2)
    assert shares(scene) == [(2, 0)]
    scene.allot(9, 1)
    assert child_ids(scene.record(), ChildStarted) == ["a", "b"]
    assert scene.journal.heard == []


def test_an_ending_and_the_start_that_it_makes_room_for_go_on_record_together() -> None:
    scene = with_slots(1)
    end(scene, ("a", 1, GOOD))
    facts = scene.record()
    assert names(facts) == ["ChildFinished", "ChildStarted"]
    assert facts[1] == ChildStarted(at=AT, child_id="b", attempt=1, worker="1"), "the worker is free again"
    hand = scene.pool.take(Hand)
    assert [list(one.forget) for one in hand] == [[key("a")]]
    assert [work.key for one in hand for work in one.run] == [key("b")]


def test_what_arrives_while_an_append_is_under_way_goes_along_with_the_next_one() -> None:
    scene = with_slots(2, *"abcd")
    end(scene, ("a", 1, GOOD))
    scene.append()
    end(scene, ("b", 1, GOOD))
    reply = scene.request(Cancel(at=AT, reason="x"))
    assert scene.journal.heard == [], "one append at a time"
    scene.tell(Appended(scene.sent.expected_version + len(scene.sent.facts), 30))
    facts = scene.append()
    assert names(facts)[0] == "CancelRequested"
    assert child_ids(facts, ChildFinished) == ["b", "d"]
    assert not reply.done()


def test_workers_are_named_by_the_lowest_number_that_is_free() -> None:
    scene = with_slots(3, *"abcdef")
    end(scene, ("c", 1, GOOD), ("b", 1, GOOD))
    facts = scene.record()
    assert [fact.worker for fact in facts if isinstance(fact, ChildStarted)] == ["2", "3"]


def test_an_ending_of_an_attempt_that_does_not_run_is_forgotten_at_once() -> None:
    scene = with_slots(1)
    end(scene, ("a", 7, GOOD), ("z", 1, GOOD))
    assert scene.journal.heard == []
    assert scene.pool.take(Hand) == [Hand("p", scene.ref, (), [key("a", 7), key("z")], 2)]
    assert state_of(scene).running_count == 1
    end(scene, ("a", 1, GOOD))
    facts = scene.record()
    assert isinstance(facts[1], ChildStarted)
    assert facts[1].worker == "1"


def test_a_lost_attempt_runs_again_and_its_worker_is_free() -> None:
    scene = with_slots(1)
    end(scene, ("a", 1, Ending(None, lost="killed")))
    facts = scene.record()
    assert names(facts) == ["AttemptLost", "ChildStarted"]
    assert facts[1] == ChildStarted(at=AT, child_id="b", attempt=1, worker="1")
    forget = [found for hand in scene.pool.take(Hand) for found in hand.forget]
    assert set(forget) == {key("a", 1)}
    end(scene, ("b", 1, GOOD))
    assert scene.record()[1] == ChildStarted(at=AT, child_id="a", attempt=2, worker="1")


def test_a_draining_parent_starts_nothing_and_wants_only_what_it_uses() -> None:
    scene = with_slots(1)
    scene.tell(Drain)
    assert shares(scene) == [(1, 1)]
    end(scene, ("a", 1, GOOD))
    assert names(scene.record()) == ["ChildFinished"]
    assert shares(scene)[-1] == (0, 0)
    scene.allot(3, 2)
    assert scene.journal.heard == []


def test_a_start_under_way_counts_as_used() -> None:
    scene = begun()
    shares(scene)
    scene.allot(2, 1)
    scene.append()
    scene.tell(RetryDue)
    scene.allot(1, 2)
    assert shares(scene)[-1] == (3, 2)


def test_no_turn_is_taken_where_nothing_can_follow() -> None:
    scene = begun()
    scene.allot(1, 1)
    scene.append()
    scene.ref.tell(Appended(scene.sent.expected_version + 1, 20))
    actor, envelope = scene.stage.queue.popleft()
    actor.on_receive(envelope.message)
    assert state_of(scene).running_count == 1
    told = [envelope.message for receiver, envelope in scene.stage.queue if receiver is actor]
    assert told == [], "neither slots nor children have come free"


# Retries and deadlines


def test_a_retry_waits_for_its_time_without_wanting_a_slot() -> None:
    scene = with_slots(1, spec("a", ChildLimits(max_attempts=2, initial_seconds=5)))
    end(scene, ("a", 1, BAD))
    assert names(scene.record()) == ["ChildRetryScheduled"]
    assert scene.stage.take_timers(RetryDue) == [5.0]
    assert shares(scene)[-1] == (0, 0)
    scene.tell(Tick)
    assert scene.journal.heard == []
    scene.stage.seconds += 5.0
    scene.tell(RetryDue)
    assert shares(scene)[-1] == (1, 0)
    scene.allot(1, 2)
    assert child_ids(scene.record(), ChildStarted) == ["a"]


def test_who_goes_on_with_a_parent_sets_the_timers_of_its_retries() -> None:
    scene = Scene()
    scene.stage.at += 2 * SECOND
    limits = ChildLimits(max_attempts=2, initial_seconds=5)
    scene.loaded(*making(spec("a", limits), spec("b", limits), "c"), take(), start("a"), start("b"))
    assert scene.stage.take_timers(RetryDue) == []
    scene = Scene()
    scene.stage.at += 2 * SECOND
    past = (*making(spec("a", limits), spec("b", limits)), take(), start("a"), start("b"))
    scene.loaded(*past, finish("a", "failed"), finish("b", "failed"))
    assert scene.stage.take_timers(RetryDue) == [pytest.approx(3.0)] * 2


def test_a_retry_that_is_due_already_needs_no_timer() -> None:
    scene = Scene()
    limits = ChildLimits(max_attempts=2, initial_seconds=5)
    scene.stage.at += 5 * SECOND
    scene.loaded(*making(spec("a", limits)), take(), start("a"), finish("a", "failed"))
    assert scene.stage.take_timers(RetryDue) == []


def test_the_parents_deadline_is_counted_from_its_creation() -> None:
    scene = Scene()
    scene.stage.at += 4 * SECOND
    scene.loaded(*making(timeout_seconds=10.0))
    assert scene.stage.take_timers(DeadlineDue) == [pytest.approx(6.0)]
    scene.claim(*making(timeout_seconds=10.0))
    scene.record()
    assert scene.stage.take_timers(DeadlineDue) == [], "set once"
    scene.tell(DeadlineDue)
    assert scene.is_quiet, "the timer of another deadline, before a redrive"
    scene.stage.seconds += 6.0
    scene.tell(DeadlineDue)
    assert names(scene.record()) == ["DeadlinePassed", "ParentDecided", *["ChildFinished"] * 3, "ParentSettled"]


def test_a_deadline_is_set_when_the_parent_is_created() -> None:
    scene = begun(timeout_seconds=10.0)
    assert scene.stage.take_timers(DeadlineDue) == [pytest.approx(10.0)]
    assert begun().stage.take_timers(DeadlineDue) == []


@pytest.mark.parametrize(("passed", "left"), [(25, 0.0), (-25, 10.0)])
def test_a_clock_that_jumped_neither_lengthens_a_deadline_nor_makes_it_negative(passed: int, left: float) -> None:
    scene = Scene()
    scene.stage.at += passed * SECOND
    scene.loaded(*making(timeout_seconds=10.0))
    assert scene.stage.take_timers(DeadlineDue) == [left]


def test_a_decided_parent_needs_no_deadline() -> None:
    scene = Scene()
    scene.loaded(*making(timeout_seconds=10.0), take(), cancel())
    assert scene.stage.take_timers(DeadlineDue) == []


# Once a second


def test_every_second_the_wish_is_repeated_and_what_has_run_for_a_while_is_handed_out_again() -> None:
    scene = with_slots(2)
    scene.stage.take_timers(Tick)
    scene.tell(Tick)
    assert scene.stage.take_timers(Tick) == [1.0]
    assert shares(scene) == [(3, 2)]
    assert scene.pool.take(Hand) == [], "what was just started is under way"
    scene.tell(Tick)
    [hand] = scene.pool.take(Hand)
    assert sorted(work.key for work in hand.run) == [key("a"), key("b")]
    assert list(hand.forget) == []
    end(scene, ("a", 1, GOOD))
    scene.record()
    scene.pool.heard.clear()
    scene.tell(Tick)
    [hand] = scene.pool.take(Hand)
    assert [work.key for work in hand.run] == [key("b")]


def test_a_tick_while_reading_only_sets_the_next_one() -> None:
    scene = with_slots(2)
    scene.tell(Tick)
    scene.tell(News)
    scene.stage.take_timers(Tick)
    scene.pool.heard.clear()
    scene.tell(Tick)
    assert scene.stage.take_timers(Tick) == [1.0]
    assert scene.pool.heard == []


def test_an_actor_that_takes_the_place_of_another_goes_on_where_that_one_was() -> None:
    scene = Scene(tenure=Tenure(working=True))
    scene.loaded(*making(), take(ME), start("b"))
    assert scene.journal.heard == []
    assert shares(scene) == [(3, 1)]
    [hand] = scene.pool.take(Hand)
    assert [work.key for work in hand.run] == [key("b")]
    scene.allot(2, 1)
    facts = scene.record()
    assert facts == [ChildStarted(at=AT, child_id="a", attempt=1, worker="1")]
