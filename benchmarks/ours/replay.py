"""Replay of a long record: each row is read, decoded, its hash checked, judged by the rules, and folded."""

from __future__ import annotations

import time

from benchmarks.job import given, peak_bytes, report
from benchmarks.ours.histories import history, write
from events.log import open_log
from events.log.replay import Replay


def main() -> None:
    """Measure: the record is written once, and replayed so many times."""
    job = given()
    store = job.folder / "runs.db"
    events = write(store, "long", history(job.children))
    rates: list[float] = []
    with open_log(store) as log:
        for _ in range(job.repeats):
            replay, began = Replay(log.location), time.perf_counter()
            for record in log.read("long"):
                replay.take(record)
            rates.append(events / (time.perf_counter() - began))
            if replay.state.version != events:
                raise SystemExit(f"{replay.state.version:,} of {events:,} events were replayed")
            del replay
    report({"events_per_second": rates, "events": events, "peak_bytes": peak_bytes()})


if __name__ == "__main__":
    main()
