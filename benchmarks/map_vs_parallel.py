"""`orchestrator map -j8 true ::: 1 2 ...` against GNU parallel with a job log: cold, whole processes, side by side.

Both are started anew in every round, one after the other, and do the same jobs; both keep a record of every job
(ours survives a power cut, theirs is a text file). Exits 0 if the ratio of the medians is at least what is required,
1 if it is not, 2 if there is nothing to compare with.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

REQUIRED = 2.0


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description="Measure `orchestrator map` against GNU parallel.")
    parser.add_argument("--jobs", type=int, default=2_000, metavar="N", help="jobs a round (default: 2000)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds (default: 5)")
    parser.add_argument("--workers", type=int, default=8, metavar="N", help="jobs at a time (default: 8)")
    options = parser.parse_args()
    parallel = gnu_parallel()
    if parallel is None:
        print("GNU parallel is not installed, so there is nothing to compare with (Debian: apt install parallel)")
        return 2
    items = [str(number + 1) for number in range(options.jobs)]
    at_a_time = f"-j{options.workers}"

    def ours(folder: Path) -> None:
        store = folder / "runs.db"
        run([*our_command(), "map", at_a_time, "--store", str(store), "--quiet", "true", ":::", *items])

    def theirs(folder: Path) -> None:
        log = folder / "jobs.log"
        run([parallel, at_a_time, "--joblog", str(log), "true", ":::", *items])
        done = len(log.read_text().splitlines()) - 1
        if done != options.jobs:
            raise SystemExit(f"GNU parallel did {done} of {options.jobs} jobs")

    print(f"{options.jobs:,} x true, {options.workers} at a time, startup included")
    print(f"{'round':>6}  {'orchestrator map':>18}  {'GNU parallel':>18}")
    times: list[tuple[float, float]] = []
    for number in range(options.rounds):
        times.append((seconds(ours), seconds(theirs)))
        print(line(str(number + 1), *times[-1], options.jobs))
    medians = median(each[0] for each in times), median(each[1] for each in times)
    print(line("median", *medians, options.jobs))
    ratio = medians[1] / medians[0]
    print(f"\norchestrator does {ratio:.2f} times the jobs a second of GNU parallel (required: {REQUIRED:.1f})")
    return 0 if ratio >= REQUIRED else 1


def gnu_parallel() -> str | None:
    """Return where GNU parallel is; another program of that name is none."""
    path = shutil.which("parallel")
    if path is None:
        return None
    version = subprocess.run([path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return path if version.stdout.startswith("GNU parallel") else None


def our_command() -> list[str]:
    """Return the installed command of this interpreter, or the same by way of `-m`."""
    installed = Path(sys.executable).with_name("orchestrator")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "orchestrator"]


def run(command: list[str]) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def seconds(work: Callable[[Path], None]) -> float:
    """Return how long something takes in a fresh folder."""
    with TemporaryDirectory(prefix="orchestrator-benchmark-") as folder:
        begun = time.perf_counter()
        work(Path(folder))
        return time.perf_counter() - begun


def line(name: str, ours: float, theirs: float, jobs: int) -> str:
    """Return a line of the table."""
    return f"{name:>6}  {ours:6.2f} s {jobs / ours:7,.0f}/s  {theirs:6.2f} s {jobs / theirs:7,.0f}/s"


if __name__ == "__main__":
    sys.exit(main())
