"""DBOS on SQLite or PostgreSQL: a workflow with a child workflow for each child, or with a step for each.

A row of state for each child is committed, and overwritten when it ends. Steps run one after the other in their
workflow, which is the fastest way; child workflows run in the pool of threads that DBOS keeps.
"""

from __future__ import annotations

import time

from dbos import DBOS, DBOSConfig

from benchmarks.job import Job, bytes_below, given, report, work


@DBOS.workflow()
def child(doze: float) -> None:
    """Be a child that is a workflow of its own."""
    work(doze)


@DBOS.step()
def step(doze: float) -> None:
    """Be a child that is a step of its parent."""
    work(doze)


@DBOS.workflow()
def of_children(children: int, doze: float) -> int:
    """Start all children, and wait for them."""
    handles = [DBOS.start_workflow(child, doze) for _ in range(children)]
    return sum(handle.get_result() is None for handle in handles)


@DBOS.workflow()
def of_steps(children: int, doze: float) -> int:
    """Run all children as steps."""
    return sum(step(doze) is None for _ in range(children))


def play(job: Job) -> float:
    """Run the parents with their children; return seconds."""
    parent = of_steps if job.how == "steps" else of_children
    if parent(1, 0.0) != 1:
        raise SystemExit("DBOS does not run")
    began = time.perf_counter()
    handles = [DBOS.start_workflow(parent, job.children, job.doze) for _ in range(job.parents)]
    done = sum(handle.get_result() for handle in handles)
    seconds = time.perf_counter() - began
    if done != job.count:
        raise SystemExit(f"DBOS ran {done} of {job.count} children")
    return seconds


def main() -> None:
    """Measure."""
    job = given()
    config: DBOSConfig = {
        "name": "benchmark",
        "system_database_url": job.server or f"sqlite:///{job.folder / 'dbos.sqlite'}",
        # A parent that waits for child workflows holds a thread; one with steps runs them in its own.
        "max_executor_threads": job.workers + (0 if job.how == "steps" else job.parents),
        "log_level": "ERROR",
        "run_admin_server": False,
    }
    DBOS(config=config)
    DBOS.launch()
    seconds = play(job)
    DBOS.destroy()
    stored = {} if job.server else {"store_bytes": bytes_below(job.folder)}
    report({"seconds": seconds, **stored}, "dbos")


if __name__ == "__main__":
    main()
