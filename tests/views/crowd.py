"""Logs of several runs, made of random histories, and those who write them and keep their views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from hypothesis import strategies as st

from events.facts import Fact
from events.log import EventLog, FactBatch
from events.projections.builtin import BUILT_IN
from events.projections.check import view_flaws
from events.projections.engine import ProjectionEngine
from tests.events.histories import SEEDS, History, plans

STEPS_MAX: Final = 60


@st.composite
def crowds(draw: st.DrawFn, *, runs_max: int = 3) -> list[list[Fact]]:
    """Draw the histories of some runs."""
    found = []
    for _ in range(draw(st.integers(1, runs_max))):
        history = History(draw(plans()))
        size = draw(st.sampled_from(range(STEPS_MAX + 1)))
        history.play(draw(st.lists(SEEDS, min_size=size, max_size=size)))
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


class Keeper:
    """Keeps the views of a log, is stopped and begins anew, and looks at each position whether all is right."""

    def __init__(self, log: EventLog, chance: Random) -> None:
        self.log = log
        self._chance = chance
        self._engines = [self._begin()]
        self.checked = 0

    def _begin(self) -> ProjectionEngine:
        return ProjectionEngine(self.log, BUILT_IN, events_max=self._chance.choice((1, 1, 2, 5, 8_192)))

    def restart(self) -> None:
        """Lose what is in memory; sometimes somebody else keeps the same views, too."""
        if self._chance.random() < 0.3:
            self._engines = [self._begin(), *self._engines[:1]]
        else:
            self._engines = [self._begin()]

    def rebuild(self) -> None:
        """Begin to make all views anew, or one."""
        name = self._chance.choice([projection.name for projection in BUILT_IN])
        self._engines[0].rebuild(self._chance.choice(([], [name])))

    def step(self) -> bool:
        """Take one batch."""
        done = self._chance.choice(self._engines).step()
        self.check()
        return done

    def catch_up(self) -> None:
        """Take all there is."""
        for engine in self._engines:
            while engine.step():
                self.check()

    def check(self) -> None:
        """Look whether every view is what the events up to its position make of it."""
        assert list(view_flaws(self.log, BUILT_IN)) == []
        self.checked += 1


def live(log: EventLog, histories: Sequence[Sequence[Fact]], chance: Random) -> Keeper:
    """Write histories and keep their views, in a random order, with random stops, restarts and rebuilds."""
    writer, keeper = Writer(log, histories, chance), Keeper(log, chance)
    acts: list[tuple[float, Callable[[], object]]] = [
        (0.5, keeper.step),
        (0.05, keeper.restart),
        (0.03, keeper.rebuild),
    ]
    while True:
        pick = chance.random()
        for share, act in acts:
            pick -= share
            if pick < 0:
                act()
                break
        else:
            if not writer.write_some():
                break
    keeper.catch_up()
    positions = {row.position for row in ProjectionEngine(log, BUILT_IN).stages.checkpoints.all()}
    assert positions == {log.last_position()}
    return keeper
