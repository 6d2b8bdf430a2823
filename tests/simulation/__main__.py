"""Play many seeds on all cores, or one seed with its whole trace. Exit status 1 where a promise is broken."""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

from tests.simulation.campaign import Tally, play_all, told
from tests.simulation.watcher import Violation
from tests.simulation.world import World

CHUNK_SEEDS: Final = 250
SHOWN_MAX: Final = 5


def main(arguments: list[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds to play")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="play this one alone, and show its trace")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many processes play")
    parser.add_argument("--here", action="store_true", help="play in this process (for measuring coverage)")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _show(options.seed)
    started = time.monotonic()
    tally = Tally()
    bounds = range(options.first, options.first + options.seeds, CHUNK_SEEDS)
    chunks = [range(first, min(first + CHUNK_SEEDS, options.first + options.seeds)) for first in bounds]
    if options.here:
        tally = play_all(range(options.first, options.first + options.seeds))
    else:
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            for part in pool.map(play_all, chunks):
                tally.add(part)
    _report(tally, time.monotonic() - started, 1 if options.here else options.jobs)
    return 1 if tally.failures else 0


def _show(seed: int) -> int:
    world = World(seed)
    failure = None
    try:
        world.live()
    except Violation as violation:
        failure = told(world, violation)
    for line in world.scheduler.lines():
        print(line)
    print(failure or f"seed {seed}: nothing broken, {world.watcher.facts} facts, trace {world.scheduler.digest()}")
    return 1 if failure else 0


def _report(tally: Tally, seconds: float, jobs: int) -> None:
    for failure in tally.failures[:SHOWN_MAX]:
        print(failure)
    faults = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in sorted(tally.faults.items()))
    print(f"{tally.seeds:,} seeds, {len(tally.failures)} violations, {tally.crashed:,} with crashes")
    print(f"{tally.facts:,} facts, {tally.steps:,} steps; faults: {faults}")
    rate = tally.seeds / tally.busy_seconds
    print(f"{seconds:.1f} s on {jobs} processes; {rate:.0f} seeds a second of processor time")
    print(f"traces {tally.digest}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
