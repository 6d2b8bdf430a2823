"""Dask: a local cluster of two processes that share the workers. Nothing is on disk."""

from __future__ import annotations

import time

from distributed import Client, LocalCluster

from benchmarks.job import given, report, work


def child(_: int, doze: float) -> int:
    """Be a child."""
    work(doze)
    return 1


def main() -> None:
    """Measure."""
    job = given()
    processes = 2 if job.workers > 1 else 1
    cluster = LocalCluster(
        n_workers=processes,
        threads_per_worker=job.workers // processes,
        dashboard_address=None,
        host="127.0.0.1",
        local_directory=str(job.folder),
        silence_logs="CRITICAL",
    )
    with cluster, Client(cluster) as client:
        client.gather(client.map(child, range(8), doze=0.0, pure=False))
        began = time.perf_counter()
        done = sum(client.gather(client.map(child, range(job.count), doze=job.doze, pure=False)))
        seconds = time.perf_counter() - began
    if done != job.count:
        raise SystemExit(f"Dask ran {done} of {job.count} children")
    report({"seconds": seconds}, "dask", "distributed")


if __name__ == "__main__":
    main()
