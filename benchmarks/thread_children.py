"""How well are slots kept busy? Children that block a thread for 20 ms, beside a bare thread pool in the same run.

Every child's four facts are recorded with FULL sync and the hash chain, and the next child starts only when the end of
the one before is on record. The ideal is that of the waits in a row: children / workers x 20 ms. The figure to trust is
the ratio: both sides run in turn on the same machine. Run: python benchmarks/thread_children.py [--at-most SECONDS]
"""

from __future__ import annotations

import argparse
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestrator import Orchestrator, Parallel, task

DOZE_SECONDS = 0.02


@task
def doze() -> None:
    """Block the thread for a while."""
    time.sleep(DOZE_SECONDS)


def recorded(folder: Path, children: int, workers: int) -> float:
    """Run the children with a record; return seconds from start to settled."""
    store = Path(tempfile.mkdtemp(dir=folder)) / "runs.db"
    with Orchestrator(store, max_workers=workers) as orchestrator:
        orchestrator.start(Parallel(children=[doze.child()])).settle(timeout=60)
        parallel = Parallel(children=[doze.child() for _ in range(children)])
        started = time.perf_counter()
        result = orchestrator.start(parallel).settle(timeout=600)
        seconds = time.perf_counter() - started
    if result.counts.succeeded != children:
        raise SystemExit(f"only {result.counts.succeeded:,} of {children:,} children succeeded")
    return seconds


def bare(children: int, workers: int) -> float:
    """Run as many through a ThreadPoolExecutor, which records nothing; return seconds."""
    with ThreadPoolExecutor(workers) as pool:
        pool.submit(int).result()
        started = time.perf_counter()
        for future in [pool.submit(doze.function) for _ in range(children)]:
            future.result()
        return time.perf_counter() - started


def main() -> int:
    """Measure, print, and say whether it was fast enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--children", type=int, default=200)
    parser.add_argument("--workers", type=int, default=8)
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
    print(f"{options.children:,} children that block for {DOZE_SECONDS:g} s, max_workers={options.workers}")
    print(f"  with a record         {seconds:6.3f} s  (best {min(ours):.3f}, of {options.rounds} rounds)")
    print(f"  bare ThreadPool       {bare_seconds:6.3f} s, nothing recorded")
    print(f"  time of a bare pool   {seconds / bare_seconds:6.2f} x")
    return int(seconds > options.at_most)


if __name__ == "__main__":
    sys.exit(main())
