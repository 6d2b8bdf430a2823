"""Actors of halted parents that did not hear of it: they start nothing, say nothing to the pool, and are told again."""

from __future__ import annotations

import pytest

from actors.messages import Allotment, Halt, Loaded, Share, Tick
from actors.supervisor import RESTARTS_MAX
from events.errors import RunHaltedError
from events.evolve import INITIAL
from tests.actors.crew import MISTAKE, Crew
from tests.actors.scenes import begun
from tests.actors.stage import Scene
from tests.actors.test_supervised_services import fall

ENOUGH = RunHaltedError("enough")


@pytest.fixture
def crew() -> Crew:
    return Crew()


def test_an_actor_that_did_not_hear_that_its_parent_was_halted_is_told_until_it_goes(crew: Crew) -> None:
    crew.claim()
    live = crew.live()
    crew.directory.leftover[live.ref] = ENOUGH  # as a halt leaves it whose message was lost
    live.tenure.over = True
    del crew.directory.live["p"]
    crew.look(1.0)
    assert not live.ref.is_alive()
    crew.look(2.0)
    assert crew.directory.leftover == {}


def test_a_halt_that_gets_lost_leaves_an_actor_that_has_nothing_to_do_with_its_parent_any_more(crew: Crew) -> None:
    crew.claim()
    live = crew.live()
    live.ref.tell(Loaded(INITIAL, 0))
    crew.stage.play()
    crew.record()
    for _ in range(RESTARTS_MAX):
        fall(crew)
    crew.service("journal").actor_ref.tell(MISTAKE)
    crew.lose(Halt)
    crew.stage.play()
    assert crew.directory.live == {}
    assert live.ref.is_alive()
    crew.service("pool").heard.clear()
    live.ref.tell(Tick)
    crew.stage.play()
    assert crew.service("pool").take(Share) == []
    crew.look(1.0)
    assert not live.ref.is_alive(), "it is told again"


def test_such_an_actor_starts_no_child_and_takes_no_slot() -> None:
    scene: Scene = begun()
    scene.tenure.over = True
    scene.pool.heard.clear()
    scene.tell(Allotment(2, 1, scene.pool.actor_ref))
    scene.tell(Tick)
    assert scene.pool.take(Share) == []
    assert scene.is_quiet


def test_a_halt_that_is_heard_leaves_nothing_behind(crew: Crew) -> None:
    crew.claim()
    live = crew.live()
    live.ref.tell(Halt(ENOUGH))
    crew.stage.play()
    crew.look(1.0)
    assert not live.ref.is_alive()
    assert crew.directory.leftover == {}
