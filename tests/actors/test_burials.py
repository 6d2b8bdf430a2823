"""Halted parents: what a halt interrupted is put on record later, after which waits, and for how long that is tried."""

from __future__ import annotations

import pytest

from actors.messages import Append, Loaded, LoadFailed, News, ParentLeft, Tick, ToParent
from events.decide import decide_all
from events.errors import OrchestratorError, RunHaltedError, StoreDamagedError, StoreVersionError
from events.evolve import INITIAL
from tests.actors.crew import GONE, MAKING, Crew
from tests.events.scenario import start, take

INTERRUPTED = decide_all(INITIAL, (*MAKING, take("me"), start("b")))[1]


def test_what_a_halt_interrupted_is_put_on_record_later(crew: Crew) -> None:
    crew.claim()
    crew.kill(GONE)
    crew.look(0.9)
    assert crew.directory.live == {}
    crew.look(1.0)
    buried = crew.live().ref
    buried.tell(Loaded(INTERRUPTED, 7))
    crew.stage.play()
    [sent] = crew.service("journal").take(Append)
    assert [type(fact).__name__ for fact in sent.facts] == ["AttemptLost", "OwnershipReleased"]
    crew.stage.seconds = 500.0
    buried.tell(LoadFailed(GONE))
    crew.stage.play()
    crew.look(501.9)
    assert crew.directory.live == {}, "the second wait is twice as long"
    crew.look(502.0)
    assert crew.live().ref is not buried


def test_what_is_on_record_is_not_put_there_again(crew: Crew) -> None:
    crew.claim()
    crew.kill(GONE)
    crew.look(1.0)
    buried = crew.live().ref
    crew.look(2.0)
    assert crew.live().ref is buried, "it is left to its work"
    crew.service("pool").heard.clear()
    buried.tell(Loaded(INTERRUPTED, 7))
    crew.stage.play()
    crew.record()
    buried.tell(Tick)
    crew.stage.play()
    assert crew.directory.live == {}
    assert crew.service("pool").take(ParentLeft) == [ParentLeft("p", buried)], "its slots are free"
    crew.look(1000.0)
    assert crew.directory.live == {}


def test_where_the_store_may_come_back_it_is_tried_for_ever_at_last_twice_a_minute(crew: Crew) -> None:
    crew.claim()
    crew.kill(GONE)
    tried_at = 0.0
    for wait in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        crew.look(tried_at + wait - 0.5)
        assert crew.directory.live == {}
        tried_at += wait
        crew.look(tried_at)
        crew.kill(GONE)


@pytest.mark.parametrize("error", [RunHaltedError("conflicts"), StoreDamagedError("torn"), StoreVersionError("newer")])
def test_where_the_record_is_beyond_repair_it_is_not_tried_for_ever(crew: Crew, error: OrchestratorError) -> None:
    crew.claim()
    last = crew.kill(GONE)
    for tries in range(3):
        crew.look(1000.0 * (tries + 1))
        last = crew.kill(error)
    crew.look(9000.0)
    assert crew.directory.live == {}
    assert crew.directory.halted == {}
    assert crew.service("pool").take(ParentLeft) == [ParentLeft("p", last)]


def test_whoever_comes_for_a_halted_parent_sees_to_it_and_the_waits_begin_anew(crew: Crew) -> None:
    crew.claim()
    crew.kill(GONE)
    crew.look(1.0)
    crew.kill(GONE)
    crew.claim()
    crew.kill(GONE)
    crew.look(1.9)
    assert crew.directory.live == {}
    crew.look(2.0)
    assert crew.live().burying


def test_a_parent_is_only_being_buried_until_somebody_comes_for_it(crew: Crew) -> None:
    """What a run's handle says of it depends on that: a buried one is not worked on."""
    crew.claim()
    crew.tell(ToParent("p", News))
    assert not crew.live().burying
    crew.kill(GONE)
    crew.look(1.0)
    assert crew.live().burying
    crew.tell(ToParent("p", News))
    assert crew.live().burying, "news is nobody"
    crew.claim()
    assert not crew.live().burying
