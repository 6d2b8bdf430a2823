"""What an outer parent's child asks of the inner parent that it is."""

from __future__ import annotations

from typing import Any, cast

from actors.executors.work import AttemptKey, Ending, Work
from actors.hearing import Hearing, Listener
from actors.messages import Claim
from actors.nesting import NestedExecutor
from actors.observers import Observers
from actors.system import ActorSystem
from events.commands import Cancel, Command, Redrive
from events.decide import decide_all
from events.evolve import INITIAL
from events.nested import NestedParent
from events.state import NESTED_TASK, ParentState
from events.strategy import ALL
from tests.actors.stage import Stage
from tests.events.scenario import cancel, close, create, finish, prepare, release, start, take

KEY = AttemptKey("p", "n", 2)


class System:
    """Notes what parents are asked, and lets the test say what became of them."""

    def __init__(self) -> None:
        self.runtime = Stage()
        self.claims: list[Claim] = []
        self.watched = Observers("p/n", _at_once)

    def observers(self, parent_id: str) -> Observers:
        assert parent_id == "p/n"
        return self.watched

    def nested_begun(self, observers: Observers) -> None:
        assert observers is self.watched

    def tell_parent(self, parent_id: str, message: Any) -> None:
        assert parent_id == "p/n"
        self.claims.append(message)

    def asked(self, kind: type[Command]) -> list[Claim]:
        return [claim for claim in self.claims if any(isinstance(command, kind) for command in claim.then)]


def _at_once(parent_id: str, listener: Listener) -> Hearing:
    return Hearing(parent_id, listener, Hearing.deliver, 100)


def state_after(*commands: Command) -> ParentState:
    return decide_all(INITIAL, (create(), prepare("a"), release(), close(), take("me"), start("a"), *commands))[1]


def begun(system: System) -> tuple[NestedExecutor, list[Ending]]:
    """Let a retry of a nested child begin while its run is running: somebody has redriven that by itself."""
    executor = NestedExecutor(cast("ActorSystem", system), 200, 4)
    endings: list[Ending] = []
    text = NestedParent(strategy=ALL, max_workers=1, on_decided="cancel", content="0" * 64, children=()).text()
    executor.submit([Work(KEY, 0, NESTED_TASK, text, again=1)], lambda _, ending: endings.append(ending))
    [claim] = system.claims
    system.watched.publish(state_after(), 6)
    assert claim.reply is not None
    claim.reply.set_result(state_after())
    assert endings == []
    return executor, endings


def test_a_retry_redrives_the_inner_parent_once_that_is_settled() -> None:
    system = System()
    _, endings = begun(system)
    system.watched.publish(state_after(finish("a", "failed")), 9)
    assert len(system.asked(Redrive)) == 1
    assert endings == []


def test_an_attempt_that_was_asked_to_stop_ends_as_the_inner_parent_does_and_redrives_it_no_more() -> None:
    system = System()
    executor, endings = begun(system)
    executor.cancel([KEY], reason="enough")
    assert len(system.asked(Cancel)) == 1
    system.watched.publish(state_after(cancel(), finish("a", "cancelled")), 9)
    assert system.asked(Redrive) == []
    assert [ending.outcome for ending in endings] == ["cancelled"]
