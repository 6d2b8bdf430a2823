"""Ray: a local node whose tasks run in processes of their own, eight at a time at most. Nothing is on disk."""

from __future__ import annotations

import os
import shutil
import tempfile
import time

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray

from benchmarks.job import Job, given, report, work

_PROCESSES_MAX = 8


@ray.remote
def child(doze: float) -> int:
    """Be a child."""
    work(doze)
    return 1


def play(job: Job) -> float:
    """Run the children; return seconds."""
    ray.get([child.remote(0.0) for _ in range(64)])  # its processes are there then
    began = time.perf_counter()
    done = sum(ray.get([child.remote(job.doze) for _ in range(job.count)]))
    seconds = time.perf_counter() - began
    if done != job.count:
        raise SystemExit(f"Ray ran {done} of {job.count} children")
    return seconds


def main() -> None:
    """Measure."""
    job = given()
    folder = tempfile.mkdtemp(prefix="ray-")  # the path of a socket must be short
    try:
        ray.init(
            num_cpus=min(job.workers, _PROCESSES_MAX),
            include_dashboard=False,
            log_to_driver=False,
            logging_level="CRITICAL",
            object_store_memory=200_000_000,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        seconds = play(job)
        ray.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report({"seconds": seconds}, "ray")


if __name__ == "__main__":
    main()
