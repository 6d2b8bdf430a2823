"""A bare ThreadPoolExecutor: the floor. It records nothing."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from benchmarks.job import Job, given, latencies, peak_bytes, report, work

_WINNER_WORKS_SECONDS = 0.1


def fan_out(pool: ThreadPoolExecutor, job: Job) -> None:
    """Run all children of all parents, and wait for them."""
    futures: list[Future[None]] = [pool.submit(work, job.doze) for _ in range(job.count)]
    for future in futures:
        future.result()


def one_by_one(pool: ThreadPoolExecutor, repeats: int) -> list[float]:
    """Return how long each of so many single children took, from being given to its result, in ms."""
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        pool.submit(work, 0.0).result()
        found.append(1_000 * (time.perf_counter() - began))
    return found


class Race:
    """One task that ends while all other threads are at work."""

    def __init__(self, pool: ThreadPoolExecutor, job: Job) -> None:
        self._pool = pool
        self._job = job
        self._at_work = threading.Semaphore(0)
        self._over = threading.Event()
        self._ended = 0.0

    def _win(self) -> None:
        for _ in range(self._job.workers - 1):
            self._at_work.acquire()
        time.sleep(_WINNER_WORKS_SECONDS)
        self._ended = time.perf_counter()

    def _lose(self) -> None:
        self._at_work.release()
        self._over.wait(60)

    def run(self) -> float:
        """Run it; return how long after the winner's end it was heard of, in ms."""
        futures = {self._pool.submit(self._win)} | {
            self._pool.submit(self._lose) for _ in range(self._job.children - 1)
        }
        wait(futures, return_when=FIRST_COMPLETED)
        took = 1_000 * (time.perf_counter() - self._ended)
        self._over.set()
        wait(futures)
        return took


def main() -> None:
    """Measure."""
    job = given()
    with ThreadPoolExecutor(job.workers) as pool:
        pool.submit(int).result()
        if job.how in ("single", "any"):
            times = (
                one_by_one(pool, job.repeats)
                if job.how == "single"
                else [Race(pool, job).run() for _ in range(job.repeats)]
            )
            report(latencies(times))
            return
        began = time.perf_counter()
        fan_out(pool, job)
        seconds = time.perf_counter() - began
    report({"seconds": seconds, "peak_bytes": peak_bytes()})


if __name__ == "__main__":
    main()
