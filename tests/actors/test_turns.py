"""What one turn decides: whose the parent is, who is refused, and what time it is."""

from __future__ import annotations

from actors.messages import News, Tick
from events.errors import RunOwnedError
from tests.actors.scenes import key, making, news, with_slots
from tests.actors.stage import Scene
from tests.events.scenario import names, start, take


def test_what_ran_of_one_who_took_the_parent_from_us_is_ended_when_we_take_it_back() -> None:
    scene = with_slots(1)
    scene.tell(News)
    scene.tell(news(scene, take("ann"), start("b"), start("c")))
    assert scene.leftovers == []
    scene.living.discard("ann")
    scene.tell(Tick)
    assert names(scene.record())[:3] == ["OwnershipTaken", "AttemptLost", "AttemptLost"]
    assert scene.leftovers == [("ann", [key("b"), key("c")])]


# Being refused


def test_who_was_refused_does_not_take_the_parent_over_later() -> None:
    scene = Scene()
    scene.loaded(*making(), take("ann"))
    assert isinstance(scene.claim(*making()).exception(0), RunOwnedError)
    scene.living.discard("ann")
    scene.tell(Tick)
    assert scene.journal.heard == []
