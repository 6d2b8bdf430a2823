"""The supervisor and the services that all parents share: replaced, after how long, and when that is too often."""

from __future__ import annotations

import pytest

from actors.messages import (
    Died,
    Load,
    Restarted,
    RetryDue,
    ToParent,
)
from actors.supervisor import _Replace
from events.errors import RunHaltedError
from tests.actors.crew import MISTAKE, Crew
from tests.actors.stage import Probe


def fall(crew: Crew, name: str = "journal") -> list[float]:
    """Let a service die, and return after how long it is replaced."""
    crew.service(name).actor_ref.tell(MISTAKE)
    crew.stage.play()
    return crew.ring()


def test_a_service_that_dies_is_replaced_and_every_parent_is_told(crew: Crew) -> None:
    crew.claim()
    before = crew.service("loader")
    before.heard.clear()
    assert fall(crew, "loader") == [0.0]
    after = crew.service("loader")
    assert after is not before
    assert crew.addresses["loader"].ref is after.actor_ref
    assert after.take(Load) == [Load("p", crew.live().ref, 0.0)], "the parent asks again for what it waits for"
    assert {name: len(made) for name, made in crew.made.items()} == {"journal": 1, "loader": 2, "pool": 1}


def test_a_service_that_dies_again_is_replaced_after_longer_and_longer_waits(crew: Crew) -> None:
    crew.claim()
    waits = [wait for _ in range(5) for wait in fall(crew)]
    assert waits == pytest.approx([0.0, 0.2, 0.4, 0.8, 1.6])
    assert list(crew.directory.live) == ["p"]
    observers = crew.directory.observers("p")
    last = crew.live().ref
    assert fall(crew) == pytest.approx([3.2])
    assert observers.halted is MISTAKE
    assert not last.is_alive(), "a halted parent stops"
    assert crew.directory.live == {}
    assert fall(crew) == pytest.approx([3.2]), "the wait grows no more"


def test_what_waits_for_a_parents_next_life_is_refused_when_a_service_halts_all(crew: Crew) -> None:
    for _ in range(5):
        fall(crew)
    crew.claim()
    crew.kill(RuntimeError("another mistake"))
    waiting = crew.claim()
    crew.tell(ToParent("p", RetryDue))
    assert not waiting.done()
    fall(crew)
    refused = waiting.exception(0)
    assert isinstance(refused, RunHaltedError)
    assert str(refused) == "run 'p' cannot go on: a mistake"


def test_the_deaths_of_one_service_are_not_held_against_another(crew: Crew) -> None:
    for _ in range(4):
        fall(crew, "journal")
    assert fall(crew, "pool") == [0.0]


def test_deaths_are_forgotten_after_a_minute(crew: Crew) -> None:
    fall(crew)
    crew.stage.seconds = 59.9
    assert fall(crew) == pytest.approx([0.2])
    crew.stage.seconds = 60.0
    assert fall(crew) == pytest.approx([0.2]), "the first is forgotten, the second is not"
    crew.stage.seconds = 500.0
    assert fall(crew) == [0.0]


def test_the_death_of_a_service_that_was_replaced_is_no_news(crew: Crew) -> None:
    crew.tell(Died(Probe(crew.stage), MISTAKE))
    assert crew.ring() == []
    assert all(len(made) == 1 for made in crew.made.values())
    assert Restarted not in [type(message) for message in crew.service("pool").heard]


def test_a_service_that_another_supervisor_replaced_is_not_replaced_again(crew: Crew) -> None:
    """The order to replace it may come twice: once from a supervisor that died over it."""
    fall(crew, "pool")
    order = _Replace(next(service for service in crew.services if service.name == "pool"))
    crew.tell(order, order)
    assert len(crew.made["pool"]) == 2
    assert crew.addresses["pool"].ref is crew.service("pool").actor_ref
