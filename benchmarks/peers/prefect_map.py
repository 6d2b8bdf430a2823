"""Prefect: a flow that maps a task over its children, with the local server that it starts by itself (SQLite).

The states of each task run are sent to the server, which keeps them in its database.
"""

from __future__ import annotations

import os
import time

from benchmarks.job import given, report, work

JOB = given()
os.environ.update(
    {
        "PREFECT_HOME": str(JOB.folder),
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    }
)

from prefect import flow, task  # noqa: E402 - it reads the environment when it is imported
from prefect.task_runners import ThreadPoolTaskRunner  # noqa: E402 - the same


@task
def child(doze: float) -> int:
    """Be a child."""
    work(doze)
    return 1


@flow(task_runner=ThreadPoolTaskRunner(max_workers=JOB.workers))
def parent(children: int) -> int:
    """Map the task over all children, and wait for them."""
    return sum(child.map([JOB.doze] * children).result())


@flow
def measured() -> float:
    """Run the parents; return seconds. Within a flow the server is there already."""
    parent(1)
    began = time.perf_counter()
    done = sum(parent(JOB.children) for _ in range(JOB.parents))
    seconds = time.perf_counter() - began
    if done != JOB.count:
        raise SystemExit(f"Prefect ran {done} of {JOB.count} children")
    return seconds


if __name__ == "__main__":
    report({"seconds": measured()}, "prefect")
