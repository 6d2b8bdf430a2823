"""What one turn decides: whose the parent is, who is refused, and what time it is."""

from __future__ import annotations

import sys
from concurrent.futures import Future
from types import FrameType
from typing import Final

from actors.directory import Tenure
from actors.messages import (
    Claim,
    Conflicted,
    Intervene,
    LoadedNews,
    MayGo,
    News,
    Release,
    Request,
    Retire,
    RetryDue,
    Tick,
)
from events.errors import ContentConflictError, RunNotFoundError, RunOwnedError
from events.facts import ChildFinished, ChildLimits, ChildStarted
from events.state import ParentState
from events.strategy import ANY
from tests.actors.scenes import (
    BAD,
    BROKEN,
    GOOD,
    Waiting,
    attempts_ended,
    begun,
    end,
    key,
    making,
    news,
    state_of,
    with_slots,
)
from tests.actors.stage import ME, Scene
from tests.events.scenario import (
    AT,
    SECOND,
    cancel,
    change,
    finish,
    give_up,
    lose,
    names,
    of_type,
    prepare,
    spec,
    start,
    take,
)

SHORT: Final = ChildLimits(total_timeout_seconds=10.0)
"""No attempt begins later than that after the first one."""


def followed() -> Scene:
    """Return a scene in which a parent of somebody who lives is there, and wanted here."""
    scene = Scene()
    scene.loaded(*making(), take("ann"))
    scene.claim(*making(), attach=True)
    return scene


# Giving up


def test_who_gave_a_parent_up_that_nobody_here_wants_may_go() -> None:
    scene = Scene()
    scene.loaded(*making(), take(ME), start("a"))
    scene.tell(Tick)
    assert scene.supervisor.take(MayGo) == [], "it was not given up yet"
    reply: Future[None] = Future()
    scene.tell(Release("the run was halted", reply))
    assert names(scene.record()) == ["AttemptLost", "OwnershipReleased"]
    assert reply.done()
    scene.tell(Tick)
    assert set(scene.supervisor.take(MayGo)) == {MayGo("p", scene.ref)}
    scene.tell(Retire)
    assert not scene.ref.is_alive()


def test_what_has_ended_when_a_parent_is_given_up_is_not_lost() -> None:
    scene = with_slots(2)
    release: Future[None] = Future()
    for message in (Release("closing", release), attempts_ended(("a", 1, GOOD))):
        scene.ref.tell(message)
    scene.stage.play()
    assert names(scene.record()) == ["ChildFinished", "AttemptLost", "OwnershipReleased"]
    assert release.done()


def test_what_is_given_up_in_the_turn_of_a_claim_stays_given_up() -> None:
    scene = begun()
    release: Future[None] = Future()
    scene.ref.tell(Release("closing", release))
    scene.ref.tell(Claim((), attach=True, reply=Future()))
    scene.stage.play()
    assert names(scene.record()) == ["OwnershipReleased"], "a turn gives up last, and takes nothing back"
    assert release.done()


def test_the_workers_of_a_parent_that_was_given_up_are_free_when_it_is_ours_again() -> None:
    scene = with_slots(1)
    scene.tell(Release("closing", Future()))
    assert names(scene.record()) == ["AttemptLost", "OwnershipReleased"]
    scene.claim(attach=True)
    assert names(scene.record()) == ["OwnershipTaken"]
    scene.allot(1, 2)
    [started] = scene.record()
    assert isinstance(started, ChildStarted)
    assert started.worker == "1"


def test_a_parent_that_is_wanted_here_is_not_left_though_it_was_given_up() -> None:
    scene = followed()
    scene.tell(Release("closing", Future()))
    scene.tell(Tick)
    assert scene.supervisor.take(MayGo) == []
    scene.tell(Retire)
    assert scene.ref.is_alive()


def test_a_parent_that_is_ours_again_is_not_left_though_it_was_given_up() -> None:
    scene = Scene()
    scene.loaded(*making(), take("bob"))
    scene.tell(Release("closing", Future()))
    scene.claim(*making(), then=(prepare("a"),))
    assert names(scene.record()) == ["OwnershipTaken"]
    scene.tell(Tick)
    assert scene.supervisor.take(MayGo)[1:] == []
    scene.tell(Retire)
    assert scene.ref.is_alive()


# Making it ours


def test_what_is_taken_and_cancelled_at_once_is_over_in_one_turn() -> None:
    scene = Scene()
    scene.loaded(*making())
    reply = scene.claim(*making(), then=(cancel(),))
    taken = ["OwnershipTaken", "CancelRequested", "ParentDecided"]
    assert names(scene.record()) == [*taken, *["ChildFinished"] * 3, "ParentSettled"]
    assert reply.result(0).settled


def test_several_who_claim_a_parent_at_once_take_it_once() -> None:
    scene = Scene()
    replies = [scene.claim(*making(), attach=True) for _ in range(3)]
    scene.loaded()
    assert names(scene.record()).count("OwnershipTaken") == 1
    assert [reply.result(0).epoch for reply in replies] == [1, 1, 1]


def test_what_was_taken_in_vain_is_taken_again_after_a_conflict() -> None:
    scene = Scene()
    scene.loaded(*making(), take(ME), start("a"))
    scene.claim(*making())
    facts = scene.append()
    assert names(facts) == ["OwnershipTaken", "AttemptLost"]
    scene.tell(Conflicted(state_of(scene).version))
    scene.tell(LoadedNews([]))
    assert scene.append() == facts, "ours by an older record is not ours to work on"


def test_what_an_owner_who_is_gone_ran_is_ended_though_that_one_took_it_while_we_looked_on() -> None:
    scene = Scene()
    scene.loaded(*making())
    scene.living.discard("ann")
    scene.tell(News)
    scene.tell(news(scene, take("ann"), start("a")))
    scene.claim(*making())
    assert names(scene.record()) == ["OwnershipTaken", "AttemptLost"]
    assert scene.leftovers == [("ann", [key("a")])]


def test_what_another_took_over_is_that_ones_to_end() -> None:
    scene = Scene()
    scene.loaded(*making(), take("bob"), start("a"))
    scene.tell(News)
    scene.tell(news(scene, take("ann")))
    assert state_of(scene).running_count == 0
    assert scene.leftovers == []


def test_what_ran_of_one_who_took_the_parent_from_us_is_ended_when_we_take_it_back() -> None:
    scene = with_slots(1)
    scene.tell(News)
    scene.tell(news(scene, take("ann"), start("b"), start("c")))
    assert scene.leftovers == []
    scene.living.discard("ann")
    scene.tell(Tick)
    assert names(scene.record())[:3] == ["OwnershipTaken", "AttemptLost", "AttemptLost"]
    assert scene.leftovers == [("ann", [key("b"), key("c")])]


def test_a_parent_stays_wanted_whatever_else_is_claimed_of_it_later() -> None:
    scene = begun()
    scene.claim(then=(change(max_workers=2),))
    assert names(scene.record()) == ["LimitsChanged"]
    scene.tell(News)
    scene.tell(news(scene, take("ann")))
    scene.living.discard("ann")
    scene.tell(Tick)
    assert names(scene.record()) == ["OwnershipTaken"]


# Being refused


def test_who_is_refused_takes_nothing_along_of_what_others_asked_in_the_same_turn() -> None:
    scene = begun()
    good, bad = Waiting(cancel()), Waiting(*making(content="other"))
    for request in (good.request, bad.request):
        scene.ref.tell(request)
    scene.stage.play()
    assert names(scene.record())[:2] == ["CancelRequested", "ParentDecided"]
    assert good.reply.result(0).status == "cancelled"
    assert isinstance(bad.reply.exception(0), ContentConflictError)


def test_who_was_refused_in_a_turn_of_others_is_not_heard_when_that_is_decided_anew() -> None:
    scene = Scene()
    scene.loaded()
    refused, claim = Waiting(cancel()), Claim(making(), attach=True, reply=Future())
    for request in (refused.request, claim):
        scene.ref.tell(request)
    scene.stage.play()
    assert isinstance(refused.reply.exception(0), RunNotFoundError)
    scene.append()
    scene.tell(Conflicted(0))
    scene.loaded(*making())
    assert names(scene.record()) == ["OwnershipTaken"], "though now there is a run to cancel"
    assert claim.reply.result(0).status == "pending"


def test_who_was_refused_does_not_take_the_parent_over_later() -> None:
    scene = Scene()
    scene.loaded(*making(), take("ann"))
    assert isinstance(scene.claim(*making()).exception(0), RunOwnedError)
    scene.living.discard("ann")
    scene.tell(Tick)
    assert scene.journal.heard == []


def test_one_who_has_an_answer_already_may_be_refused_once_more() -> None:
    scene = begun()
    reply: Future[ParentState] = Future()
    reply.set_exception(BROKEN)
    scene.tell(Request(making(content="other"), reply))
    assert scene.stage.deaths == []
    assert reply.exception(0) is BROKEN


def test_who_was_refused_is_not_heard_again_after_a_conflict() -> None:
    scene = Scene()
    scene.loaded(*making(), take("ann"))
    refused, good = Claim(making(), attach=False, reply=Future()), Waiting(cancel())
    scene.tell(refused)
    scene.tell(good.request)
    assert isinstance(refused.reply.exception(0), RunOwnedError)
    assert len(scene.journal.take(Intervene)) == 1
    scene.tell(Conflicted(state_of(scene).version))
    scene.tell(news(scene, give_up("ann")))
    assert names(scene.record()) == ["CancelRequested", "ParentDecided"], "though now it could be taken"
    assert good.reply.result(0).status == "cancelled"


# What time it is


def test_nothing_is_decided_earlier_than_what_others_put_on_record() -> None:
    scene = with_slots(1)
    scene.tell(News)
    scene.tell(news(scene, start("b", at=AT + SECOND), start("c", at=AT + 60 * SECOND)))
    end(scene, ("a", 1, GOOD))
    assert [fact.at for fact in scene.record()] == [AT + 60 * SECOND]


def test_a_retry_starts_when_its_wait_is_over_though_the_wall_clock_was_set_back() -> None:
    scene = Scene(tenure=Tenure(working=True, waits={"a": 2.0}))
    limits = ChildLimits(max_attempts=2, initial_seconds=5)
    scene.loaded(*making(spec("a", limits), "b"), take(ME), start("a"), finish("a", "failed"))
    scene.stage.seconds = 2.0
    scene.tell(RetryDue)
    scene.allot(2, 1)
    later = AT + 5 * SECOND
    assert scene.record() == [
        ChildStarted(at=later, child_id="a", attempt=2, worker="1"),
        ChildStarted(at=later, child_id="b", attempt=1, worker="2"),
    ], "and no record says that it was started before its time"


def test_no_start_of_a_turn_is_earlier_than_what_came_before_it_in_that_turn() -> None:
    scene = Scene(tenure=Tenure(working=True, waits={"a": 2.0}))
    limits = ChildLimits(max_attempts=2, initial_seconds=5)
    children = making(spec("a", limits), "b", "c", strategy=ANY)
    scene.loaded(*children, take(ME), start("a"), finish("a", "failed"), start("c"))
    scene.ref.tell(attempts_ended(("c", 1, BAD)))
    scene.stage.seconds = 2.0
    scene.allot(2, 1)
    now, later = AT + 2 * SECOND, AT + 5 * SECOND
    assert [(type(fact), fact.at) for fact in scene.record()] == [
        (ChildFinished, now),
        (ChildStarted, later),
        (ChildStarted, later),
    ]


def test_a_child_whose_whole_time_is_up_when_it_is_to_start_leaves_its_worker_to_the_next_one() -> None:
    scene = with_slots(1, spec("a", SHORT), "b", "c", strategy=ANY)
    scene.request(lose("a"))
    assert names(scene.record()) == ["AttemptLost", "ChildStarted"]
    scene.stage.at += 20 * SECOND  # by the wall clock alone, which was set forward
    end(scene, ("b", 1, BAD))
    assert [(fact.child_id, fact.outcome) for fact in of_type(scene.record(), ChildFinished)] == [
        ("b", "failed"),
        ("a", "timed_out"),
    ]
    [started] = scene.record()
    assert isinstance(started, ChildStarted)
    assert (started.child_id, started.worker) == ("c", "1")


# Its cost


def test_a_turn_costs_the_same_however_many_children_wait() -> None:
    def calls(children: int) -> int:
        scene = with_slots(1, *(f"c{number}" for number in range(children)))
        counted = 0

        def count(_: FrameType, event: str, __: object) -> None:
            nonlocal counted
            counted += event == "call"

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            end(scene, ("c0", 1, GOOD))
        finally:
            sys.setprofile(before)
        assert names(scene.record()) == ["ChildFinished", "ChildStarted"]
        return counted

    assert calls(2_000) < 2 * calls(20)
