"""What a parent puts right once a second: questions without an answer, writers who said nothing, turns never taken."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from actors.directory import Tenure
from actors.messages import (
    Drain,
    Flush,
    Intervene,
    Load,
    LoadedNews,
    LoadNews,
    MayGo,
    News,
    Release,
    Retire,
    RetryDue,
    Tick,
)
from tests.actors.scenes import GOOD, Waiting, begun, end, making, state_of, with_slots
from tests.actors.stage import ME, Scene
from tests.events.scenario import cancel, cancel_child, create, finish, names, prepare, release, start, take


def ticks(scene: Scene, count: int) -> None:
    for _ in range(count):
        scene.tell(Tick)


# Answers that do not come


def test_an_append_is_sent_again_where_no_answer_comes() -> None:
    scene = begun()
    reply = scene.request(cancel())
    facts = scene.append()
    ticks(scene, 1)
    assert scene.journal.heard == [], "it may be on its way"
    ticks(scene, 1)
    assert scene.append() == facts
    ticks(scene, 1)
    assert scene.journal.heard == []
    ticks(scene, 1)
    assert scene.record() == facts
    assert reply.result(0).status == "cancelled"
    ticks(scene, 4)
    assert scene.journal.heard == []


def test_the_loader_is_asked_again_where_no_answer_comes() -> None:
    scene = Scene()
    asked = scene.loader.take(Load)
    ticks(scene, 1)
    assert scene.loader.heard == []
    ticks(scene, 1)
    assert scene.loader.take(Load) == asked

    scene = begun()
    scene.tell(News)
    more = scene.loader.take(LoadNews)
    ticks(scene, 1)
    assert scene.loader.heard == []
    ticks(scene, 1)
    assert scene.loader.take(LoadNews) == more


def test_who_waits_for_nothing_asks_nothing() -> None:
    scene = with_slots(1)
    ticks(scene, 4)
    assert scene.is_quiet


# Others who say nothing


def test_every_fifth_second_a_parent_looks_whether_others_wrote() -> None:
    scene = begun()
    for _ in range(2):
        ticks(scene, 4)
        assert scene.loader.heard == []
        ticks(scene, 1)
        assert scene.loader.take(LoadNews) == [LoadNews("p", state_of(scene).version, scene.ref, 0.0)]
        scene.tell(LoadedNews([]))


def test_a_turn_that_was_not_taken_is_taken_at_the_next_tick() -> None:
    scene = begun()
    scene.ref.tell(Waiting(cancel()).request)
    actor, envelope = scene.stage.queue.popleft()
    actor.on_receive(envelope.message)
    [(_, lost)] = scene.stage.queue
    assert lost.message is Flush
    scene.stage.queue.clear()
    ticks(scene, 1)
    assert names(scene.append())[0] == "CancelRequested"


# Following


def test_what_was_asked_goes_first_where_the_owner_is_gone() -> None:
    scene = Scene()
    scene.loaded(create(), prepare("a"), release(), take("ann"))
    scene.claim(attach=True)
    scene.request(prepare("b"))
    [sent] = scene.journal.take(Intervene)
    scene.request(prepare("c"))
    scene.living.discard("ann")
    ticks(scene, 1)
    assert names(scene.intervene(sent)) == ["ChildPrepared"]
    assert names(scene.record()) == ["ChildPrepared"]
    ticks(scene, 1)
    assert names(scene.record()) == ["OwnershipTaken"]


def test_a_tick_keeps_no_follower_of_a_parent_that_is_over() -> None:
    scene = Scene()
    scene.loaded(*making("a"), take("ann"), start("a"), finish("a"))
    assert scene.claim(attach=True).result(0).settled
    for message in (Tick, Retire):
        scene.ref.tell(message)
    scene.stage.play()
    assert not scene.ref.is_alive()


def test_who_is_closing_takes_nothing_over() -> None:
    scene = with_slots(1)
    scene.tell(Drain)
    scene.tell(Release("the orchestrator was closed", Future()))
    assert names(scene.record())[-1] == "OwnershipReleased"
    ticks(scene, 1)
    assert scene.journal.heard == [], "it was given up just now"

    scene = Scene()
    scene.loaded(*making(), take("ann"))
    scene.claim(attach=True)
    scene.tell(Drain)
    scene.living.discard("ann")
    ticks(scene, 1)
    assert scene.journal.heard == [], "whoever takes it over has to start its children"


# What nobody works on


def test_what_is_ours_by_the_record_alone_is_taken_once_more_where_it_is_wanted() -> None:
    scene = Scene(tenure=Tenure(wanted=True))
    scene.loaded(*making(), take(ME), start("a"))
    ticks(scene, 1)
    assert names(scene.record()) == ["OwnershipTaken", "AttemptLost"]
    ticks(scene, 1)
    assert scene.journal.heard == []


def test_what_is_ours_by_the_record_alone_is_given_up_where_nobody_wants_it() -> None:
    scene = Scene()
    scene.loaded(*making(), take(ME), start("a"))
    scene.request(cancel_child("b"))
    scene.intervene(*scene.journal.take(Intervene))
    ticks(scene, 1)
    assert names(scene.record()) == ["AttemptLost", "OwnershipReleased"]
    for message in (Tick, Retire):
        scene.ref.tell(message)
    scene.stage.play()
    assert not scene.ref.is_alive()


@pytest.mark.parametrize("tenure", [Tenure(over=True), Tenure(over=True, wanted=True)])
def test_a_halted_parent_is_left_to_its_burial(tenure: Tenure) -> None:
    scene = Scene(tenure=tenure)
    scene.loaded(*making(), take(ME), start("a"))
    ticks(scene, 1)
    assert scene.journal.heard == []


# How often


@pytest.mark.parametrize(("live", "seconds"), [(1, 1.0), (500, 1.0), (5_000, 10.0)])
def test_a_parent_looks_once_a_second_and_less_often_where_very_many_live(live: int, seconds: float) -> None:
    scene = Scene(live_runs=live)
    assert scene.stage.take_timers(Tick) == [seconds], "when it began"
    scene.live_runs = 1
    ticks(scene, 1)
    assert scene.stage.take_timers(Tick) == [1.0], "as many as live then"


# Going


def test_a_parent_that_is_over_says_again_that_it_may_go_whatever_comes() -> None:
    scene = with_slots(1, "a")
    end(scene, ("a", 1, GOOD))
    scene.record()
    for message in (Tick, RetryDue):
        scene.supervisor.heard.clear()
        scene.tell(message)
        assert scene.supervisor.take(MayGo) == [MayGo("p", scene.ref)]


def test_a_parent_that_is_not_over_asks_for_no_leave() -> None:
    scene = with_slots(1)
    scene.supervisor.heard.clear()
    ticks(scene, 1)
    assert scene.supervisor.heard == []


def test_a_parent_that_was_given_up_may_go() -> None:
    scene = Scene()
    scene.loaded(*making(), take(ME))
    scene.tell(Release("the run was halted", Future()))
    assert names(scene.record()) == ["OwnershipReleased"]
    scene.supervisor.heard.clear()
    ticks(scene, 1)
    assert scene.supervisor.take(MayGo) == [MayGo("p", scene.ref)]
    scene.tell(Retire)
    assert not scene.ref.is_alive()
