"""A parent in the less usual orders of things: what comes twice, late, or while something else is under way."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Final

from actors.directory import Tenure
from actors.endings import Endings
from actors.messages import (
    Append,
    AttemptsEnded,
    Claim,
    Conflicted,
    Drain,
    Flush,
    Hand,
    Loaded,
    LoadedNews,
    LoadFailed,
    LoadNews,
    MayGo,
    News,
    Release,
    Request,
    Retire,
    RetryDue,
    Returned,
    Share,
    Tick,
)
from events.commands import Command, LoseAttempt, StartChild
from events.errors import RunHaltedError
from events.evolve import INITIAL
from events.facts import ChildFinished, ChildLimits, ChildStarted
from events.state import ParentState
from tests.actors.scenes import (
    BAD,
    BROKEN,
    GOOD,
    Waiting,
    begun,
    child_ids,
    end,
    key,
    making,
    news,
    shares,
    state_of,
    with_slots,
    written,
)
from tests.actors.stage import ME, Scene
from tests.events.scenario import AT, SECOND, cancel, create, finish, lose, names, prepare, release, spec, start, take

OPEN: Final[tuple[Command, ...]] = (create(), prepare(*"ab"), release())
"""A parent that more children may join."""


def numbered(child_id: str, worker: str) -> StartChild:
    return StartChild(at=AT, child_id=child_id, worker=worker)


def busy() -> Scene:
    """Return a scene in which one child runs, no slot is free, and a further child is on its way to the record."""
    scene = Scene()
    scene.loaded()
    scene.claim(*OPEN)
    scene.record()
    scene.allot(1, 1)
    scene.record()
    scene.request(prepare("c"))
    scene.append()
    scene.pool.heard.clear()
    scene.supervisor.heard.clear()
    return scene


# What comes while an append is under way


def test_what_was_asked_meanwhile_is_decided_next() -> None:
    scene = busy()
    scene.request(prepare("d"))
    assert scene.journal.heard == []
    written(scene)
    assert names(scene.append()) == ["ChildPrepared"]


def test_what_ended_meanwhile_is_decided_next() -> None:
    scene = busy()
    end(scene, ("a", 1, GOOD))
    written(scene)
    assert names(scene.append())[0] == "ChildFinished"


def test_what_others_wrote_meanwhile_is_read_next() -> None:
    scene = busy()
    scene.tell(News)
    written(scene)
    assert scene.loader.take(LoadNews) == [LoadNews("p", state_of(scene).version, scene.ref, 0.0)]


def test_slots_that_came_meanwhile_are_used_next() -> None:
    scene = busy()
    scene.allot(2, 2)
    written(scene)
    assert child_ids(scene.append(), ChildStarted) == ["b"]


def test_an_actor_goes_when_the_last_outcome_is_on_record() -> None:
    scene = with_slots(1, "a")
    scene.supervisor.heard.clear()
    end(scene, ("a", 1, GOOD))
    scene.record()
    assert scene.supervisor.take(MayGo) == [MayGo("p", scene.ref)]


def test_what_queues_up_shares_one_turn() -> None:
    scene = begun()
    for request in (Waiting(cancel()), Waiting(cancel())):
        scene.ref.tell(request.request)
    told = [scene.stage.queue.popleft() for _ in range(2)]
    for actor, envelope in told:
        actor.on_receive(envelope.message)
    assert [envelope.message for _, envelope in scene.stage.queue] == [Flush]
    scene.stage.play()
    assert scene.append()


# Workers' names


def test_a_worker_named_in_vain_is_named_again_after_a_conflict() -> None:
    scene = begun()
    scene.allot(2, 1)
    first = scene.append()
    scene.tell(Conflicted(state_of(scene).version))
    scene.tell(LoadedNews([]))
    assert scene.append() == first


def test_workers_of_a_restarted_actor_are_named_on_from_the_record() -> None:
    scene = Scene(tenure=Tenure(working=True))
    scene.loaded(*making(), take(ME), numbered("b", "1"))
    scene.allot(2, 1)
    assert scene.record() == [ChildStarted(at=AT, child_id="a", attempt=1, worker="2")]


def test_what_was_lost_in_a_take_over_frees_its_worker() -> None:
    scene = Scene()
    scene.loaded(*making(), take(ME), numbered("a", "1"), numbered("b", "2"))
    scene.claim(*making())
    assert names(scene.record()) == ["OwnershipTaken", "AttemptLost", "AttemptLost"]
    scene.allot(3, 1)
    assert [fact.worker for fact in scene.record() if isinstance(fact, ChildStarted)] == ["1", "2", "3"]


def test_a_stale_ending_frees_no_worker() -> None:
    scene = with_slots(2, *"abcd")
    end(scene, ("a", 7, GOOD))
    end(scene, ("b", 1, GOOD))
    facts = scene.record()
    assert [fact.worker for fact in facts if isinstance(fact, ChildStarted)] == ["2"]


# Whose the parent is


def test_being_claimed_again_changes_nothing() -> None:
    scene = begun()
    scene.claim(*making())
    scene.allot(1, 1)
    assert child_ids(scene.record(), ChildStarted) == ["a"]


def test_a_parent_that_is_ours_on_record_is_not_worked_on_before_it_is_claimed() -> None:
    scene = Scene()
    scene.loaded(*making(), take(ME))
    scene.allot(2, 1)
    assert scene.journal.heard == []
    scene.tell(Tick)
    assert names(scene.record()) == ["OwnershipReleased"], "nor kept from whoever wants it"
    assert {share.wanted for share in scene.pool.take(Share)} <= {0}


def test_who_only_follows_uses_no_slots() -> None:
    scene = Scene()
    scene.loaded(*making(), take("ann"), start("a"))
    scene.claim(*making(), attach=True)
    scene.tell(Drain)
    assert shares(scene) == [(0, 0)]


def test_a_wish_to_go_on_with_the_parent_outlasts_requests_that_do_not_need_it() -> None:
    scene = Scene()
    scene.loaded(*making(), take("ann"), start("a"))
    scene.claim(*making(), attach=True)
    scene.claim(attach=True, then=(prepare("a"),))
    assert scene.record() == []
    scene.living.discard("ann")
    scene.tell(Tick)
    assert names(scene.record())[0] == "OwnershipTaken"


def test_what_another_owner_starts_is_not_run_here() -> None:
    scene = Scene()
    scene.loaded(*making(), take("ann"))
    scene.claim(*making(), attach=True)
    scene.tell(News)
    scene.tell(news(scene, start("a")))
    assert state_of(scene).running_count == 1
    assert scene.pool.take(Hand) == []


# What is handed out


def test_what_has_ended_again_is_not_handed_out() -> None:
    """Our own facts, found on record after their answer was lost, together with what became of them."""
    scene = Scene(tenure=Tenure(working=True))
    scene.loaded(*making(spec("a", ChildLimits(max_attempts=3)), "b", "c"), take(ME))
    scene.tell(News)
    again = (start("a"), LoseAttempt(at=AT, child_id="a", attempt=1, reason="x"), start("a"))
    scene.tell(news(scene, *again, start("b"), lose("b"), start("c"), finish("c")))
    [hand] = scene.pool.take(Hand)
    assert [work.key for work in hand.run] == [key("a", 2)]
    assert list(hand.forget) == [key("a", 1), key("b", 1)]


def test_the_pool_is_told_who_wants_and_only_what_it_does_not_know() -> None:
    scene = begun()
    assert scene.pool.take(Share) == [Share("p", scene.ref, 3, 0, 0, 0, 0, 2)]
    scene.tell(RetryDue)
    assert scene.pool.heard == []


def test_a_retry_without_a_wait_needs_no_timer() -> None:
    scene = with_slots(1, spec("a", ChildLimits(max_attempts=3)))
    end(scene, ("a", 1, BAD))
    assert names(scene.record()) == ["ChildRetryScheduled"]
    assert scene.stage.take_timers(RetryDue) == []
    assert child_ids(scene.record(), ChildStarted) == ["a"]


def test_a_wait_goes_by_the_clock_that_never_jumps() -> None:
    scene = with_slots(1, spec("a", ChildLimits(max_attempts=3, initial_seconds=5)))
    end(scene, ("a", 1, BAD))
    scene.record()
    scene.stage.at += 60 * SECOND
    scene.tell(Tick)
    assert scene.journal.heard == []
    scene.stage.at -= 120 * SECOND
    scene.stage.seconds += 5.0
    scene.pool.heard.clear()
    scene.tell(RetryDue)
    assert shares(scene) == [(1, 0)]
    scene.allot(1, 2)
    started = ChildStarted(at=AT + 65 * SECOND, child_id="a", attempt=2, worker="1")
    assert scene.record() == [started], "time on record goes on from the latest that was known"


# Going


def settled(*more: Command) -> Scene:
    scene = Scene()
    scene.loaded(*making("a"), take(), start("a"), finish("a"), *more)
    scene.supervisor.heard.clear()
    return scene


def test_an_actor_stays_while_it_has_something_to_see_to() -> None:

    scene = settled()
    left = Endings(lambda _: None)
    left.put(key("a"), GOOD)
    scene.ref.tell(AttemptsEnded(left))
    scene.ref.tell(Retire)
    scene.stage.play()
    assert scene.ref.is_alive()
    assert [list(hand.forget) for hand in scene.pool.take(Hand)] == [[key("a")]]

    scene = settled()
    scene.tell(News)
    scene.tell(Retire)
    assert scene.ref.is_alive()

    scene = Scene()
    scene.loaded()
    scene.claim(*making())
    scene.append()
    scene.tell(Retire)
    assert scene.ref.is_alive(), "its first facts are on their way to the record"


def test_what_comes_after_its_death_goes_back_to_the_supervisor() -> None:
    scene = begun()
    request, claim = Request((cancel(),), Future()), Claim(making(), attach=True, reply=Future())
    release = Release("bye", Future())
    for message in (LoadFailed(BROKEN), request, claim, release, Tick, Loaded(INITIAL, 0)):
        scene.ref.tell(message)
    scene.stage.play()
    assert scene.supervisor.take(Returned) == [Returned("p", asked, BROKEN) for asked in (request, claim, release)]
    assert len(scene.stage.deaths) == 1


def test_what_it_dies_of_is_refused() -> None:
    scene = begun()
    reply: Future[ParentState] = Future()
    actor = scene.ref._actor_weakref()  # as a runtime does that lets it die in a handler
    assert actor is not None
    actor.reject(Request((cancel(),), reply))
    assert isinstance(reply.exception(0), RunHaltedError)
    assert scene.supervisor.take(Returned) == []


def test_nothing_is_put_on_record_twice_for_what_is_asked_twice() -> None:
    scene = begun()
    first, second = Waiting(cancel()), Waiting(cancel())
    scene.ref.tell(first.request)
    scene.ref.tell(second.request)
    scene.stage.play()
    facts = scene.record()
    assert names(facts).count("CancelRequested") == 1
    assert child_ids(facts, ChildFinished) == ["a", "b", "c"]
    assert first.reply.result(0) is second.reply.result(0)
    assert scene.journal.take(Append) == []
