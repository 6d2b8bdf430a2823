"""Bare asyncio: coroutines that wait, under a semaphore. It records nothing."""

from __future__ import annotations

import asyncio
import time

from benchmarks.job import Job, given, peak_bytes, report


async def fan_out(job: Job) -> None:
    """Run all children, and wait for them."""
    slots = asyncio.Semaphore(job.workers)

    async def child() -> None:
        async with slots:
            await asyncio.sleep(job.doze)

    await asyncio.gather(*(child() for _ in range(job.count)))


def main() -> None:
    """Measure."""
    job = given()
    began = time.perf_counter()
    asyncio.run(fan_out(job))
    report({"seconds": time.perf_counter() - began, "peak_bytes": peak_bytes()})


if __name__ == "__main__":
    main()
