"""Machines that keep views: by every process on them, all of the same ones, and now and then they are made anew."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from events.errors import StoreError
from events.log import Batch, EventLog, Verdict
from events.projections.builtin import BUILT_IN
from events.projections.check import view_flaws
from events.projections.engine import ProjectionEngine
from tests.simulation.process_death import ProcessDiedError
from tests.simulation.world import World

REBUILDS: Final = 0.01
"""How often, at an append, somebody begins to make all views anew."""
LOOKS: Final = 0.1
"""How often, at an append, all views are compared with the events."""


class ViewedWorld(World):
    """A machine whose processes keep the views of runs."""

    projections = BUILT_IN

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        faults = self.meddler.faults
        if faults.victims and self.chance.random() < 0.5:
            self.meddler.faults = self.meddler.drawn = replace(faults, victims=(*faults.victims, "ProjectorActor"))
        self._log = EventLog(self.disk.recorder, self.disk.catalogue)
        self._seen = 0
        self._racer = ProjectionEngine(self._log, BUILT_IN, events_max=self.chance.choice((1, 7, 50)))
        """Keeps the same views, unharmed, at the worst of moments."""
        self.disk.races.append(self._race)
        self.watcher.onlookers.append(self._look_at)

    def _race(self) -> None:
        self._racer.step()

    def _look_at(self, owner: str, batches: Sequence[Batch], verdicts: Sequence[Verdict]) -> None:
        if self.chance.random() < REBUILDS:
            self._rebuild()
        if self.chance.random() < LOOKS:
            self._compare()

    def _rebuild(self) -> None:
        alive = [process for process in self.processes if process.alive and process.views is not None]
        if alive:
            self.events["rebuild"] += 1
            with suppress(StoreError, ProcessDiedError):
                self.chance.choice(alive).views.rebuild()  # type: ignore[union-attr]

    def _compare(self) -> None:
        """Hold the views to the events, and to what they knew before."""
        for place in view_flaws(self._log, BUILT_IN):
            self.watcher.break_promise("views-are-replay", str(place))
        position = self._position()
        if position < self._seen:
            self.watcher.break_promise("views-go-on", f"from position {self._seen} back to {position}")
        self._seen = position

    def _position(self) -> int:
        if not self.disk.tables.columns("projections"):
            return 0
        found = self.disk.tables.read("SELECT position FROM projections WHERE name = 'runs' AND stage = 'live'")
        return int(found[0][0]) if found else 0

    def _left(self) -> str | None:
        left = super()._left()
        if left is None and self._position() < self._log.last_position():
            return f"views-catch-up: the views hold at {self._position()}, the log is at {self._log.last_position()}"
        if left is None:
            self._compare()
            if self.watcher.violation is not None:
                raise self.watcher.violation
        return left
