"""How fast are tiny children? No-op Python children on SQLite, beside a bare thread pool in the same run.

Every child's four facts are recorded with FULL sync and the hash chain. The figure to trust is the ratio: both
sides run in turn, several rounds, on the same machine. Run: python benchmarks/noop_children.py [--at-least N]
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


@task
def noop() -> None:
    """Do nothing."""


def recorded(folder: Path, children: int, workers: int) -> float:
    """Run the children with a record; return seconds from start to settled."""
    store = Path(tempfile.mkdtemp(dir=folder)) / "runs.db"
    with Orchestrator(store, max_workers=workers) as orchestrator:
        orchestrator.start(Parallel(children=[noop.child()])).settle(timeout=60)
        parallel = Parallel(children=[noop.child() for _ in range(children)])
        started = time.perf_counter()
        result = orchestrator.start(parallel).settle(timeout=600)
        seconds = time.perf_counter() - started
    if result.counts.succeeded != children:
        raise SystemExit(f"only {result.counts.succeeded:,} of {children:,} children succeeded")
    return seconds


def bare(children: int, workers: int) -> float:
    """Run as many no-ops through a ThreadPoolExecutor, which records nothing; return seconds."""
    with ThreadPoolExecutor(workers) as pool:
        pool.submit(int).result()
        started = time.perf_counter()
        for future in [pool.submit(noop.function) for _ in range(children)]:
            future.result()
        return time.perf_counter() - started


def main() -> int:
    """Measure, print, and say whether it was fast enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--children", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-least", type=float, default=0.0, help="exit 1 below so many children a second")
    options = parser.parse_args()
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for _ in range(options.rounds):
            ours.append(recorded(Path(folder), options.children, options.workers))
            theirs.append(bare(options.children, options.workers))
    rate, bare_rate = (options.children / statistics.median(seconds) for seconds in (ours, theirs))
    best = options.children / min(ours)
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.machine()}")
    print(f"{options.children:,} no-op children, max_workers={options.workers}, {options.rounds} rounds")
    print(f"  with a record       {rate:9,.0f} children/s  (best {best:,.0f})")
    print(f"  bare ThreadPool     {bare_rate:9,.0f} children/s, nothing recorded")
    print(f"  time of a bare pool {bare_rate / rate:9.1f} x")
    return int(rate < options.at_least)


if __name__ == "__main__":
    sys.exit(main())
