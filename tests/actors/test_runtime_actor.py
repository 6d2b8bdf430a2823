"""An actor of ours is made as pykka makes one, but for its name."""

from __future__ import annotations

import pykka

from actors.runtime import RuntimeActor
from actors.simulated import Scheduler
from tests.simulation.faults import Faults, FaultyMeddler


class Plain(pykka.ThreadingActor):
    """An actor of pykka's own, which is never started."""


def make() -> RuntimeActor:
    scheduler = Scheduler(0)
    scheduler.meddler = FaultyMeddler(Faults(), scheduler.random)
    return RuntimeActor(scheduler.runtime("p1"), lambda *_: None)


def test_it_has_all_that_pykka_gives_an_actor() -> None:
    ours, theirs = vars(make()), vars(Plain())
    assert theirs.keys() <= ours.keys()
    assert {name: type(ours[name]) for name in theirs if name != "actor_inbox"} == {
        name: type(value) for name, value in theirs.items() if name != "actor_inbox"
    }


def test_each_has_a_name_of_its_own() -> None:
    names = [make().actor_urn for _ in range(3)]
    assert len(set(names)) == 3
    assert str(make().actor_ref).startswith("RuntimeActor (RuntimeActor-")
