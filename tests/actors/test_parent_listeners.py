"""What the listeners of a parent hear of its children, and what becomes of what was printed."""

from __future__ import annotations

from collections.abc import Sequence

from actors.executors.captured import CapturedOutput
from actors.executors.work import Ending
from actors.hearing import EndedChild
from actors.messages import ExpiryDue
from events.facts import ChildFinished, ChildLimits
from events.strategy import ANY
from tests.actors.scenes import (
    BAD,
    begun,
    end,
    with_slots,
    written,
)
from tests.events.scenario import cancel, spec


class Heard:
    """A listener."""

    def __init__(self) -> None:
        self.ended: list[EndedChild] = []
        self.changes = 0

    def children_ended(self, ended: Sequence[EndedChild]) -> None:
        self.ended += ended

    def changed(self) -> None:
        self.changes += 1


def printed(closed: list[str], name: str) -> Ending:
    return Ending("succeeded", "1", raw=CapturedOutput(b"", b"", on_close=lambda: closed.append(name)))


def test_a_listener_hears_each_ending_once_it_is_on_record_and_keeps_what_was_printed() -> None:
    scene = with_slots(2)
    closed: list[str] = []
    heard = Heard()
    scene.observers.listen(heard)
    ending = printed(closed, "b")
    end(scene, ("b", 1, ending))
    assert heard.ended == []
    scene.record()
    assert heard.ended == [EndedChild("b", 1, "succeeded", 1, ending)]
    assert heard.changes == 1
    assert closed == []
    scene.request(cancel())
    scene.record()
    assert heard.ended[1:] == [], "what still runs has not ended"
    ending.raw.close()


def test_a_child_that_never_ran_ends_without_anything_printed() -> None:
    scene = begun()
    heard = Heard()
    scene.observers.listen(heard)
    scene.request(cancel())
    scene.record()
    assert heard.ended == [EndedChild(child, index, "skipped", 0, None) for index, child in enumerate("abc")]


def test_what_went_wrong_is_said_from_the_record_where_no_executor_said_it_and_only_there() -> None:
    hasty = spec("b", ChildLimits(queue_timeout_seconds=5.0))
    scene = with_slots(1, "a", hasty, max_workers=1, strategy=ANY)
    heard = Heard()
    scene.observers.listen(heard)
    scene.stage.seconds += 5.0
    scene.tell(ExpiryDue)
    [fact] = scene.record()
    assert isinstance(fact, ChildFinished)
    assert heard.ended == [EndedChild("b", 1, "timed_out", 0, None, fact.error)]
    assert fact.error
    end(scene, ("a", 1, BAD))
    scene.record()
    assert heard.ended[1:] == [EndedChild("a", 0, "failed", 1, BAD, None)]


def test_what_was_printed_is_closed_where_nobody_listens() -> None:
    scene = with_slots(2)
    closed: list[str] = []
    end(scene, ("a", 1, printed(closed, "a")))
    scene.append()
    assert closed == []
    written(scene)
    assert closed == ["a"]


def test_what_a_stale_attempt_printed_is_closed_whoever_listens() -> None:
    scene = with_slots(2)
    closed: list[str] = []
    scene.observers.listen(Heard())
    end(scene, ("a", 9, printed(closed, "stale")))
    assert closed == ["stale"]
    end(scene, ("a", 8, printed(closed, "stale too")), ("b", 1, printed(closed, "b")))
    scene.record()
    assert closed == ["stale", "stale too"]
