"""How well are slots kept busy? Children that block a thread for 20 ms, beside a bare thread pool in the same run.

Every child's four facts are recorded with FULL sync and the hash chain, and the next child starts only when the end of
the one before is on record. The ideal is that of the waits in a row: children / workers x 20 ms. The figure to trust is
the ratio: both sides run in turn on the same machine. Run: python benchmarks/thread_children.py [--at-most SECONDS]
"""

from __future__ import annotations

import sys
import time
from functools import partial

from orchestrator import task
from side_by_side import arguments, bare_pool, measure

DOZE_SECONDS = 0.02


@task
def doze() -> None:
    """Block the thread for a while."""
    time.sleep(DOZE_SECONDS)


def main() -> int:
    """Measure, print, and say whether it was fast enough."""
    parser = arguments(__doc__, children=200, workers=8)
    parser.add_argument("--at-most", type=float, default=float("inf"), help="exit 1 if it takes longer, in seconds")
    options = parser.parse_args()
    measured = measure(doze, partial(bare_pool, doze), options)
    print(f"{options.children:,} children that block for {DOZE_SECONDS:g} s, max_workers={options.workers}")
    print(f"  with a record         {measured.seconds:6.3f} s  (best {measured.best:.3f}, of {options.rounds} rounds)")
    print(f"  bare ThreadPool       {measured.bare_seconds:6.3f} s, nothing recorded")
    print(f"  time of a bare pool   {measured.ratio:6.2f} x")
    return int(measured.seconds > options.at_most)


if __name__ == "__main__":
    sys.exit(main())
