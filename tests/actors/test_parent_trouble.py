"""What a parent does when others write to its stream, or die."""

from __future__ import annotations

import pytest

from actors.executors.work import Ending
from actors.messages import (
    Allotment,
    Appended,
    AppendFailed,
    Conflicted,
    Halt,
    Hand,
    Load,
    Loaded,
    LoadedNews,
    LoadNews,
    News,
    Restarted,
    Share,
    StopAttempts,
    Tick,
)
from events.commands import Cancel
from events.errors import (
    RunHaltedError,
)
from events.evolve import INITIAL
from events.facts import ChildFinished, ChildStarted
from events.limits import Limits
from events.log.record import Recorded
from tests.actors.scenes import (
    BROKEN,
    GOOD,
    begun,
    child_ids,
    end,
    key,
    making,
    news,
    shares,
    state_of,
    with_slots,
)
from tests.actors.stage import ME, Scene
from tests.events.scenario import (
    AT,
    cancel,
    finish,
    names,
    start,
    take,
)

# Conflicts, and news


def test_after_a_conflict_the_parent_reads_on_and_decides_again() -> None:
    scene = with_slots(1)
    end(scene, ("a", 1, GOOD))
    reply = scene.request(cancel())
    scene.append()
    version = state_of(scene).version
    scene.tell(Conflicted(version))
    assert scene.loader.take(LoadNews) == [LoadNews("p", version, scene.ref, 0.0)]
    assert scene.journal.heard == []
    scene.tell(news(scene, Cancel(at=AT, reason="from outside")))
    assert state_of(scene).status == "cancelled"
    facts = scene.record()
    assert names(facts)[0] == "ChildFinished"
    assert scene.sent.expected_version == version + 2
    assert reply.result(0).status == "cancelled"


def test_endings_survive_a_conflict_and_so_do_those_that_come_meanwhile() -> None:
    scene = with_slots(2, *"abcd")
    end(scene, ("a", 1, GOOD))
    scene.append()
    end(scene, ("b", 1, GOOD))
    scene.tell(Conflicted(state_of(scene).version))
    scene.tell(LoadedNews([]))
    assert child_ids(scene.append(), ChildFinished) == ["a", "b"]


def test_requests_keep_their_order_through_a_conflict() -> None:
    scene = begun()
    first = scene.request(Cancel(at=AT, reason="first"))
    scene.append()
    scene.request(Cancel(at=AT, reason="second"))
    scene.tell(Conflicted(state_of(scene).version))
    scene.tell(LoadedNews([]))
    assert getattr(scene.append()[0], "reason", None) == "first"
    assert not first.done()


def test_nothing_that_was_asked_is_forgotten_in_a_conflict() -> None:
    scene = begun()
    replies = [scene.request(Cancel(at=AT, reason=str(number))) for number in range(4)]
    scene.append()
    scene.tell(Conflicted(state_of(scene).version))
    scene.tell(LoadedNews([]))
    scene.record()
    assert [reply.result(0).status for reply in replies] == ["cancelled"] * 4


def test_news_that_are_known_already_are_passed_over() -> None:
    scene = with_slots(1)
    found = news(scene, cancel())
    old = Recorded("p", state_of(scene).version, ChildStarted(at=AT, child_id="a", attempt=1, worker="1"), 1)
    scene.tell(News)
    scene.tell(LoadedNews([old, *found.records]))
    assert state_of(scene).running_count == 1
    assert scene.observers.latest is not None
    assert scene.observers.latest[1] == found.records[-1].position


def test_an_owner_that_lost_the_parent_stops_working_on_it() -> None:
    scene = with_slots(1)
    scene.tell(News)
    assert scene.loader.take(LoadNews)
    scene.tell(news(scene, take("ann")))
    assert shares(scene)[-1] == (0, 0)
    scene.allot(3, 2)
    end(scene, ("a", 1, GOOD))
    assert scene.journal.heard == []
    scene.pool.heard.clear()
    scene.tell(Tick)
    assert shares(scene) == [(0, 0)]
    assert scene.pool.heard == []


def test_news_during_an_append_are_looked_at_after_it() -> None:
    scene = with_slots(2)
    end(scene, ("a", 1, GOOD))
    scene.append()
    scene.tell(News)
    end(scene, ("b", 1, GOOD))
    assert scene.loader.heard == []
    scene.tell(Appended(scene.sent.expected_version + len(scene.sent.facts), 40))
    assert scene.loader.take(LoadNews) == [LoadNews("p", state_of(scene).version, scene.ref, 0.0)]
    assert scene.journal.heard == []
    scene.tell(LoadedNews([]))
    assert child_ids(scene.append(), ChildFinished) == ["b"], "and then the parent goes on"


def test_news_while_reading_are_looked_at_after_it() -> None:
    scene = begun()
    scene.tell(News)
    scene.tell(News)
    assert len(scene.loader.take(LoadNews)) == 1
    scene.tell(LoadedNews([]))
    assert len(scene.loader.take(LoadNews)) == 1
    scene.tell(LoadedNews([]))
    assert scene.loader.heard == []


def test_an_answer_for_an_append_that_is_not_under_way_is_of_no_account() -> None:
    scene = begun()
    version = state_of(scene).version
    scene.tell(Appended(version, 50))
    scene.tell(Conflicted(version))
    assert scene.loader.heard == []
    reply = scene.request(cancel())
    scene.append()
    scene.tell(Appended(version + 1, 51))
    scene.tell(Conflicted(version - 1))
    assert not reply.done()
    assert scene.loader.heard == []
    scene.tell(Appended(version + len(scene.sent.facts), 52))
    assert reply.result(0).status == "cancelled"


def test_news_that_come_while_an_append_is_under_way_change_nothing() -> None:
    scene = begun()
    found = news(scene, take("ann"))
    scene.request(cancel())
    scene.append()
    scene.tell(found)
    assert state_of(scene).owner == ME


def test_too_many_conflicts_in_a_row_halt_the_parent() -> None:
    scene = begun(scene=Scene(limits=Limits(conflict_retries_max=2)))
    reply = scene.request(cancel())
    for _ in range(3):
        assert scene.stage.deaths == []
        scene.append()
        scene.tell(Conflicted(state_of(scene).version))
        if scene.stage.deaths:
            break
        scene.tell(LoadedNews([]))
    [(_, error)] = scene.stage.deaths
    assert isinstance(error, RunHaltedError)
    assert "3 version conflicts" in str(error)
    assert isinstance(reply.exception(0), RunHaltedError)


def test_conflicts_before_anything_is_on_record_count_like_later_ones() -> None:
    scene = Scene(limits=Limits(conflict_retries_max=2))
    scene.loaded()
    reply = scene.claim(*making())
    for _ in range(2):
        scene.append()
        scene.tell(Conflicted(0))
        scene.tell(Loaded(INITIAL, 0))
    assert scene.stage.deaths == []
    scene.append()
    scene.tell(Conflicted(0))
    assert isinstance(reply.exception(0), RunHaltedError)


def test_conflicts_with_appends_between_them_halt_nothing() -> None:
    scene = begun(*"abcdef", max_workers=1, scene=Scene(limits=Limits(conflict_retries_max=1)))
    scene.allot(1, 1)
    for _ in range(4):
        scene.append()
        scene.tell(Conflicted(state_of(scene).version))
        scene.tell(LoadedNews([]))
        scene.record()
        child_id = next(iter(state_of(scene).running))
        end(scene, (child_id, 1, GOOD))
    assert scene.stage.deaths == []


# Others that die


def test_whoever_waits_is_told_why_a_parent_is_halted() -> None:
    scene = begun()
    reply = scene.request(cancel())
    scene.append()
    scene.tell(Halt(BROKEN))
    assert [error for _, error in scene.stage.deaths] == [BROKEN]
    assert reply.exception(0) is BROKEN


def test_a_failed_append_ends_the_actor_and_whoever_waits_is_told() -> None:
    scene = begun()
    first = scene.request(cancel())
    scene.append()
    second = scene.request(Cancel(at=AT, reason="too"))
    scene.tell(AppendFailed(state_of(scene).version, BROKEN))
    assert [error for _, error in scene.stage.deaths] == [BROKEN]
    assert first.exception(0) is BROKEN
    assert second.exception(0) is BROKEN


def test_a_new_journal_makes_the_parent_look_whether_its_append_was_done() -> None:
    scene = begun()
    scene.tell(Restarted("journal"))
    assert scene.loader.heard == []
    reply = scene.request(cancel())
    facts = scene.append()
    scene.tell(Restarted("journal"))
    assert len(scene.loader.take(LoadNews)) == 1
    version = state_of(scene).version
    scene.tell(LoadedNews([Recorded("p", version + n, fact, 60 + n) for n, fact in enumerate(facts, 1)]))
    assert state_of(scene).status == "cancelled"
    assert scene.journal.heard == []
    assert reply.result(0).status == "cancelled"


def test_a_new_loader_is_asked_again() -> None:
    scene = Scene()
    scene.loader.heard.clear()
    scene.tell(Restarted("loader"))
    assert scene.loader.take(Load) == [Load("p", scene.ref, 0.0)]
    scene.tell(Loaded(INITIAL, 0))
    scene.tell(Restarted("loader"))
    assert scene.loader.heard == []
    scene = begun()
    scene.tell(News)
    scene.loader.heard.clear()
    scene.tell(Restarted("loader"))
    assert scene.loader.take(LoadNews) == [LoadNews("p", state_of(scene).version, scene.ref, 0.0)]


def test_an_append_that_may_be_on_its_way_is_not_given_up_for_a_new_loader() -> None:
    scene = begun()
    scene.allot(1, 1)
    assert [type(fact) for fact in scene.append()] == [ChildStarted]
    scene.pool.heard.clear()
    scene.tell(Restarted("loader"))
    assert scene.loader.take(LoadNews) == []
    scene.tell(Tick)
    assert {used for _, used in shares(scene)} == {1}, "what is about to run takes a slot"


def test_a_new_pool_is_told_what_is_wanted_and_what_should_be_running() -> None:
    scene = with_slots(2)
    scene.tell(Restarted("pool"))
    [hand] = scene.pool.take(Hand)
    assert sorted(work.key for work in hand.run) == [key("a"), key("b")]
    assert scene.pool.take(Share) == [Share("p", scene.ref, 3, 2, 2, 1, 1, 4, again=True)], "it inherits what we hold"
    scene.allot(3, 2)
    assert child_ids(scene.record(), ChildStarted) == ["c"]


def test_a_pool_that_is_new_while_a_parent_reads_is_told_afterwards() -> None:
    scene = with_slots(1)
    scene.tell(News)
    scene.tell(Restarted("pool"))
    assert shares(scene) == [], "somebody else may have changed what is wanted"
    scene.tell(LoadedNews([]))
    assert scene.pool.take(Share) == [Share("p", scene.ref, 3, 1, 1, 1, 2, 4, again=True)]


def test_what_a_pool_gave_that_is_dead_is_of_no_account() -> None:
    scene = with_slots(2)
    dead = scene.replace_pool()
    scene.tell(Restarted("pool"))
    scene.tell(Allotment(3, 2, dead))
    assert scene.journal.heard == [], "the new pool does not know of it"
    scene.allot(3, 2)
    assert child_ids(scene.record(), ChildStarted) == ["c"]


def test_what_runs_of_an_owner_who_is_gone_is_ended_once_the_parent_is_ours() -> None:
    scene = Scene()
    scene.loaded(*making(), take("bob"), start("a"), start("c"), start("b"), finish("b"))
    scene.claim(*making())
    scene.append()
    assert scene.leftovers == [], "it may not come on record"
    scene.tell(Appended(scene.sent.expected_version + len(scene.sent.facts), 40))
    assert scene.leftovers == [("bob", [key("a"), key("c")])]
    scene.claim(*making())
    assert len(scene.leftovers) == 1


@pytest.mark.parametrize("owner", ["ann", ME])
def test_what_runs_of_an_owner_who_lives_is_left_alone(owner: str) -> None:
    scene = Scene()
    scene.loaded(*making(), take(owner), start("a"))
    scene.claim(*making(), take_over=True)
    assert names(scene.record()) == ["OwnershipTaken", "AttemptLost"]
    assert scene.leftovers == []


def test_what_runs_here_is_stopped_when_another_process_takes_the_parent_over() -> None:
    scene = with_slots(2)
    scene.tell(News)
    scene.tell(news(scene, take("ann")))
    assert scene.pool.take(StopAttempts) == [
        StopAttempts([key("a"), key("b")], "another process took the run over"),
    ]
    assert scene.leftovers == []


def test_a_new_pool_is_asked_to_stop_what_the_old_one_was() -> None:
    scene = with_slots(2, *"abc")
    scene.request(cancel())
    scene.record()
    assert len(scene.pool.take(StopAttempts)) == 1
    scene.tell(Restarted("pool"))
    end(scene, ("a", 1, Ending("cancelled")))
    scene.record()
    assert scene.pool.take(StopAttempts) == [StopAttempts([key("a"), key("b")], "cancelled by request")]
