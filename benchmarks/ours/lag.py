"""How far the views are behind while no-op children run at full speed.

The lag is for how long the oldest event that is not in them has been on record: since the last look at which the log
did not have it yet. The age counts from the time that the event bears, at which it was decided. Where 20,000 children
are made at once, that is most of a second before they are on record.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from benchmarks.job import given, report
from benchmarks.ours.fan_out import noop
from events.projections.standing import Standing
from orchestrator import Orchestrator, Parallel

_LOOKS_EVERY_SECONDS: Final = 0.02


class Looks:
    """What was seen of the log and of the views: the largest lag and the largest age, in seconds."""

    def __init__(self) -> None:
        self.lag_seconds = self.age_seconds = 0.0
        self._ends: deque[tuple[float, int]] = deque()
        """When the log was last seen to end where; those ends that the views have not passed, and one before them."""

    def take(self, now: float, standings: Sequence[Standing]) -> None:
        """Take what was found at a time in seconds."""
        if not standings:
            return
        position = min(standing.position for standing in standings)
        end = max(standing.position + standing.lag_events for standing in standings)
        if self._ends and self._ends[-1][1] == end:
            self._ends.pop()
        self._ends.append((now, end))
        while len(self._ends) > 1 and self._ends[1][1] <= position:
            self._ends.popleft()
        if end > position:
            self.lag_seconds = max(self.lag_seconds, now - self._ends[0][0])
        self.age_seconds = max(self.age_seconds, *(standing.lag_seconds for standing in standings))


def main() -> None:
    """Measure."""
    job = given()
    looks, over = Looks(), threading.Event()
    with Orchestrator(job.folder / "runs.db", max_workers=job.workers) as orchestrator:

        def look() -> None:
            while not over.wait(_LOOKS_EVERY_SECONDS):
                looks.take(time.perf_counter(), orchestrator.views.standings())

        looker = threading.Thread(target=look)
        looker.start()
        try:
            orchestrator.start(Parallel(children=[noop.child() for _ in range(job.children)])).settle(timeout=600)
        finally:
            over.set()
            looker.join()
    report({"lag_ms": 1_000 * looks.lag_seconds, "age_ms": 1_000 * looks.age_seconds})


if __name__ == "__main__":
    main()
