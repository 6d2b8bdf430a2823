"""How fast are tiny children? No-op Python children on SQLite, beside a bare thread pool in the same run.

Every child's four facts are recorded with FULL sync and the hash chain. The figure to trust is the ratio: both
sides run in turn, several rounds, on the same machine. Run: python benchmarks/noop_children.py [--at-least N]
"""

from __future__ import annotations

import sys
from functools import partial

from orchestrator import task
from side_by_side import arguments, bare_pool, measure


@task
def noop() -> None:
    """Do nothing."""


def main() -> int:
    """Measure, print, and say whether it was fast enough."""
    parser = arguments(__doc__, children=10_000, workers=8)
    parser.add_argument("--at-least", type=float, default=0.0, help="exit 1 below so many children a second")
    options = parser.parse_args()
    measured = measure(noop, partial(bare_pool, noop), options)
    rate, bare_rate = options.children / measured.seconds, options.children / measured.bare_seconds
    print(f"{options.children:,} no-op children, max_workers={options.workers}, {options.rounds} rounds")
    print(f"  with a record       {rate:9,.0f} children/s  (best {options.children / measured.best:,.0f})")
    print(f"  bare ThreadPool     {bare_rate:9,.0f} children/s, nothing recorded")
    print(f"  time of a bare pool {measured.ratio:9.1f} x")
    return int(rate < options.at_least)


if __name__ == "__main__":
    sys.exit(main())
