"""huey on SQLite: a queue with workers. It has no parent; its time is up when the last result is on record.

A row in the queue, then a row with the result. WAL, and SQLite's default of synchronous=FULL. No history. Nobody asks
for the results meanwhile: asking one by one makes it slower.
"""

from __future__ import annotations

import threading
import time

from huey import SqliteHuey
from huey.signals import SIGNAL_COMPLETE

from benchmarks.job import bytes_below, given, report, work

JOB = given()
huey = SqliteHuey(filename=str(JOB.folder / "huey.sqlite"))


@huey.task()
def child(doze: float) -> int:
    """Be a child."""
    work(doze)
    return 1


class Ended:
    """Counts the children whose results are stored."""

    def __init__(self) -> None:
        self._more = threading.Condition()
        self._count = 0

    def add(self, *_: object) -> None:
        """Count one more."""
        with self._more:
            self._count += 1
            self._more.notify()

    def wait(self, count: int) -> None:
        """Wait for so many in all."""
        with self._more:
            if not self._more.wait_for(lambda: self._count >= count, timeout=300):
                raise SystemExit(f"huey ran {self._count} of {count} children")


def main() -> None:
    """Measure."""
    ended = Ended()
    huey.signal(SIGNAL_COMPLETE)(ended.add)
    consumer = huey.create_consumer(workers=JOB.workers, worker_type="thread", initial_delay=0.001, max_delay=0.05)
    consumer.start()
    child(0.0)
    ended.wait(1)
    began = time.perf_counter()
    for _ in range(JOB.count):
        child(JOB.doze)
    ended.wait(1 + JOB.count)
    seconds = time.perf_counter() - began
    consumer.stop(graceful=True)
    report({"seconds": seconds, "store_bytes": bytes_below(JOB.folder)}, "huey")


if __name__ == "__main__":
    main()
