"""What do views cost whoever writes, and how far are they behind? No-op children with views, and in turn without.

The figure to trust is the ratio of both; then, in rounds of their own, how old the oldest event was that was not in
the views yet. Run: python benchmarks/projecting.py [--at-least 0.75] [--lag-at-most 1.0]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from orchestrator import Orchestrator, Parallel, task
from side_by_side import arguments

_LOOKS_EVERY_SECONDS = 0.05


@task
def noop() -> None:
    """Do nothing."""


def written(folder: Path, children: int, workers: int, *, views: bool) -> float:
    """Run no-op children; return how many a second."""
    store = Path(tempfile.mkdtemp(dir=folder)) / "runs.db"
    with Orchestrator(store, max_workers=workers, projections=() if views else None) as orchestrator:
        orchestrator.start(Parallel(children=[noop.child()])).settle(timeout=60)
        parallel = Parallel(children=[noop.child() for _ in range(children)])
        started = time.perf_counter()
        orchestrator.start(parallel).settle(timeout=600)
        return children / (time.perf_counter() - started)


def largest_lag(folder: Path, children: int, workers: int) -> float:
    """Run no-op children at full speed; return the largest lag of any view that was seen, in seconds."""
    store = Path(tempfile.mkdtemp(dir=folder)) / "runs.db"
    lags = [0.0]
    over = threading.Event()
    with Orchestrator(store, max_workers=workers) as orchestrator:

        def look() -> None:
            while not over.wait(_LOOKS_EVERY_SECONDS):
                lags.extend(standing.lag_seconds for standing in orchestrator.views.standings())

        looker = threading.Thread(target=look)
        looker.start()
        try:
            orchestrator.start(Parallel(children=[noop.child() for _ in range(children)])).settle(timeout=600)
        finally:
            over.set()
            looker.join()
    return max(lags)


def main() -> int:
    """Measure, print, and say whether it was good enough."""
    parser = arguments(__doc__, children=20_000, workers=8)
    parser.add_argument("--at-least", type=float, default=0.0, help="exit 1 below this part of the speed without views")
    parser.add_argument("--lag-at-most", type=float, default=float("inf"), help="exit 1 above so many seconds")
    options = parser.parse_args()
    with_views, without, lags = [], [], []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for _ in range(options.rounds):
            with_views.append(written(Path(folder), options.children, options.workers, views=True))
            without.append(written(Path(folder), options.children, options.workers, views=False))
            lags.append(largest_lag(Path(folder), options.children, options.workers))
    ratio = statistics.median(one / other for one, other in zip(with_views, without, strict=True))
    print(f"{options.children:,} no-op children, max_workers={options.workers}, {options.rounds} rounds")
    print(f"  with views          {statistics.median(with_views):9,.0f} children/s")
    print(f"  without             {statistics.median(without):9,.0f} children/s")
    print(f"  part of the speed   {ratio:9.2f}")
    print(f"  largest lag         {max(lags):9.2f} s")
    return int(ratio < options.at_least or max(lags) > options.lag_at_most)


if __name__ == "__main__":
    sys.exit(main())
