"""The controller: what is asked of a run that is not live here is decided on no more of its record than that takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from actors.afar import Control, ControllerActor, Standing
from events.commands import Command
from events.decide import decide_all
from events.errors import ContentConflictError, RunNotFoundError, StepOrderError
from events.evolve import fold
from events.facts import ChildLimits
from events.log import Batch, EventLog, FactBatch, MemoryRecorder, Row
from events.log.record import Verdict
from events.log.recorder import Source
from events.strategy import ANY
from events.views import counts
from tests.actors.stage import Stage
from tests.events.scenario import (
    cancel,
    cancel_child,
    change,
    close,
    create,
    finish,
    names,
    pause,
    prepare,
    redrive,
    release,
    resume,
    skip,
    spec,
    start,
    take,
)

MANY = 300


OPEN = (create(max_workers=2), prepare(*(f"c{n}" for n in range(MANY))), release(), take("ann"))
"""A parent of many, to which more may be added."""


class Reading(MemoryRecorder):
    """A recorder that notes how many rows of single children were read before the latest decision."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0
        self.before = 0

    def stream(self, parent_id: str, **bounds: Any) -> list[Row]:
        """Return one stream's rows."""
        found = super().stream(parent_id, **bounds)
        self.read += len([row for row in found if row.type.startswith("Child")])
        return found

    def tally(self, parent_id: str, upto_position: int) -> dict[str, int]:
        """Return how many rows of each type one stream has: the store counts them where they are."""
        read = self.read
        counted = super().tally(parent_id, upto_position)
        self.read = read
        return counted

    def holding(self, parent_id: str, text: bytes, upto_position: int, types: Sequence[str] = ()) -> list[Row]:
        """Return the rows that hold a text: the store finds them where they are."""
        read = self.read
        found = super().holding(parent_id, text, upto_position, types)
        self.read = read + len(found)
        return found

    def _write_after_look(self, decide: Callable[[Source], Batch | None]) -> Verdict | None:
        self.before, self.read = self.read, 0
        return super()._write_after_look(decide)


class Desk:
    """A controller, and a parent of many children that somebody else works on."""

    def __init__(self, begun: Sequence[Command] = (), *, ran: int = MANY // 2) -> None:
        """Begin with these commands, and let the first children have succeeded."""
        self.recorder = Reading()
        self.log = EventLog(self.recorder)
        self.append(*(begun or (*OPEN, close())), *(command for n in range(ran) for command in _run(f"c{n}")))
        self.stage = Stage()
        self.controller = self.stage.spawn(
            lambda runtime: ControllerActor(runtime, self.stage.note_death, self.log, lambda state: bool(state.owner))
        )
        self.stage.play()

    def append(self, *commands: Command) -> None:
        """Put on record what somebody else does."""
        known = fold(record.fact for record in self.log.read("p"))
        self.log.append([FactBatch("p", known.version, decide_all(known, commands)[0])])

    def ask(self, *commands: Command, only_elsewhere: bool = False, parent_id: str = "p") -> Standing | None:
        """Return what the controller answers, which must be what all of the record says."""
        self.recorder.read = 0
        reply: Future[Standing | None] = Future()
        self.controller.tell(Control(parent_id, commands, only_elsewhere, reply))
        self.stage.play()
        standing = reply.result(0)
        if standing is not None:
            state = fold(record.fact for record in self.log.read("p"))
            assert counts(standing.state) == counts(state)
            assert (standing.state.status, standing.state.version) == (state.status, state.version)
            assert standing.position == self.log.last_position()
        return standing

    def types(self) -> list[str]:
        """Return the types of what is on record."""
        return names(record.fact for record in self.log.read("p"))


def _run(child_id: str) -> Sequence[Command]:
    return (start(child_id), finish(child_id))


@pytest.mark.parametrize(
    ("command", "fact"),
    [(pause(), "Paused"), (cancel(), "ParentDecided"), (change(max_workers=1), "LimitsChanged")],
)
def test_what_concerns_no_child_is_decided_before_any_child_is_read(command: Command, fact: str) -> None:
    desk = Desk()
    assert desk.ask(command) is not None
    assert desk.recorder.before == 1, "the last event, which says where the stream ends"
    assert desk.types()[-1] == fact


def test_resuming_is_decided_before_any_child_is_read() -> None:
    desk = Desk()
    desk.append(pause())
    assert desk.ask(resume(), only_elsewhere=True) is not None
    assert desk.recorder.before == 0
    assert desk.types()[-1] == "Resumed"


def test_a_new_strategy_is_decided_on_the_counts() -> None:
    desk = Desk()
    standing = desk.ask(change(strategy=ANY))
    assert standing is not None
    assert standing.state.status == "succeeded"
    assert desk.recorder.before <= MANY // 2 + 2, "those that have ended, the first start, and the last event"


def test_an_open_parent_whose_children_have_all_ended_is_settled_as_it_is_cancelled() -> None:
    desk = Desk((create(), prepare(*(f"c{n}" for n in range(MANY // 2))), release(), take("ann")))
    assert desk.ask(cancel()) is not None
    assert desk.types()[-3:] == ["ParentDecided", "MembershipClosed", "ParentSettled"]


def test_a_waiting_child_is_cancelled_and_decides_the_parent() -> None:
    desk = Desk()
    standing = desk.ask(cancel_child("c299"))
    assert standing is not None
    assert standing.state.status == "failed"
    assert desk.types()[-3:] == ["ChildCancelRequested", "ChildFinished", "ParentDecided"]


def test_a_running_child_is_asked_to_stop_once() -> None:
    desk = Desk()
    desk.append(start("c200"))
    for _ in range(2):
        standing = desk.ask(cancel_child("c200"))
        assert standing is not None
        assert standing.state.running_count == 1
        assert desk.types()[-2:] == ["ChildStarted", "ChildCancelRequested"]
    assert desk.ask(cancel_child("c0")) is not None
    with pytest.raises(StepOrderError, match="no child 'nobody'"):
        desk.ask(cancel_child("nobody"))


ONE = (prepare("new"), release())


def test_a_child_is_added_before_any_other_is_read() -> None:
    desk = Desk(OPEN)
    standing = desk.ask(*ONE)
    assert standing is not None
    assert standing.state.total == MANY + 1
    assert desk.recorder.before == 1, "the last event, which says where the stream ends"
    assert desk.types()[-2:] == ["ChildPrepared", "ChildCreated"]


def test_of_many_that_are_added_only_what_they_are_to_do_is_looked_for() -> None:
    desk = Desk(OPEN)
    standing = desk.ask(prepare(*(f"d{n}" for n in range(9)), "c1", "c299"), release())
    assert standing is not None
    assert standing.state.total == MANY + 9
    assert desk.recorder.before == MANY + 1, "what each child was asked to do, and none of what became of it"


@pytest.mark.parametrize("child_id", ["c1", "c299"], ids=["succeeded", "waiting"])
def test_a_child_that_is_there_is_passed_over_and_refused_with_other_work(child_id: str) -> None:
    desk = Desk(OPEN)
    before = desk.types()
    assert desk.ask(prepare(child_id), release()) is not None
    with pytest.raises(ContentConflictError, match=f"{child_id!r} was prepared before with other work"):
        desk.ask(prepare("d", spec(child_id, ChildLimits(max_attempts=7))), release())
    assert desk.types() == before


def test_what_was_added_meanwhile_is_not_added_again() -> None:
    desk = Desk(OPEN)
    desk.ask(*ONE)
    desk.append(prepare("d", "e"), release(), start("new"), finish("new"))
    desk.ask(prepare("e", "new", "f"), release())
    assert desk.types()[-2:] == ["ChildPrepared", "ChildCreated"]
    with pytest.raises(ContentConflictError, match="'new'"):
        desk.ask(prepare(spec("new", ChildLimits(max_attempts=7))), release())


def test_those_that_were_prepared_and_not_created_are_created_with_what_is_added() -> None:
    desk = Desk(OPEN)
    desk.append(prepare("d", "e"))
    standing = desk.ask(*ONE)
    assert standing is not None
    assert standing.state.created == MANY + 3
    assert desk.types()[-4:] == ["ChildPrepared", *["ChildCreated"] * 3]
    assert desk.recorder.before == 3, "the last event, and the two"


def test_nothing_is_added_to_a_parent_that_is_closed() -> None:
    desk = Desk()
    with pytest.raises(StepOrderError, match="no longer be added"):
        desk.ask(*ONE)
    assert desk.ask(prepare("c1"), release()) is not None, "which is there"


def test_children_that_were_given_up_before_they_were_created_are_not_created_later() -> None:
    desk = Desk((create(), prepare("a"), release(), take("ann"), prepare("b"), cancel(), skip()), ran=0)
    desk.append(redrive("a"))
    before = desk.types()
    assert desk.ask(prepare("b"), release()) is not None
    assert desk.types() == before


def test_a_parent_is_closed_on_its_counts() -> None:
    desk = Desk(OPEN)
    assert desk.ask(close(arriving=True)) is not None
    assert desk.types()[-1] == "MembershipClosed"
    assert desk.recorder.before <= MANY // 2 + 2, "those that have ended, the first start, and the last event"


def test_a_parent_that_is_closed_stays_so_before_any_child_is_read() -> None:
    desk = Desk()
    before = desk.types()
    assert desk.ask(close(arriving=True)) is not None
    assert desk.recorder.before == 1
    assert desk.types() == before


def test_closing_settles_a_parent_whose_children_have_all_ended() -> None:
    desk = Desk(OPEN, ran=MANY)
    standing = desk.ask(close(arriving=True))
    assert standing is not None
    assert standing.state.settled
    assert desk.types()[-3:] == ["MembershipClosed", "ParentDecided", "ParentSettled"]


def test_what_came_meanwhile_is_seen_by_the_next_request() -> None:
    desk = Desk()
    desk.ask(pause())
    desk.append(resume(), start("c200"))
    desk.ask(cancel_child("c200"))
    desk.append(finish("c200", "cancelled"))
    standing = desk.ask(pause())
    assert standing is not None
    assert standing.state.cancelled == 1
    with pytest.raises(StepOrderError, match="decided"):
        desk.ask(change(strategy=ANY))


def test_nothing_is_done_for_a_parent_that_nobody_works_on_or_that_is_not_there() -> None:
    desk = Desk((create(), prepare("a"), release(), close()), ran=0)
    before = desk.types()
    assert desk.ask(cancel(), only_elsewhere=True) is None
    with pytest.raises(RunNotFoundError, match="'q'"):
        desk.ask(pause(), parent_id="q")
    assert desk.types() == before
