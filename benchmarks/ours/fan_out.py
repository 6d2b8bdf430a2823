"""Fan-outs of this project: from a list or a generator, with or without views, threads or coroutines, any store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator

from benchmarks.job import Job, bytes_below, given, peak_bytes, report, work
from orchestrator import Child, Orchestrator, Parallel, Run, task


@task(name="noop")
def noop() -> None:
    """Do nothing."""


@task(name="doze")
def doze(seconds: float) -> None:
    """Block the thread for a while."""
    work(seconds)


@task(name="wait")
async def wait(seconds: float) -> None:
    """Wait for a while, as a call to a slow service does."""
    await asyncio.sleep(seconds)


def child(job: Job) -> Child:
    """Return one child of the job."""
    if job.how == "coroutines":
        return wait.child(seconds=job.doze)
    return doze.child(seconds=job.doze) if job.doze else noop.child()


class Source:
    """A generator of children that knows how many it has given."""

    def __init__(self, job: Job) -> None:
        self.given = 0
        self._job = job

    def __iter__(self) -> Iterator[Child]:
        for _ in range(self._job.children):
            self.given += 1
            yield child(self._job)


def furthest_ahead(run: Run, source: Source) -> int:
    """Return by how many children a source was ahead of those that had ended, at the most, until all have."""
    furthest = 0
    while not (view := run.status()).settled:
        ended = view.counts.total - view.counts.pending - view.counts.running
        furthest = max(furthest, source.given - ended)
        time.sleep(0.1)
    return furthest


def run_all(orchestrator: Orchestrator, given_to_them: list[Iterable[Child]]) -> tuple[float, int]:
    """Run the parents with their children; return seconds, and how many children succeeded."""
    began = time.perf_counter()
    runs = [orchestrator.start(Parallel(children=children)) for children in given_to_them]
    counts = [run.settle(timeout=3_600).counts.succeeded for run in runs]
    return time.perf_counter() - began, sum(counts)


def main() -> None:
    """Measure."""
    job = given()
    store = job.server or str(job.folder / "runs.db")
    views = None if job.how == "no views" else ()
    extra: dict[str, float] = {}
    with Orchestrator(store, max_workers=job.workers, projections=views) as orchestrator:
        orchestrator.start(Parallel(children=[child(job)])).settle(timeout=60)
        if job.how == "generator":
            source = Source(job)
            began = time.perf_counter()
            run = orchestrator.start(Parallel(children=source))
            extra["ahead"] = furthest_ahead(run, source)
            done = run.settle(timeout=3_600).counts.succeeded
            seconds = time.perf_counter() - began
        else:
            crowd: list[Iterable[Child]] = [[child(job) for _ in range(job.children)] for _ in range(job.parents)]
            seconds, done = run_all(orchestrator, crowd)
    if done != job.count:
        raise SystemExit(f"only {done:,} of {job.count:,} children succeeded")
    if not job.server:
        extra["store_bytes"] = bytes_below(job.folder)
    report({"seconds": seconds, "peak_bytes": peak_bytes(), **extra})


if __name__ == "__main__":
    main()
