"""dramatiq with Redis: a group whose results are waited for. One process of workers, with threads.

Redis holds the queue and a key for each result; nothing is on disk.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.job import Job, given, report, work
from benchmarks.peers.redis_server import VARIABLE, redis_server


def connect(socket: str) -> RedisBroker:
    """Return the broker behind a socket, with results."""
    broker = RedisBroker(url=f"unix://{socket}")
    broker.add_middleware(Results(backend=RedisBackend(url=f"unix://{socket}")))
    dramatiq.set_broker(broker)
    return broker


if VARIABLE in os.environ:  # in the process of workers
    connect(os.environ[VARIABLE])


def child(doze: float) -> int:
    """Be a child."""
    work(doze)
    return 1


def actor() -> dramatiq.Actor[[float], int]:
    """Return the child as the broker knows it."""
    return dramatiq.actor(child, actor_name="child", store_results=True)


if VARIABLE in os.environ:
    actor()


def play(job: Job) -> float:
    """Run the parents, one after the other; return seconds."""
    known = actor()
    dramatiq.group([known.message(0.0)]).run().get_results(block=True, timeout=60_000)
    began, done = time.perf_counter(), 0
    for _ in range(job.parents):
        group = dramatiq.group([known.message(job.doze) for _ in range(job.children)]).run()
        done += sum(1 for _ in group.get_results(block=True, timeout=300_000))
    seconds = time.perf_counter() - began
    if done != job.count:
        raise SystemExit(f"dramatiq ran {done} of {job.count} children")
    return seconds


def main() -> None:
    """Measure."""
    job = given()
    with redis_server() as socket:
        connect(str(socket))
        options = ["--processes", "1", "--threads", str(job.workers)]
        command = [sys.executable, "-m", "dramatiq", "benchmarks.peers.dramatiq_group", *options]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
            try:
                seconds = play(job)
            finally:
                worker.terminate()
    report({"seconds": seconds}, "dramatiq", "redis")


if __name__ == "__main__":
    main()
