"""What a parent has decided in the store, because another process works on it, and what comes back from there."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Final

from actors.executors.work import Ending
from actors.messages import Append, Claim, Conflicted, Intervene, Intervened, LoadedNews, Tick
from events.commands import Command
from events.errors import RunHaltedError
from events.facts import AttemptEndedLate
from events.limits import DEFAULT_LIMITS, Limits
from events.state import ParentState
from events.strategy import ANY
from tests.actors.scenes import Waiting, end, making, state_of
from tests.actors.stage import ME, Scene
from tests.events.scenario import cancel_child, lose, names, pause, resume, start, take

LATE: Final = Ending("succeeded", "1", late=True)
CANCELLED: Final = ["ChildCancelRequested", "ChildFinished"]


def followed(*more: Command, limits: Limits = DEFAULT_LIMITS) -> Scene:
    """Return a scene in which somebody who lives works on the parent."""
    scene = Scene(limits=limits)
    scene.loaded(*making(strategy=ANY), take("ann"), *more)
    return scene


def conflict(scene: Scene) -> None:
    """Let the journal say that what was sent has to be judged anew, though nothing new is on record."""
    assert len(scene.journal.take(Intervene)) == 1
    scene.tell(Conflicted(state_of(scene).version))
    scene.tell(LoadedNews([]))


def test_what_ended_here_too_late_is_noted_on_another_ones_parent_though_nobody_asks_for_anything() -> None:
    scene = followed(start("a"), lose("a"), start("a"))
    end(scene, ("a", 1, LATE))
    assert scene.journal.take(Append) == [], "which is no race for the owner's next version"
    [fact] = scene.record()
    assert isinstance(fact, AttemptEndedLate)
    assert (fact.child_id, fact.attempt, fact.outcome) == ("a", 1, "succeeded")


def test_what_is_to_be_decided_here_waits_for_what_the_store_decides() -> None:
    scene = followed()
    reply: Future[ParentState] = Future()
    scene.ref.tell(Waiting(cancel_child("a")).request)
    scene.ref.tell(Claim((), attach=False, reply=reply, take_over=True))
    scene.stage.play()
    assert scene.journal.take(Append) == []
    assert names(scene.record()) == CANCELLED
    assert names(scene.record()) == ["OwnershipTaken"]
    assert reply.result(0).owner == ME


def test_an_answer_that_comes_twice_is_heard_once() -> None:
    scene = followed()
    first = scene.request(cancel_child("a"))
    [sent] = scene.journal.take(Intervene)
    facts = scene.intervene(sent)
    state = first.result(0)
    scene.tell(Intervened(sent.number, facts, state, scene.position, {}))
    assert scene.stage.deaths == []
    assert state_of(scene).version == state.version
    scene.request(cancel_child("b"))
    assert names(scene.record()) == CANCELLED


def test_conflicts_with_interventions_between_them_halt_nothing() -> None:
    scene = followed(limits=Limits(conflict_retries_max=1))
    for child_id in "abc":
        scene.request(cancel_child(child_id))
        conflict(scene)
        scene.record()
    assert scene.stage.deaths == []
    assert state_of(scene).settled


def test_conflicts_after_an_intervention_are_counted_from_the_first_one() -> None:
    scene = followed(limits=Limits(conflict_retries_max=1))
    scene.request(cancel_child("a"))
    scene.record()
    reply = scene.request(cancel_child("b"))
    conflict(scene)
    assert not reply.done()
    scene.tell(Conflicted(state_of(scene).version))
    assert isinstance(reply.exception(0), RunHaltedError)


def test_whoever_has_another_ones_parent_go_on_wants_it_and_takes_it_once_its_owner_is_gone() -> None:
    scene = followed(pause())
    reply = scene.claim(attach=True, then=(resume(),))
    assert names(scene.record()) == ["Resumed"]
    assert reply.result(0).owner == "ann"
    scene.living.discard("ann")
    scene.tell(Tick)
    assert names(scene.record()) == ["OwnershipTaken"]


def test_whoever_only_stops_something_of_another_ones_parent_does_not_want_it() -> None:
    scene = followed()
    scene.claim(attach=True, then=(cancel_child("a"),))
    assert names(scene.record()) == CANCELLED
    scene.living.discard("ann")
    scene.tell(Tick)
    assert scene.is_quiet
