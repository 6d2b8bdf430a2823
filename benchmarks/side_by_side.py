"""Children with a record beside the same work without one: both sides run in turn, several rounds, on one machine."""

from __future__ import annotations

import argparse
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator import Orchestrator, Parallel
from orchestrator.tasks import Task


class Measured(NamedTuple):
    """How many seconds each round took."""

    ours: list[float]
    theirs: list[float]

    @property
    def seconds(self) -> float:
        """The median of the side with a record."""
        return statistics.median(self.ours)

    @property
    def bare_seconds(self) -> float:
        """The median of the side without."""
        return statistics.median(self.theirs)

    @property
    def best(self) -> float:
        """The best round of the side with a record."""
        return min(self.ours)

    @property
    def ratio(self) -> float:
        """How many times as long the side with a record takes: the figure to trust."""
        return self.seconds / self.bare_seconds


def arguments(description: str | None, *, children: int, workers: int) -> argparse.ArgumentParser:
    """Return the options that all of these measurements have, with their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--children", type=int, default=children)
    parser.add_argument("--workers", type=int, default=workers)
    parser.add_argument("--rounds", type=int, default=5)
    return parser


def measure(task: Task[..., Any], bare: Callable[[int, int], float], options: argparse.Namespace) -> Measured:
    """Run children of a task, and in turn what `bare` does with as many and as many workers; print on what."""
    measured = Measured([], [])
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for _ in range(options.rounds):
            measured.ours.append(recorded(task, Path(folder), options.children, options.workers))
            measured.theirs.append(bare(options.children, options.workers))
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.machine()}")
    return measured


def recorded(task: Task[..., Any], folder: Path, children: int, workers: int) -> float:
    """Run children of a task with a record; return seconds from start to settled."""
    store = Path(tempfile.mkdtemp(dir=folder)) / "runs.db"
    with Orchestrator(store, max_workers=workers) as orchestrator:
        orchestrator.start(Parallel(children=[task.child()])).settle(timeout=60)
        parallel = Parallel(children=[task.child() for _ in range(children)])
        started = time.perf_counter()
        result = orchestrator.start(parallel).settle(timeout=600)
        seconds = time.perf_counter() - started
    if result.counts.succeeded != children:
        raise SystemExit(f"only {result.counts.succeeded:,} of {children:,} children succeeded")
    return seconds


def bare_pool(task: Task[..., Any], children: int, workers: int) -> float:
    """Run as many through a ThreadPoolExecutor, which records nothing; return seconds."""
    with ThreadPoolExecutor(workers) as pool:
        pool.submit(int).result()
        started = time.perf_counter()
        for future in [pool.submit(task.function) for _ in range(children)]:
            future.result()
        return time.perf_counter() - started
