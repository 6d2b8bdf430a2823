"""Scenes to begin from, and what may happen in them."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Final

from actors.endings import Endings
from actors.executors.work import AttemptKey, Ending, Progress
from actors.messages import (
    Appended,
    AttemptsEnded,
    LoadedNews,
    Request,
    Share,
)
from events.commands import Command
from events.decide import decide_all
from events.errors import (
    StoreUnavailableError,
)
from events.facts import ChildFinished, ChildStarted, Fact
from events.log.record import Recorded
from events.state import ParentState
from tests.actors.stage import Scene
from tests.events.scenario import (
    close,
    create,
    prepare,
    release,
)

BROKEN: Final = StoreUnavailableError("the disk is gone")


def making(*children: Any, **fields: Any) -> tuple[Command, ...]:
    """Return the commands that create a parent with these children."""
    return (create(**fields), prepare(*(children or "abc")), release(), close())


def begun(*children: Any, scene: Scene | None = None, **fields: Any) -> Scene:
    """Return a scene in which the parent was created and is ours, all of it on record."""
    made = scene or Scene()
    made.loaded()
    made.pool.heard.clear()
    made.claim(*making(*children, **fields))
    made.record()
    return made


def with_slots(slots: int, *children: Any, scene: Scene | None = None, **fields: Any) -> Scene:
    """Return a scene in which so many children were started, on record, and nothing is under way."""
    made = begun(*children, scene=scene, **fields)
    made.allot(slots, 1)
    made.record()
    made.pool.heard.clear()
    return made


def key(child_id: str, attempt: int = 1) -> AttemptKey:
    return AttemptKey("p", child_id, attempt)


def attempts_ended(*endings: tuple[str, int, Ending]) -> AttemptsEnded:
    """Return what the executors' reports of endings come as."""
    left = Endings(lambda _: None)
    for child_id, attempt, ending in endings:
        left.put(key(child_id, attempt), ending)
    return AttemptsEnded(left)


def end(scene: Scene, *endings: tuple[str, int, Ending]) -> None:
    """Let the executors report endings."""
    scene.tell(attempts_ended(*endings))


GOOD: Final = Ending("succeeded", "1")
BAD: Final = Ending("failed", error="2")


def shares(scene: Scene) -> list[tuple[int, int]]:
    return [(share.wanted, share.used) for share in scene.pool.take(Share)]


def state_of(scene: Scene) -> ParentState:
    assert scene.observers.latest is not None
    return scene.observers.latest[0]


def child_ids(facts: list[Fact], kind: type[ChildStarted] | type[ChildFinished]) -> list[str]:
    return [fact.child_id for fact in facts if isinstance(fact, kind)]


class Waiting:
    """A request, and what came of it."""

    def __init__(self, *commands: Command) -> None:
        self.reply: Future[ParentState] = Future()
        self.request = Request(commands, self.reply)


def news(scene: Scene, *commands: Command) -> LoadedNews:
    """Return what the loader finds when somebody else has put these commands on record."""
    facts, _ = decide_all(state_of(scene), commands)
    records = [
        Recorded("p", state_of(scene).version + number, fact, scene.position + number)
        for number, fact in enumerate(facts, 1)
    ]
    scene.position += len(records)
    return LoadedNews(records)


def written(scene: Scene) -> None:
    """Let the journal answer that what was sent is on record."""
    scene.position += len(scene.sent.facts)
    scene.tell(Appended(scene.sent.expected_version + len(scene.sent.facts), scene.position))


def say(scene: Scene, child_id: str, progress: Progress, attempt: int = 1) -> None:
    """Let an attempt say how far it is."""
    said = Endings(lambda _: None)
    said.hear(key(child_id, attempt), progress)
    scene.tell(AttemptsEnded(said))
