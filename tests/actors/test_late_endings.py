"""Endings of attempts whose parent has gone: it is brought to life for them, or they come too late for good."""

from __future__ import annotations

from actors.executors.work import Ending
from actors.messages import Drain, ToParent
from actors.runtime import deliver
from tests.actors.crew import GONE, Crew
from tests.actors.scenes import attempts_ended

LATE = Ending("succeeded", "1", late=True)


def test_a_parent_that_has_gone_is_brought_to_life_for_them(crew: Crew) -> None:
    crew.tell(ToParent("p", attempts_ended(("a", 1, LATE))))
    assert set(crew.directory.live) == {"p"}


def test_a_parent_that_was_halted_is_not(crew: Crew) -> None:
    crew.claim()
    crew.kill(GONE)
    assert "p" in crew.directory.halted
    assert not crew.directory.live
    crew.tell(ToParent("p", attempts_ended(("a", 1, LATE))))
    assert not crew.directory.live
    assert "p" in crew.directory.halted, "somebody has yet to see to what was interrupted"


def test_nobody_is_brought_to_life_while_all_is_closed(crew: Crew) -> None:
    crew.tell(Drain)
    crew.tell(ToParent("p", attempts_ended(("a", 1, LATE))))
    assert not crew.directory.live


def test_a_living_parent_takes_them_while_all_is_closed(crew: Crew) -> None:
    crew.claim()
    crew.tell(Drain)
    endings = attempts_ended(("a", 1, LATE))
    crew.supervisor.tell(ToParent("p", endings))
    deliver(*crew.stage.queue.popleft())
    [(actor, envelope)] = crew.stage.queue
    assert (actor.actor_ref, envelope.message) == (crew.live().ref, endings)
