"""Which children run again by the type of their error, and how little of the record is read to find them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from events.decide import decide_all
from events.errors import StepOrderError
from events.evolve import fold
from events.log import EventLog, FactBatch, MemoryRecorder, Row
from orchestrator.selection import selection
from tests.events.scenario import close, create, finish, prepare, redrive, release, start, take

MANY = 300


class Reading(MemoryRecorder):
    """A recorder that counts the rows that were read, by type."""

    def __init__(self) -> None:
        super().__init__()
        self.read: Counter[str] = Counter()

    def stream(self, parent_id: str, **bounds: Any) -> list[Row]:
        """Return one stream's rows."""
        found = super().stream(parent_id, **bounds)
        self.read.update(row.type for row in found)
        return found


@pytest.fixture
def log() -> EventLog:
    """Return the log of a run whose children have ended in the reverse of their order, some without success."""
    recorder = Reading()
    log = EventLog(recorder)
    begun = [
        create(max_workers=MANY, on_decided="continue"),
        prepare(*(f"c{n}" for n in range(MANY))),
        release(),
        close(),
        take(),
    ]
    ran = [each for n in reversed(range(MANY)) for each in (start(f"c{n}"), finish(f"c{n}", _outcome(n)))]
    again = [redrive("c0", "c3"), start("c0"), finish("c0", attempt=2), start("c3"), finish("c3", "cancelled", 2)]
    log.append([FactBatch("p", 0, decide_all(fold(()), [*begun, *ran, *again])[0])])
    recorder.read.clear()
    return log


def _outcome(number: int) -> Any:
    return "failed" if number in (0, 3, 6, 9) else "succeeded"


def test_those_with_an_error_are_found_in_index_order_among_how_children_ended(log: EventLog) -> None:
    chosen = selection(error_type="Wrong").command(log, "p", "x", "token", 1)
    assert chosen.child_ids == ("c3", "c6", "c9")
    recorder = log.recorder
    assert isinstance(recorder, Reading)
    assert set(recorder.read) == {"ChildFinished", "ChildRedriven", "ChildPrepared"}
    assert recorder.read["ChildFinished"] == MANY + 2


def test_those_that_have_other_errors_or_other_ids_are_left_out(log: EventLog) -> None:
    assert selection(ids=["c9", "c1"], error_type="Wrong").command(log, "p", "x", "token", 1).child_ids == ("c9",)
    for asked in (selection(error_type="KeyError"), selection(ids="c0", error_type="Wrong")):
        with pytest.raises(StepOrderError, match="no child that ended without success has an error of the type"):
            asked.command(log, "p", "x", "token", 1)


def test_who_asks_for_an_error_that_nobody_had_is_told_which_there_are(log: EventLog) -> None:
    with pytest.raises(StepOrderError, match=r"of the type Wrnog; there are Wrong$"):
        selection(error_type="Wrnog").command(log, "p", "x", "token", 1)
    with pytest.raises(StepOrderError, match=r"of the type Wrong$"):
        selection(ids="c1", error_type="Wrong").command(log, "p", "x", "token", 1)
