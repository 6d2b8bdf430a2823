"""How many coroutines can wait at a time? Async children on one event loop, beside bare asyncio in the same run.

Every child waits for a tenth of a second; its four facts are recorded with FULL sync and the hash chain. Waiting
costs nothing, so the bare time is that of the waits in a row: children / max_workers x 0.1 s. The figure to trust is
the ratio: both sides run in turn on the same machine. Run: python benchmarks/async_children.py [--at-most SECONDS]
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from orchestrator import Orchestrator, Parallel, task

WAIT_SECONDS = 0.1


@task
async def wait() -> None:
    """Wait as a call to a slow service does."""
    await asyncio.sleep(WAIT_SECONDS)


def recorded(folder: Path, children: int, workers: int) -> float:
    """Run the children with a record; return seconds from start to settled."""
    store = Path(tempfile.mkdtemp(dir=folder)) / "runs.db"
    with Orchestrator(store, max_workers=workers) as orchestrator:
        orchestrator.start(Parallel(children=[wait.child()])).settle(timeout=60)
        parallel = Parallel(children=[wait.child() for _ in range(children)])
        started = time.perf_counter()
        result = orchestrator.start(parallel).settle(timeout=600)
        seconds = time.perf_counter() - started
    if result.counts.succeeded != children:
        raise SystemExit(f"only {result.counts.succeeded:,} of {children:,} children succeeded")
    return seconds


def bare(children: int, workers: int) -> float:
    """Run as many waits under a semaphore of bare asyncio, which records nothing; return seconds."""

    async def all_of_them() -> float:
        slots = asyncio.Semaphore(workers)

        async def one() -> None:
            async with slots:
                await wait.function()

        started = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(children)))
        return time.perf_counter() - started

    return asyncio.run(all_of_them())


def main() -> int:
    """Measure, print, and say whether it was fast enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--children", type=int, default=5_000)
    parser.add_argument("--workers", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-most", type=float, default=float("inf"), help="exit 1 if it takes longer, in seconds")
    options = parser.parse_args()
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for _ in range(options.rounds):
            ours.append(recorded(Path(folder), options.children, options.workers))
            theirs.append(bare(options.children, options.workers))
    seconds, bare_seconds = statistics.median(ours), statistics.median(theirs)
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.machine()}")
    print(f"{options.children:,} coroutines that wait {WAIT_SECONDS:g} s, {options.workers:,} at a time")
    print(f"  with a record         {seconds:6.2f} s  (best {min(ours):.2f}, of {options.rounds} rounds)")
    print(f"  bare asyncio          {bare_seconds:6.2f} s, nothing recorded")
    print(f"  time of bare asyncio  {seconds / bare_seconds:6.2f} x")
    return int(seconds > options.at_most)


if __name__ == "__main__":
    sys.exit(main())
