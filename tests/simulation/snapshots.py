"""Machines on which snapshots are kept after every few events, and come to harm: whoever goes on from one is right.

What a snapshot says is compared with the fold of the whole record, each time that anybody goes on from one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from events.evolve import fold
from events.log import Recorder
from events.log.recorder import LAST
from events.log.snapshots import Snapshot, Snapshots
from events.snapshot import difference
from tests.simulation.disk import Disk
from tests.simulation.process import Process
from tests.simulation.watcher import Watcher
from tests.simulation.world import World

HARM_MAX: Final = 0.4


class SnapshotWorld(World):
    """A machine on which a parent's next snapshot is due after three more events."""

    snapshot_events = 3

    def __init__(self, seed: int, recorder: Recorder | None = None) -> None:
        super().__init__(seed, recorder)
        self.used = 0
        """How often somebody went on from a snapshot."""
        if not self.calm:
            self.meddler.faults = replace(self.meddler.faults, snapshots=HARM_MAX * self.chance.random())

    def boot(self) -> Process:
        """Start one more process, and look at every snapshot that it goes on from."""
        process = super().boot()
        process.log.snapshots = _Watched(self, process)
        return process


class _Watched(Snapshots):
    """Snapshots of one process, each compared with the record when it is used."""

    def __init__(self, world: SnapshotWorld, process: Process) -> None:
        super().__init__(process.log.recorder, process.log.catalogue)
        self._world = world

    def latest(self, parent_id: str, *, upto_position: int = LAST, upto_at: int = LAST) -> Snapshot | None:
        """Return the newest sound snapshot, which must be what the record adds up to."""
        found = super().latest(parent_id, upto_position=upto_position, upto_at=upto_at)
        if found is not None:
            self._world.used += 1
            _compare(self._world.disk, self._world.watcher, parent_id, found)
        return found


def _compare(disk: Disk, watcher: Watcher, parent_id: str, found: Snapshot) -> None:
    rows = disk.recorder.stream(parent_id, upto_position=found.position)
    facts = [disk.catalogue.decode(row.type, row.data) for row in rows]
    field = difference(fold(facts), found.state)
    if field is not None or (rows[-1].hash, max(fact.at for fact in facts)) != (found.hash, found.at):
        what = field or "its time, or its hash,"
        watcher.break_promise("snapshots-are-replay", f"{parent_id} at {len(rows)}: {what} is not what the record says")
