"""Logs of several runs, made of random histories, and what their views must be at each position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from events.facts import Fact
from events.log import EventLog, FactBatch
from tests.events.histories import History, plans

STEPS_MAX: Final = 60


@st.composite
def crowds(draw: st.DrawFn, *, runs_max: int = 3) -> list[list[Fact]]:
    """Draw the histories of some runs."""
    found = []
    for _ in range(draw(st.integers(1, runs_max))):
        history = History(draw(plans()))
        size = draw(st.integers(0, STEPS_MAX))
        history.play(draw(st.lists(st.integers(0, 2**32 - 1), min_size=size, max_size=size)))
        found.append(history.facts)
    return found


class Writer:
    """Appends the histories of some runs to a log, a few facts of one of them at a time."""

    def __init__(self, log: EventLog, histories: Sequence[Sequence[Fact]], chance: Random) -> None:
        self.log = log
        self._chance = chance
        self._left = {f"run-{number}": list(facts) for number, facts in enumerate(histories)}
        self._versions = dict.fromkeys(self._left, 0)

    def write_some(self) -> bool:
        """Append something; False where nothing is left."""
        ids = [run_id for run_id, facts in self._left.items() if facts]
        if not ids:
            return False
        run_id = self._chance.choice(ids)
        count = self._chance.choice((1, 1, 2, 3, 7, 30))
        some, self._left[run_id] = self._left[run_id][:count], self._left[run_id][count:]
        self.log.append([FactBatch(run_id, self._versions[run_id], some)])
        self._versions[run_id] += len(some)
        return True
