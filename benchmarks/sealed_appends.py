"""What do seals cost? The same appends to a store with an audit key and to one without, in turn, in one run.

Two loads: one event in each commit, where the disk sets the pace; and batches of 200 events of four runs, as a busy
journal appends them. The figure to trust is the ratio. Run: python benchmarks/sealed_appends.py [--at-most RATIO]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from events.log import AuditKey, Batch, open_log

ROW = ("ChildCreated", b'{"at":1790000000000000,"child_id":"1234"}')
KEY = AuditKey(b"a key for measuring and nothing else")


def seconds(store: Path, key: AuditKey | None, rows: int, runs: int, commits: int) -> float:
    """Return how long so many commits take, each of so many rows in so many runs."""
    with open_log(store, audit_key=key) as log:
        start = time.perf_counter()
        for number in range(commits):
            batches = [Batch(f"run {run}", number * rows // runs, [ROW] * (rows // runs)) for run in range(runs)]
            log.recorder.append(batches)
        return time.perf_counter() - start


def main() -> int:
    """Measure, print, and say whether seals cost little enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--at-most", type=float, default=float("inf"), help="exit 1 where batches take more, times")
    options = parser.parse_args()
    ratio = 0.0
    for what, rows, runs, commits in (
        ("one event a commit", 1, 1, 300),
        ("200 events of 4 runs a commit", 200, 4, 100),
    ):
        ratios: list[float] = []
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            for number in range(options.rounds):
                took = [
                    seconds(Path(folder) / f"{rows}-{number}-{key is not None}.db", key, rows, runs, commits)
                    for key in ((None, KEY) if number % 2 else (KEY, None))
                ]
                plain, sealed = took if number % 2 else reversed(took)
                ratios.append(sealed / plain)
        ratio = statistics.median(ratios)
        print(f"{what:<30}  {ratio:5.3f} times as long with seals (from {min(ratios):.3f} to {max(ratios):.3f})")
    return int(ratio > options.at_most)


if __name__ == "__main__":
    sys.exit(main())
