"""Celery with Redis: a chord, which is a group and a task that joins it. One process of workers, with threads.

Redis holds the queue and a key for each result; nothing is on disk.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from celery import Celery, chord

from benchmarks.job import Job, given, report, work
from benchmarks.peers.redis_server import VARIABLE, redis_server


def child(doze: float) -> int:
    """Be a child."""
    work(doze)
    return 1


def join(results: list[int]) -> int:
    """Be the end of the parent."""
    return sum(results)


def connected(socket: str) -> Celery:
    """Return the application behind a socket, with both tasks."""
    made = Celery("benchmark", broker=f"redis+socket://{socket}", backend=f"redis+socket://{socket}")
    made.conf.worker_prefetch_multiplier = 64
    made.conf.broker_connection_retry_on_startup = True
    made.task(name="child")(child)
    made.task(name="join")(join)
    return made


app = connected(os.environ.get(VARIABLE, "none"))
"""What the process of workers finds."""


def play(known: Celery, job: Job) -> float:
    """Run the parents, one after the other; return seconds."""
    child, join = known.tasks["child"], known.tasks["join"]
    chord([child.s(0.0)] * 2)(join.s()).get(timeout=60)
    began = time.perf_counter()
    done = sum(chord([child.s(job.doze)] * job.children)(join.s()).get(timeout=300) for _ in range(job.parents))
    seconds = time.perf_counter() - began
    if done != job.count:
        raise SystemExit(f"Celery ran {done} of {job.count} children")
    return seconds


def main() -> None:
    """Measure."""
    job = given()
    with redis_server() as socket:
        options = ["--pool=threads", f"--concurrency={job.workers}", "--loglevel=CRITICAL", "--without-gossip"]
        command = [sys.executable, "-m", "celery", "-A", "benchmarks.peers.celery_chord", "worker", *options]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
            try:
                seconds = play(connected(str(socket)), job)
            finally:
                worker.terminate()
    report({"seconds": seconds}, "celery", "redis")


if __name__ == "__main__":
    main()
