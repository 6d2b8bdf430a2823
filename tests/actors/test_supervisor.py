"""The supervisor: who is brought to life, who is restarted and after how long, and who is halted."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from actors.directory import Tenure
from actors.executors.work import AttemptKey
from actors.messages import (
    Append,
    Claim,
    Died,
    Drain,
    Hand,
    Load,
    Loaded,
    LoadedNews,
    LoadFailed,
    MayGo,
    News,
    ParentLeft,
    Retired,
    RetryDue,
    Share,
    StopAttempts,
    Tick,
    ToParent,
    Whereabouts,
)
from actors.parent import ParentActor
from actors.runtime import Runtime, deliver
from actors.supervisor import Service, SupervisorActor
from events.decide import decide_all
from events.errors import LimitExceededError, RunHaltedError
from events.evolve import INITIAL
from events.limits import Limits
from events.state import ParentState
from tests.actors.crew import GONE, MAKING, MISTAKE, Crew
from tests.actors.stage import Probe
from tests.events.scenario import start, take


def test_the_supervisor_begins_every_service_once(crew: Crew) -> None:
    for name, made in crew.made.items():
        assert len(made) == 1
        assert crew.addresses[name].ref is made[0].actor_ref


def test_a_supervisor_that_takes_anothers_place_leaves_living_services_alone(crew: Crew) -> None:
    crew.service("pool").actor_stopped.set()
    crew.supervisor = crew.stage.spawn(lambda rt: _again(rt, crew))
    crew.stage.play()
    assert crew.ring() == [0.0]
    assert {name: len(made) for name, made in crew.made.items()} == {"journal": 1, "loader": 1, "pool": 2}


def _again(runtime: Runtime, crew: Crew) -> SupervisorActor:
    services = tuple(Service(name, crew.addresses[name], crew._maker(name)) for name in crew.made)
    return SupervisorActor(runtime, crew.stage.note_death, crew.around, crew.directory, services)


# Parents


def test_a_parent_is_brought_to_life_by_its_first_message_and_lives_on(crew: Crew) -> None:
    crew.claim()
    first = crew.live().ref
    crew.claim()
    assert crew.live().ref is first
    assert crew.service("loader").take(Load) == [Load("p", first, 0.0)]
    crew.claim("other")
    assert sorted(crew.directory.live) == ["other", "p"]
    assert crew.live("other").ref is not first


def test_a_parent_that_is_over_retires_and_is_brought_to_life_again_when_asked(crew: Crew) -> None:
    crew.tell(ToParent("p", RetryDue))
    first = crew.live().ref
    first.tell(Loaded(INITIAL, 0))
    crew.stage.play()
    assert "p" not in crew.directory.live
    assert not first.is_alive()
    crew.tell(ToParent("p", RetryDue))
    assert crew.live().ref is not first


def test_an_earlier_incarnation_that_goes_takes_nothing_with_it(crew: Crew) -> None:
    crew.claim()
    stranger = Probe(crew.stage)
    crew.tell(MayGo("p", stranger.actor_ref), Retired("p", stranger.actor_ref, gone=True))
    assert crew.live().ref.is_alive()
    assert stranger.heard == []
    crew.tell(MayGo("nobody", stranger.actor_ref), Retired("nobody", stranger.actor_ref, gone=True))
    crew.tell(Retired("p", crew.live().ref, gone=True))
    assert crew.live().ref.is_alive(), "nobody asked it to go"


def test_what_comes_for_a_parent_that_is_asked_to_go_waits_for_its_answer(crew: Crew) -> None:
    crew.tell(ToParent("p", RetryDue))
    first = crew.live().ref
    first.tell(Loaded(INITIAL, 0))
    while not crew.live().retiring:
        deliver(*crew.stage.queue.popleft())
    crew.supervisor.tell(ToParent("p", Claim(MAKING, attach=True, reply=Future())))
    crew.stage.play()
    second = crew.live().ref
    assert second is not first
    second.tell(Loaded(INITIAL, 0))
    crew.stage.play()
    assert len(crew.service("journal").take(Append)) == 1
    assert crew.service("pool").take(ParentLeft) == [ParentLeft("p", first)]


def test_the_pool_is_told_of_actors_that_nobody_follows(crew: Crew) -> None:
    crew.claim()
    gone = Probe(crew.stage).actor_ref
    crew.tell(Whereabouts("p", gone))
    assert crew.service("pool").take(ParentLeft) == []
    crew.tell(Whereabouts("q", gone))
    assert crew.service("pool").take(ParentLeft) == [ParentLeft("q", gone)]
    crew.kill(GONE)
    crew.tell(Whereabouts("p", gone))
    assert crew.service("pool").take(ParentLeft) == [], "what it ran is not yet on record as lost"


def wishes(crew: Crew, *parents: str) -> dict[str, int]:
    """Let parents come to life and be created, and return how many slots each wants last."""
    for name in parents:
        crew.live(name).ref.tell(Loaded(INITIAL, 0))
    crew.stage.play()
    crew.record()
    return {share.parent_id: share.wanted for share in crew.service("pool").take(Share)}


def test_parents_want_slots_until_everybody_drains_and_so_does_who_comes_later(crew: Crew) -> None:
    crew.claim()
    assert wishes(crew, "p") == {"p": 2}
    crew.tell(Drain)
    assert crew.service("pool").take(Share)[-1].wanted == 0
    crew.claim("later")
    assert wishes(crew, "later").get("later", 0) == 0


def test_a_parent_that_was_halted_while_it_waited_to_be_revived_stays_halted(crew: Crew) -> None:
    crew.claim()
    crew.kill()
    [timer] = [t for t in crew.stage.timers if t.ref is crew.supervisor and t.message is not Tick]
    crew.stage.timers.clear()
    crew.tell(timer.message)
    alive = crew.live().ref
    crew.tell(timer.message)
    assert crew.live().ref is alive, "a timer that rings twice revives once"
    crew.kill(GONE)
    crew.tell(timer.message)
    assert crew.directory.live == {}


# Parents that die


def test_a_parent_that_dies_is_brought_to_life_after_a_moment_and_hears_what_came_meanwhile(crew: Crew) -> None:
    crew.claim()
    old = crew.kill()
    crew.service("loader").heard.clear()
    reply = crew.claim()
    crew.tell(ToParent("p", News))
    assert crew.service("loader").heard == []
    assert crew.ring() == [0.05]
    new = crew.live().ref
    assert new is not old
    assert new.is_alive()
    assert crew.service("loader").take(Load) == [Load("p", new, 0.0)]
    new.tell(Loaded(decide_all(INITIAL, (*MAKING, take("bob")))[1], 5))
    crew.stage.play()
    new.tell(LoadedNews([]))  # the parent heard that there may be news
    crew.stage.play()
    assert crew.live().backlog is None
    assert not reply.done(), "it is on its way to the record"
    assert len(crew.service("journal").take(Append)) == 1


def test_what_a_parent_did_not_come_to_before_its_death_is_kept_for_its_next_life(crew: Crew) -> None:
    crew.claim()
    reply: Future[ParentState] = Future()
    crew.live().ref.tell(LoadFailed(MISTAKE))
    crew.live().ref.tell(Claim((), attach=True, reply=reply))
    crew.stage.play()
    assert not reply.done()
    crew.ring()
    assert not crew.live().burying, "it goes on with its work"
    crew.live().ref.tell(Loaded(decide_all(INITIAL, (*MAKING, take("bob")))[1], 5))
    crew.stage.play()
    crew.record()
    assert reply.result(0).owner == "me"


@pytest.mark.parametrize("deaths", [1, 6])
def test_what_a_parent_did_not_come_to_before_it_was_halted_is_refused_with_the_cause(crew: Crew, deaths: int) -> None:
    error = GONE if deaths == 1 else MISTAKE
    crew.claim()
    for _ in range(deaths - 1):
        crew.kill(error)
        crew.ring()
    reply: Future[ParentState] = Future()
    crew.live().ref.tell(LoadFailed(error))
    crew.live().ref.tell(Claim((), attach=True, reply=reply))
    crew.stage.play()
    assert crew.directory.live == {}
    raised = reply.exception(0)
    assert raised is GONE or (isinstance(raised, RunHaltedError) and raised.__cause__ is MISTAKE)


def test_each_death_doubles_the_wait_and_one_too_many_halts_the_parent(crew: Crew) -> None:
    crew.claim()
    crew.claim("other")
    observers = crew.directory.observers("p")
    waits = []
    for _ in range(5):
        crew.kill()
        waits += crew.ring()
    assert waits == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8])
    assert observers.halted is None
    crew.kill()
    assert crew.ring() == []
    assert observers.halted is MISTAKE
    assert list(crew.directory.live) == ["other"]
    assert crew.service("pool").take(ParentLeft) == [], "its slots stay taken"


@pytest.mark.parametrize("error", [GONE, RunHaltedError("conflicts")])
def test_a_parent_that_cannot_go_on_is_halted_at_once(crew: Crew, error: Exception) -> None:
    crew.claim()
    crew.claim("other")
    observers = crew.directory.observers("p")
    crew.kill(error)
    assert observers.halted is error
    assert list(crew.directory.live) == ["other"]
    assert crew.ring() == []


def test_what_a_halted_parent_has_running_is_stopped(crew: Crew) -> None:
    crew.claim()
    observers = crew.directory.observers("p")
    state = decide_all(INITIAL, (*MAKING, take("me"), start("b")))[1]
    crew.live().ref.tell(Loaded(state, 7))
    crew.stage.play()
    crew.service("pool").heard.clear()
    crew.kill(GONE)
    assert observers.halted is GONE
    assert crew.service("pool").take(StopAttempts) == [
        StopAttempts([AttemptKey("p", "b", 1)], "the run was halted"),
    ]


def test_a_parent_that_was_halted_can_be_brought_to_life_again(crew: Crew) -> None:
    crew.claim()
    halted = crew.directory.observers("p")
    crew.kill(GONE)
    crew.claim()
    assert crew.live().ref.is_alive()
    assert crew.live().observers is not halted
    assert crew.live().observers.halted is None


def test_whether_it_was_at_work_is_handed_on_to_the_next_life(crew: Crew) -> None:
    crew.claim()
    crew.live().ref.tell(Loaded(decide_all(INITIAL, MAKING)[1], 4))
    crew.stage.play()
    assert not crew.live().tenure.working, "that the parent is ours is not on record yet"
    crew.record()
    crew.kill()
    assert crew.live().tenure.working
    crew.ring()
    owned = decide_all(INITIAL, (*MAKING, take("me")))[1]
    crew.service("pool").heard.clear()
    crew.live().ref.tell(Loaded(owned, 5))
    crew.stage.play()
    crew.kill()
    assert crew.live().tenure.working, "it goes on with what was begun"


def test_who_was_not_at_work_is_not_in_its_next_life(crew: Crew) -> None:
    crew.tell(ToParent("p", RetryDue))
    crew.kill()
    crew.ring()
    owned = decide_all(INITIAL, (*MAKING, take("me"), start("b")))[1]
    crew.live().ref.tell(Loaded(owned, 6))
    crew.stage.play()
    assert not crew.live().tenure.working
    assert crew.service("pool").take(Hand) == []


def test_nobody_is_brought_to_life_by_news(crew: Crew) -> None:
    crew.tell(ToParent("p", News))
    assert crew.directory.live == {}
    crew.claim()
    crew.kill(GONE)
    crew.tell(ToParent("p", News))
    assert crew.directory.live == {}
    assert list(crew.directory.halted) == ["p"], "what was interrupted is still to be seen to"


def test_one_run_too_many_is_refused_and_the_others_go_on() -> None:
    crew = Crew(Limits(live_runs_max=2))
    crew.claim("a")
    crew.claim("b")
    refused = crew.claim("c").exception(0)
    assert isinstance(refused, LimitExceededError)
    assert "live_runs_max" in str(refused)
    assert sorted(crew.directory.live) == ["a", "b"]
    crew.tell(ToParent("c", RetryDue))
    assert not crew.claim("b").done(), "who lives is asked as ever"
    crew.kill(GONE, "a")
    assert not crew.claim("c").done()
    assert sorted(crew.directory.live) == ["b", "c"]
    assert crew.stage.deaths == []


def test_a_death_that_nobody_was_told_of_is_noticed(crew: Crew) -> None:
    crew.claim()
    crew.claim("other")
    crew.stage.take_timers(Tick)
    before = crew.live().ref
    before.actor_stopped.set()
    crew.service("loader").actor_stopped.set()
    crew.look(1.0)
    assert crew.stage.take_timers(Tick) == [1.0]
    crew.look(2.0)
    assert sorted(crew.ring()) == [0.0, 0.05], "each once"
    assert crew.live().ref is not before
    assert len(crew.made["loader"]) == 2


def test_what_comes_for_a_parent_before_its_death_is_noticed_waits_for_its_next_life(crew: Crew) -> None:
    crew.tell(ToParent("p", RetryDue))
    crew.live().ref.actor_stopped.set()
    reply = crew.claim()
    crew.look(1.0)
    crew.ring()
    crew.live().ref.tell(Loaded(INITIAL, 0))
    crew.stage.play()
    crew.record()
    assert reply.result(0).owner == "me"


def test_a_parent_that_dies_unnoticed_again_and_again_is_halted_and_that_is_said(crew: Crew) -> None:
    crew.claim()
    observers = crew.directory.observers("p")
    for seconds in range(6):
        assert observers.halted is None
        crew.live().ref.actor_stopped.set()
        crew.look(seconds)
        crew.ring()
    assert crew.directory.live == {}
    assert str(observers.halted) == "the actor died and nobody was told"


def test_the_death_of_an_earlier_incarnation_is_no_news(crew: Crew) -> None:
    crew.claim()
    crew.kill()
    crew.ring()
    alive = crew.live()
    stale = ParentActor(crew.stage, crew.stage.note_death, "p", crew.around, alive.observers, Tenure())
    crew.tell(Died(stale, MISTAKE))
    assert crew.live() is alive
    assert alive.backlog is None
    others = crew.directory.observers("q")
    unknown = ParentActor(crew.stage, crew.stage.note_death, "q", crew.around, others, Tenure())
    crew.tell(Died(unknown, MISTAKE))
