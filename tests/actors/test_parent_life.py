"""How a parent comes to life, becomes ours, is given up and retires, one message at a time."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from actors.executors.work import Ending
from actors.messages import (
    Append,
    Appended,
    Hand,
    Load,
    Loaded,
    LoadedNews,
    LoadFailed,
    MayGo,
    News,
    Release,
    Request,
    Retire,
    Returned,
    Share,
    StopAttempts,
    Tick,
)
from events.commands import Command
from events.decide import decide_all
from events.errors import (
    ContentConflictError,
    RunHaltedError,
    RunNotFoundError,
    RunOwnedError,
    UnknownTaskError,
)
from events.evolve import INITIAL
from events.facts import ChildFinished
from events.limits import Limits
from events.log.record import Recorded
from events.strategy import ANY
from tests.actors.scenes import (
    BROKEN,
    GOOD,
    Waiting,
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
    cancel,
    cancel_child,
    change,
    create,
    finish,
    give_up,
    names,
    pause,
    resume,
    spec,
    start,
    take,
)

# Coming to life


def test_a_parent_reads_its_stream_first_and_looks_again_once_a_second() -> None:
    scene = Scene()
    assert scene.loader.take(Load) == [Load("p", scene.ref, 0.0)]
    assert scene.stage.take_timers(Tick) == [1.0]
    reply = scene.claim(*making())
    assert scene.journal.heard == []
    assert not reply.done()
    scene.tell(Loaded(INITIAL, 0))
    assert names(scene.append())[0] == "ParentCreated"
    assert scene.sent.expected_version == 0


def test_nothing_is_answered_shown_or_caused_before_it_is_on_record() -> None:
    scene = Scene()
    scene.loaded()
    assert scene.pool.take(Share) == [Share("p", scene.ref, 0, 0, 0, 0, 0, 1, again=True)]
    reply = scene.claim(*making())
    facts = scene.append()
    assert names(facts)[-1] == "OwnershipTaken"
    assert not reply.done()
    assert scene.observers.latest is None
    assert shares(scene) == [(3, 0)], "slots are asked for beforehand, see test_parent_invited"
    assert scene.pool.heard == []
    scene.tell(Appended(len(facts), 77))
    assert reply.result(0).owner == ME
    assert scene.observers.latest == (reply.result(0), 77)
    assert shares(scene) == []


def test_a_stream_that_is_there_is_shown_at_once_and_gone_on_with() -> None:
    scene = Scene()
    state = scene.loaded(*making(), take("another life"), start("b"))
    assert scene.observers.latest == (state, state.version)
    assert scene.journal.heard == []
    assert shares(scene) == [(0, 0)]
    reply = scene.claim(*making())
    assert names(scene.record()) == ["OwnershipTaken", "AttemptLost"]
    assert reply.result(0).epoch == 2
    assert shares(scene)[-1] == (3, 0)


def test_a_second_answer_of_the_loader_is_of_no_account() -> None:
    scene = begun()
    before = state_of(scene)
    _, older = decide_all(INITIAL, [create()])
    scene.tell(Loaded(older, 1))
    assert state_of(scene) is before
    scene.request(cancel())
    assert scene.append()
    assert scene.sent.expected_version == before.version


def test_what_cannot_be_read_ends_the_actor_and_whoever_waits_is_told() -> None:
    scene = Scene()
    reply = scene.claim(*making())
    quiet: Future[None] = Future()
    scene.tell(Release("closing", quiet))
    scene.tell(LoadFailed(BROKEN))
    assert scene.stage.deaths == [(scene.stage.deaths[0][0], BROKEN)]
    assert reply.exception(0) is BROKEN
    assert quiet.exception(0) is BROKEN


# Claims


@pytest.mark.parametrize("command", [pause(), resume(), cancel(), cancel_child("a"), change(max_workers=2)])
def test_what_is_asked_of_a_run_that_is_not_there_says_so(command: Command) -> None:
    scene = Scene()
    scene.loaded()
    reply = scene.request(command)
    with pytest.raises(RunNotFoundError, match="there is no run 'p' in this store"):
        reply.result(0)
    assert scene.journal.heard == []


def test_there_is_nothing_to_go_on_with_where_nothing_was_created() -> None:
    scene = Scene()
    scene.loaded()
    reply = scene.claim()
    assert isinstance(reply.exception(0), RunNotFoundError)
    assert scene.journal.heard == []
    assert set(scene.supervisor.take(MayGo)) == {MayGo("p", scene.ref)}


def test_other_content_is_refused_and_what_was_asked_beside_it_is_done() -> None:
    scene = Scene()
    scene.loaded(*making())
    cancelling = Waiting(cancel())
    scene.ref.tell(cancelling.request)
    other = scene.claim(*making(content="other"))
    assert "CancelRequested" in names(scene.record())
    assert isinstance(other.exception(0), ContentConflictError)
    assert cancelling.reply.result(0).status == "cancelled"


def test_a_refused_request_leaves_nothing_and_the_next_one_is_decided_from_before_it() -> None:
    scene = begun()
    bad = Waiting(cancel(), *making(content="other"))
    good = Waiting(cancel())
    scene.ref.tell(bad.request)
    scene.ref.tell(good.request)
    scene.stage.play()
    assert isinstance(bad.reply.exception(0), ContentConflictError)
    assert names(scene.record())[0] == "CancelRequested"
    assert good.reply.result(0).status == "cancelled"


def test_a_refused_request_without_anybody_waiting_is_dropped() -> None:
    scene = begun()
    scene.request(cancel())
    scene.record()
    scene.tell(Request(making(content="other")))
    assert scene.stage.deaths == []
    assert scene.journal.take(Append)[0:1] == []


def test_what_is_as_asked_already_is_answered_without_an_append() -> None:
    scene = begun()
    reply = scene.claim(*making())
    assert reply.result(0) is state_of(scene)
    assert scene.journal.heard == []


def test_a_run_of_a_living_owner_is_refused_or_followed() -> None:
    scene = Scene()
    scene.loaded(*making(), take("ann"))
    assert isinstance(scene.claim(*making()).exception(0), RunOwnedError)
    assert scene.claim(*making(), attach=True).result(0).owner == "ann"
    assert scene.journal.heard == []
    assert shares(scene) == [(0, 0)]


def test_a_follower_takes_over_once_the_owner_is_gone() -> None:
    scene = Scene()
    scene.loaded(*making(), take("ann"))
    scene.claim(*making(), attach=True)
    scene.tell(Tick)
    assert scene.journal.heard == []
    scene.living.discard("ann")
    scene.tell(Tick)
    assert names(scene.record()) == ["OwnershipTaken"]
    assert state_of(scene).owner == ME
    assert scene.stage.take_timers(Tick) == [1.0] * 3


def test_a_follower_takes_over_what_its_owner_gave_up() -> None:
    scene = Scene()
    scene.loaded(*making(), take("ann"))
    scene.claim(*making(), attach=True)
    facts, _ = decide_all(state_of(scene), [give_up("ann")])
    version = state_of(scene).version
    scene.tell(News)
    scene.tell(LoadedNews([Recorded("p", version + 1, facts[0], version + 1)]))
    scene.position += 1
    scene.tell(Tick)
    assert names(scene.record()) == ["OwnershipTaken"]


def test_who_only_left_a_request_does_not_take_over() -> None:
    scene = Scene()
    scene.loaded(*making(), take("ann"))
    scene.claim(attach=True, then=(cancel(),))
    assert "CancelRequested" in names(scene.record())
    scene = Scene()
    scene.loaded(*making(), take("ann"), start("a"))
    scene.living.discard("ann")
    scene.request(cancel())
    scene.record()
    scene.tell(Tick)
    assert scene.journal.heard == [], "nobody here asked for the parent to be worked on"


def test_a_settled_parent_is_not_taken_over() -> None:
    scene = Scene()
    scene.loaded(*making("a"), take("ann"), start("a"), finish("a"))
    scene.living.discard("ann")
    assert scene.claim(*making("a")).result(0).settled
    scene.tell(Tick)
    assert scene.journal.heard == []


def test_a_run_with_an_unknown_task_is_not_taken_over() -> None:
    scene = Scene(unknown_tasks=frozenset({"other"}))
    scene.loaded(*making("a", spec("b", task="other")))
    assert isinstance(scene.claim(*making("a", spec("b", task="other"))).exception(0), UnknownTaskError)
    assert scene.journal.heard == []


# The end


def test_what_runs_is_asked_to_stop_once_when_the_parent_is_decided() -> None:
    scene = with_slots(3, *"abcde", strategy=ANY)
    end(scene, ("b", 1, GOOD))
    facts = scene.record()
    assert names(facts) == ["ChildFinished", "ParentDecided", "ChildFinished", "ChildFinished"]
    assert child_ids(facts, ChildFinished) == ["b", "d", "e"], "those that never ran are skipped"
    stop = scene.pool.take(StopAttempts)
    assert stop == [StopAttempts([key("a"), key("c")], "1 of 5 succeeded, 1 required")]
    end(scene, ("a", 1, Ending("cancelled")))
    scene.record()
    assert scene.pool.take(StopAttempts) == []
    end(scene, ("c", 1, Ending("cancelled")))
    assert names(scene.record()) == ["ChildFinished", "ParentSettled"]
    assert set(scene.supervisor.take(MayGo)) == {MayGo("p", scene.ref)}
    assert shares(scene)[-1] == (0, 0)


def test_a_draining_decision_stops_nothing_that_runs() -> None:
    scene = with_slots(2, *"abc", strategy=ANY, on_decided="drain")
    end(scene, ("a", 1, GOOD))
    scene.record()
    assert scene.pool.take(StopAttempts) == []


def test_who_does_not_own_the_parent_stops_nothing() -> None:
    scene = Scene()
    scene.loaded(*making(), take("ann"), start("a"))
    scene.request(cancel())
    assert "ParentDecided" in names(scene.record())
    assert scene.pool.take(StopAttempts) == []
    assert scene.journal.heard == [], "nor does it skip the others"


def test_many_children_are_skipped_a_limited_number_at_a_time() -> None:
    scene = begun(*"abcde", scene=Scene(limits=Limits(append_events_max=2)))
    scene.request(cancel())
    assert names(scene.record())[:2] == ["CancelRequested", "ParentDecided"]
    turns = [child_ids(scene.record(), ChildFinished) for _ in range(2)]
    assert turns == [["c", "d"], ["e"]] or turns == [["a", "b"], ["c", "d"]]


def test_a_decision_is_on_record_before_many_children_are_skipped() -> None:
    many = [f"c{number}" for number in range(100)]
    scene = with_slots(2, *many, strategy=ANY)
    end(scene, ("c1", 1, GOOD))
    assert names(scene.record()) == ["ChildFinished", "ParentDecided"]
    assert state_of(scene).status == "succeeded", "whoever waits for the result has it now"
    assert scene.pool.take(StopAttempts) == [StopAttempts([key("c0")], "1 of 100 succeeded, 1 required")]
    assert child_ids(scene.record(), ChildFinished) == many[2:]


def test_a_parent_retires_where_nothing_has_come_up() -> None:
    scene = Scene()
    scene.loaded()
    scene.tell(Retire)
    assert not scene.ref.is_alive()
    scene = begun()
    scene.tell(Retire)
    assert scene.ref.is_alive()
    reply = scene.request(cancel())
    assert scene.append()
    assert not reply.done()
    scene.tell(Retire)
    assert scene.ref.is_alive()


def test_what_comes_after_it_went_goes_back_to_the_supervisor() -> None:
    scene = Scene()
    scene.loaded()
    request = Request((cancel(),), Future())
    for message in (Retire, request):
        scene.ref.tell(message)
    scene.stage.play()
    [returned] = scene.supervisor.take(Returned)
    assert returned.asked is request
    assert isinstance(returned.error, RunHaltedError)
    assert scene.stage.deaths == []


def test_a_settled_parent_stays_while_somebody_waits() -> None:
    scene = Scene()
    scene.loaded(*making("a"), take(), start("a"), finish("a"))
    scene.supervisor.take(MayGo)
    waiting = Waiting(cancel())
    scene.ref.tell(waiting.request)
    scene.ref.tell(Retire)
    scene.stage.play()
    assert scene.ref.is_alive()
    assert scene.record() == []
    assert waiting.reply.result(0).settled
    assert scene.ref.is_alive()
    scene.tell(Retire)
    assert not scene.ref.is_alive()
    assert scene.stage.deaths == []


def test_giving_up_puts_it_on_record_and_answers() -> None:
    scene = with_slots(2)
    reply: Future[None] = Future()
    scene.tell(Release("closing", reply))
    facts = scene.record()
    assert names(facts) == ["AttemptLost", "AttemptLost", "OwnershipReleased"]
    assert reply.result(0) is None
    assert sorted(found for hand in scene.pool.take(Hand) for found in hand.forget) == [key("a"), key("b")]
    assert shares(scene)[-1] == (0, 0)
    assert scene.journal.heard == []
