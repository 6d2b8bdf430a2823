"""Compare children that come from a generator with children that are given as a list.

Both sides run in turn, several rounds, on the same machine, so the ratio is the figure to trust. The furthest that the
generator ran ahead of the children that had ended is printed, too. Run: python benchmarks/fed_children.py
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator import Child, Orchestrator, Parallel, task


@task
def noop() -> None:
    """Do nothing."""


class Source:
    """A generator that knows how many children it has given."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.given = 0

    def __iter__(self) -> Iterator[Child]:
        for _ in range(self.count):
            self.given += 1
            yield noop.child()


def measured(folder: Path, children: int, workers: int, *, fed: bool) -> tuple[float, int]:
    """Run the children; return seconds from start to settled, and how far the source ran ahead."""
    store = Path(tempfile.mkdtemp(dir=folder)) / "runs.db"
    with Orchestrator(store, max_workers=workers) as orchestrator:
        orchestrator.start(Parallel(children=[noop.child()])).settle(timeout=60)
        source, furthest = Source(children), 0
        started = time.perf_counter()
        run = orchestrator.start(Parallel(children=source if fed else list(source)))
        while fed and not (view := run.status()).settled:
            given, counts = source.given, view.counts
            furthest = max(furthest, given - (counts.total - counts.pending - counts.running))
            time.sleep(0.01)
        result = run.settle(timeout=600)
        seconds = time.perf_counter() - started
    if result.counts.succeeded != children:
        raise SystemExit(f"only {result.counts.succeeded:,} of {children:,} children succeeded")
    return seconds, furthest


def main() -> int:
    """Measure, print, and say whether feeding was cheap enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--children", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-most", type=float, default=2.0, help="exit 1 where feeding takes so many times as long")
    options = parser.parse_args()
    fed: list[float] = []
    listed: list[float] = []
    ahead = 0
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for _ in range(options.rounds):
            seconds, furthest = measured(Path(folder), options.children, options.workers, fed=True)
            fed.append(seconds)
            ahead = max(ahead, furthest)
            listed.append(measured(Path(folder), options.children, options.workers, fed=False)[0])
    ratio = statistics.median(fed) / statistics.median(listed)
    print(f"{options.children:,} no-op children, max_workers={options.workers}, {options.rounds} rounds")
    print(f"  from a generator {options.children / statistics.median(fed):9,.0f} children/s, {ahead:,} ahead at most")
    print(f"  from a list      {options.children / statistics.median(listed):9,.0f} children/s")
    print(f"  time of a list   {ratio:9.2f} x")
    return int(ratio > options.at_most)


if __name__ == "__main__":
    sys.exit(main())
