"""Who waits for a state of a parent, and whether a publication has woken anybody."""

from __future__ import annotations

import threading

from actors.observers import Observers
from events.evolve import INITIAL
from events.state import ParentState
from tests.actors.stage import Stage, hearing_on

DONE = INITIAL.replace(settled_at=1)


def test_a_publication_says_whether_it_has_woken_anybody() -> None:
    observers = Observers("p", hearing_on(Stage(), 100))
    enlisted = threading.Event()
    found: list[ParentState | None] = []

    def ready(state: ParentState) -> bool:
        enlisted.set()
        return state.settled

    assert not observers.publish(INITIAL, 1), "nobody waits"
    waiting = threading.Thread(target=lambda: found.append(observers.wait(ready, 30)))
    waiting.start()
    assert enlisted.wait(30)
    assert not observers.publish(INITIAL, 2), "who waits for something else sleeps on"
    assert observers.publish(DONE, 3), "the runtime lets whoever was woken go first"
    waiting.join(30)
    assert found == [DONE]
    assert not observers.publish(DONE, 4), "nobody waits any more"
