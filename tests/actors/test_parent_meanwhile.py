"""What comes to a parent's actor while it reads, or waits for the journal: in which order it is seen to."""

from __future__ import annotations

from actors.messages import Intervene, News, RetryDue, Tick
from events.facts import ChildFinished, ChildLimits
from events.strategy import ANY
from tests.actors.scenes import (
    BAD,
    GOOD,
    Waiting,
    begun,
    child_ids,
    end,
    making,
    news,
    shares,
    with_slots,
    written,
)
from tests.actors.stage import ME, Scene
from tests.events.scenario import cancel_child, names, pause, spec, start, take


def test_a_turn_that_was_due_when_the_parent_began_to_read_waits_for_what_it_reads() -> None:
    scene = begun(strategy=ANY)
    waiting = Waiting(cancel_child("a"))
    scene.ref.tell(waiting.request)
    scene.ref.tell(News)
    scene.stage.play()
    assert scene.journal.heard == [], "somebody may have written"
    scene.tell(news(scene, cancel_child("b")))
    assert child_ids(scene.record(), ChildFinished) == ["a"]
    assert waiting.reply.result(0).cancelled == 2


def test_endings_that_came_one_after_the_other_during_an_append_keep_their_order() -> None:
    scene = with_slots(2, *"abcd", max_workers=2, strategy=ANY)
    scene.request(cancel_child("d"))
    scene.append()
    end(scene, ("b", 1, BAD))
    end(scene, ("a", 1, GOOD))
    written(scene)
    assert child_ids(scene.append(), ChildFinished)[:2] == ["b", "a"]


def test_the_pool_hears_at_once_of_a_wait_that_is_over_during_an_append() -> None:
    scene = with_slots(1, spec("a", ChildLimits(max_attempts=2, initial_seconds=5)), "b", strategy=ANY)
    end(scene, ("a", 1, BAD))
    assert names(scene.record()) == ["ChildRetryScheduled", "ChildStarted"]
    scene.request(pause())
    scene.append()
    assert shares(scene)[-1] == (1, 1)
    scene.stage.seconds += 5.0
    scene.tell(RetryDue)
    assert shares(scene) == [(2, 1)]


def test_a_claim_that_waits_for_an_append_is_not_undone_by_a_look_that_came_before_it() -> None:
    scene = Scene()
    scene.loaded(*making(strategy=ANY), take(ME), start("a"))
    scene.request(cancel_child("b"))
    [sent] = scene.journal.take(Intervene)
    reply = scene.claim()
    scene.tell(Tick)
    scene.intervene(sent)
    assert names(scene.record()) == ["OwnershipTaken", "AttemptLost"], "nobody gives it up"
    assert reply.result(0).owner == ME
