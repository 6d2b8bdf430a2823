"""How many coroutines can wait at a time? Async children on one event loop, beside bare asyncio in the same run.

Every child waits for a tenth of a second; its four facts are recorded with FULL sync and the hash chain. Waiting
costs nothing, so the bare time is that of the waits in a row: children / max_workers x 0.1 s. The figure to trust is
the ratio: both sides run in turn on the same machine. Run: python benchmarks/async_children.py [--at-most SECONDS]
"""

from __future__ import annotations

import asyncio
import sys
import time

from orchestrator import task
from side_by_side import arguments, measure

WAIT_SECONDS = 0.1


@task
async def wait() -> None:
    """Wait as a call to a slow service does."""
    await asyncio.sleep(WAIT_SECONDS)


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
    parser = arguments(__doc__, children=5_000, workers=1_000)
    parser.add_argument("--at-most", type=float, default=float("inf"), help="exit 1 if it takes longer, in seconds")
    options = parser.parse_args()
    measured = measure(wait, bare, options)
    print(f"{options.children:,} coroutines that wait {WAIT_SECONDS:g} s, {options.workers:,} at a time")
    print(f"  with a record         {measured.seconds:6.2f} s  (best {measured.best:.2f}, of {options.rounds} rounds)")
    print(f"  bare asyncio          {measured.bare_seconds:6.2f} s, nothing recorded")
    print(f"  time of bare asyncio  {measured.ratio:6.2f} x")
    return int(measured.seconds > options.at_most)


if __name__ == "__main__":
    sys.exit(main())
