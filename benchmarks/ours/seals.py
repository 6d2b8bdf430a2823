"""What do seals cost? The same appends to a store with an audit key and to one without, in turn, in one process.

Two loads: one event in each commit, where the disk sets the pace; and batches of 200 events of four runs, as a busy
journal appends them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.job import given, report
from events.log import AuditKey, Batch, open_log

_ROW: Final = ("ChildCreated", b'{"at":1790000000000000,"child_id":"1234"}')
_KEY: Final = AuditKey(b"a key for measuring and nothing else")


class Load(NamedTuple):
    """So many commits, each of so many rows in so many runs."""

    rows: int
    runs: int
    commits: int


def seconds(store: Path, key: AuditKey | None, load: Load) -> float:
    """Return how long the commits take."""
    with open_log(store, audit_key=key) as log:
        began = time.perf_counter()
        for number in range(load.commits):
            each = load.rows // load.runs
            log.recorder.append([Batch(f"run {run}", number * each, [_ROW] * each) for run in range(load.runs)])
        return time.perf_counter() - began


def ratios(folder: Path, load: Load, repeats: int) -> list[float]:
    """Return how many times as long it takes with seals, for each of so many rounds."""
    found = []
    for number in range(repeats):
        took = {
            key: seconds(folder / f"{load.rows}-{number}-{key is not None}.db", key, load)
            for key in ((None, _KEY) if number % 2 else (_KEY, None))
        }
        found.append(took[_KEY] / took[None])
    return found


def main() -> None:
    """Measure."""
    job = given()
    single, batches = Load(1, 1, 300), Load(200, 4, 100)
    report(
        {
            "single_ratio": ratios(job.folder, single, job.repeats),
            "batch_ratio": ratios(job.folder, batches, job.repeats),
        }
    )


if __name__ == "__main__":
    main()
