"""How soon does a run go on after kill -9? Measured for 100, 10,000 and 100,000 open children, eight of them running.

For each size a process starts the children, and is killed with SIGKILL while eight of them run. Each round copies
the files that it left, and a new process opens the copy and resumes. The clock runs from the call of `Orchestrator`
to the instant when `resume` returns (the run is ours, on record) and to the instant when the first child is at work
again. `processor time` is how much of the latter the process itself computed, whatever else the machine did.
`whole process` is counted from the start of the new process, so it includes Python and all imports.
Run: python benchmarks/reopening.py [--sizes 100 10000] [--rounds 100 20] [--first-child-within SECONDS]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from orchestrator import Orchestrator, Parallel, current_child, task

RUN: Final = "reopened"
WORKERS: Final = 8
SIZES: Final = (100, 10_000, 100_000)
ROUNDS: Final = (200, 50, 20)

_at_work: Final = threading.Semaphore(0)
_began: Final[list[float]] = []


@task
def hold() -> None:
    """Say that it began, and stay at work until the process ends."""
    _began.append(time.perf_counter())
    _at_work.release()
    current_child().cancelled.wait()


class Round(NamedTuple):
    """Seconds until the run was claimed, and until its first child ran: on the clock, and of the processor's time.

    The last one is on the clock too, from the start of the process, before Python and all imports.
    """

    claimed: float
    first_child: float
    processor: float
    whole_process: float


def fill(store: Path, children: int) -> None:
    """Start the children, say so once eight are at work, and wait to be killed."""
    with Orchestrator(store, max_workers=WORKERS) as orchestrator:
        parallel = Parallel(children=[hold.child() for _ in range(children)])
        orchestrator.start(parallel, id=RUN, timeout=600)
        for _ in range(WORKERS):
            _at_work.acquire()
        print("ready", flush=True)
        signal.pause()


def reopen(store: Path) -> None:
    """Open the store, resume the run, print how long both took, and end without a word."""
    began, spent = time.perf_counter(), time.process_time()
    orchestrator = Orchestrator(store, max_workers=WORKERS)
    orchestrator.resume(RUN)
    claimed = time.perf_counter()
    _at_work.acquire()
    spent = time.process_time() - spent
    print(json.dumps([claimed - began, _began[0] - began, spent]), flush=True)
    os._exit(0)  # the children would stay at work


def killed(folder: Path, children: int) -> Path:
    """Return a folder with the files of a store whose process was killed while children ran."""
    folder.mkdir()
    with _child("fill", folder / "runs.db", children) as process:
        said = _line(process)
        process.send_signal(signal.SIGKILL)
    if said != "ready\n":
        raise SystemExit(f"the process that was to be killed said {said!r}")
    return folder


def measured(files: Path, folder: Path) -> Round:
    """Reopen a copy of a killed process's files in a new process."""
    shutil.copytree(files, folder)
    for path in folder.iterdir():  # what was just copied is on the disk, so that nobody's sync has to wait for it
        with path.open("rb") as copied:
            os.fsync(copied.fileno())
    started = time.perf_counter()
    with _child("reopen", folder / "runs.db") as process:
        line = _line(process)
        seconds = time.perf_counter() - started
    shutil.rmtree(folder)
    if process.returncode:
        raise SystemExit(f"reopening failed with {process.returncode}")
    claimed, first_child, processor = json.loads(line)
    return Round(claimed, first_child, processor, seconds)


def _child(role: str, store: Path, *more: int) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--role", role, str(store), *map(str, more)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _line(process: subprocess.Popen[str]) -> str:
    return "" if process.stdout is None else process.stdout.readline()


def percentile_99(values: Sequence[float]) -> float:
    """Return the value that 99 % are not above; of fewer than 100 values, the largest."""
    return sorted(values)[-(-len(values) * 99 // 100) - 1]


def row(children: int, what: str, values: Sequence[float]) -> str:
    """Return a line of the table, in milliseconds."""
    numbers = (statistics.median(values), percentile_99(values), max(values))
    cells = " | ".join(f"{number * 1000:,.0f} ms" for number in numbers)
    return f"| {children:,} | {len(values)} | {what} | {cells} |"


def report(sizes: Sequence[int], rounds: Sequence[int]) -> float:
    """Measure and print a table; return the worst median until the first child."""
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.machine()}, ", end="")
    print(f"{os.cpu_count()} cores, {platform.system()} {platform.release()}\n")
    print("| open children | rounds | until | median | 99th percentile | worst |\n|---:|---:|---|---:|---:|---:|")
    worst = 0.0
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        for children, count in zip(sizes, rounds, strict=True):
            files = killed(folder / f"killed-{children}", children)
            found = [measured(files, folder / "copy") for _ in range(count)]
            print(row(children, "the run is claimed", [one.claimed for one in found]))
            print(row(children, "the first child runs", [one.first_child for one in found]))
            print(row(children, "the same, processor time", [one.processor for one in found]))
            print(row(children, "the same, whole process", [one.whole_process for one in found]), flush=True)
            shutil.rmtree(files)
            worst = max(worst, statistics.median(one.first_child for one in found))
    return worst


def main() -> int:
    """Measure, print, and say whether it was fast enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, nargs="+", default=ROUNDS)
    parser.add_argument("--first-child-within", type=float, default=float("inf"), help="exit 1 where a median is above")
    parser.add_argument("--role", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role is None:
        return int(report(options.sizes, options.rounds) > options.first_child_within)
    role, store, *more = options.role
    if role == "fill":
        fill(Path(store), int(more[0]))
    else:
        reopen(Path(store))
    return 0


if __name__ == "__main__":
    sys.exit(main())
