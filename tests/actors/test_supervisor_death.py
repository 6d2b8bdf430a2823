"""A supervisor that dies: another one takes its place first, and what was told to it is not lost."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from actors.messages import Claim, Release, Returned, ToParent
from actors.runtime import RuntimeActor
from actors.supervisor import SupervisorActor
from events.errors import RunHaltedError
from tests.actors.crew import MAKING, MISTAKE, Crew

NONSENSE: Any = object()
"""What no supervisor can handle."""
NO_ID: Any = ["p"]
"""What no parent can be called, so that to look for it ends in an error."""


class Succession(Crew):
    """A crew whose supervisor is followed by another one when it dies; that one is followed by none."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[RuntimeActor, BaseException, bool]] = []
        """Who died of what, and whether it still took messages."""
        self.first = self._enthrone(self._succeed)
        self.stage.play()

    def _enthrone(self, on_death: Any) -> Any:
        around, directory, services = self.around, self.directory, self.services
        ref = self.stage.spawn(lambda rt: SupervisorActor(rt, on_death, around, directory, services))
        self.supervisor = self.addresses["supervisor"].ref = ref
        return ref

    def _succeed(self, actor: RuntimeActor, error: BaseException) -> None:
        self.seen.append((actor, error, actor.actor_ref.is_alive()))
        self._enthrone(self.stage.note_death)


@pytest.fixture
def line() -> Succession:
    return Succession()


def test_another_one_takes_its_place_before_it_is_gone(line: Succession, caplog: pytest.LogCaptureFixture) -> None:
    line.tell(NONSENSE)
    [(actor, error, alive)] = line.seen
    assert actor.actor_ref is line.first
    assert isinstance(error, KeyError)
    assert alive, "until then it still takes what it is told"
    assert not line.first.is_alive()
    assert [record.message for record in caplog.records] == [f"SupervisorActor died: {error!r}"]
    line.claim()
    assert list(line.directory.live) == ["p"]
    assert line.stage.deaths == []


def test_what_it_did_not_come_to_is_passed_on_and_what_it_died_of_is_not(line: Succession) -> None:
    reply: Future[Any] = Future()
    line.first.tell(NONSENSE)
    line.first.tell(ToParent("p", Claim(MAKING, attach=True, reply=reply)))
    line.stage.play()
    assert list(line.directory.live) == ["p"]
    assert not reply.done(), "who asked gets the answer of the parent"
    assert line.stage.deaths == [], "the next one did not die of it, too"


@pytest.mark.parametrize("returned", [False, True])
def test_whoever_asked_for_what_it_died_of_is_told(line: Succession, *, returned: bool) -> None:
    reply: Future[Any] = Future()
    asked = Release("enough", reply)
    line.tell(Returned(NO_ID, asked, MISTAKE) if returned else ToParent(NO_ID, asked))
    assert len(line.seen) == 1
    refused = reply.exception(0)
    assert isinstance(refused, RunHaltedError)
    assert str(refused) == "run ['p'] cannot go on: the supervisor died of it; try again"
