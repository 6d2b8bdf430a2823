"""What is kept of actors that died: nothing, once others have taken their places."""

from __future__ import annotations

import gc
import weakref

from actors.messages import RetryDue, ToParent
from actors.runtime import Ref
from actors.supervisor import _Replace
from tests.actors.crew import MISTAKE, Crew


def die_unnoticed(crew: Crew) -> weakref.ref[Ref]:
    """Let a parent come to life and die, without a trace in a log, so that its next life is on its way."""
    crew.tell(ToParent("p", RetryDue))
    ref = crew.live().ref
    ref.actor_stopped.set()
    crew.look(1.0)
    return weakref.ref(ref)


def forgotten(crew: Crew, dead: weakref.ref[Ref]) -> bool:
    for made in crew.made.values():
        made[-1].heard.clear()
    gc.collect()
    return dead() is None


def test_an_actor_that_was_brought_to_life_again_is_forgotten(crew: Crew) -> None:
    dead = die_unnoticed(crew)
    assert not forgotten(crew, dead)
    assert crew.ring() == [0.05]
    assert forgotten(crew, dead)


def test_an_actor_that_was_halted_before_its_next_life_is_forgotten_once_somebody_comes(crew: Crew) -> None:
    dead = die_unnoticed(crew)
    for _ in range(6):
        crew.service("journal").actor_ref.tell(MISTAKE)
        crew.stage.play()
        [journal] = [timer for timer in crew.stage.timers if isinstance(timer.message, _Replace)]
        crew.stage.timers.remove(journal)
        crew.tell(journal.message)
    assert list(crew.directory.halted) == ["p"]
    crew.ring()
    crew.claim()
    assert forgotten(crew, dead)
