"""Many seeds: play them, count what happened in them, and say of a failing one how to play it again."""

from __future__ import annotations

import gc
import hashlib
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tests.simulation.watcher import Violation
from tests.simulation.world import World

TRACE_LINES: Final = 40
_COLLECT_EVERY: Final = 100


@dataclass
class Tally:
    """What happened in many seeds. Tallies of one range are added up in order, so the digest tells of all of them."""

    seeds: int = 0
    crashed: int = 0
    """In how many seeds a process was killed."""
    facts: int = 0
    steps: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    """Of the traces, a seed each."""
    busy_seconds: float = 0.0
    """Processor time."""

    def add(self, other: Tally) -> None:
        """Add the tally of the seeds that follow."""
        for name in ("seeds", "crashed", "facts", "steps", "busy_seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.faults.update(other.faults)
        self.failures += other.failures
        self.digests += other.digests

    @property
    def digest(self) -> str:
        """Return a SHA-256 (hex) over the traces of all seeds."""
        return hashlib.sha256("\n".join(self.digests).encode()).hexdigest()


def play(seed: int, kind: type[World] = World) -> World:
    """Play one seed to its end, on one kind of machine. Raises Violation."""
    world = kind(seed)
    world.live()
    return world


def play_all(seeds: Iterable[int]) -> Tally:
    """Play seeds and count. Garbage is collected now and then only: to look for it costs more than to play."""
    tally = Tally()
    started = time.process_time()
    gc.disable()
    gc.freeze()
    try:
        for seed in seeds:
            _play_one(seed, tally)
            if tally.seeds % _COLLECT_EVERY == 0:
                gc.collect()
    finally:
        gc.unfreeze()
        gc.enable()
    tally.busy_seconds = time.process_time() - started
    return tally


def _play_one(seed: int, tally: Tally) -> None:
    world = World(seed)
    try:
        world.live()
    except Violation as violation:
        tally.failures.append(told(world, violation))
    tally.seeds += 1
    tally.facts += world.watcher.facts
    tally.steps += len(world.scheduler.trace)
    faults = world.meddler.count + world.events
    tally.crashed += any(faults[name] for name in ("crash", "crash_before_append", "crash_after_append"))
    tally.faults.update(faults)
    tally.digests.append(world.scheduler.digest())
    world.dismantle()


def told(world: World, violation: Violation) -> str:
    """Say what failed, how to play it again, and what happened last."""
    lines = [line for line in world.scheduler.lines() if " Tick" not in line][-TRACE_LINES:]
    return "\n".join(
        [
            f"seed {world.seed}: {violation}",
            f"  play it again: make simulate SEED={world.seed}",
            f"  faults: {world.meddler.drawn}",
            *(f"  {line}" for line in lines),
        ]
    )
