"""How far the views are behind while no-op children run at full speed: the age of the oldest event not in them yet."""

from __future__ import annotations

import threading

from benchmarks.job import given, report
from benchmarks.ours.fan_out import noop
from orchestrator import Orchestrator, Parallel

_LOOKS_EVERY_SECONDS = 0.05


def main() -> None:
    """Measure."""
    job = given()
    lags, over = [0.0], threading.Event()
    with Orchestrator(job.folder / "runs.db", max_workers=job.workers) as orchestrator:

        def look() -> None:
            while not over.wait(_LOOKS_EVERY_SECONDS):
                lags.extend(standing.lag_seconds for standing in orchestrator.views.standings())

        looker = threading.Thread(target=look)
        looker.start()
        try:
            orchestrator.start(Parallel(children=[noop.child() for _ in range(job.children)])).settle(timeout=600)
        finally:
            over.set()
            looker.join()
    report({"lag_ms": 1_000 * max(lags)})


if __name__ == "__main__":
    main()
