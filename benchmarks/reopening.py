"""How soon does a run go on after kill -9? Measured for 100, 10,000 and 100,000 open children, eight of them running.

And for a long history: 1,000,000 events of which 20,000 children are left. Where a run has a snapshot, it is reopened
both with it and without, in turn; the ratio of the two says what it is worth, however busy the machine is.

For each size a process starts the children, and is killed with SIGKILL while eight of them run. Each round copies
the files that it left, and a new process opens the copy and resumes. The clock runs from the call of `Orchestrator`
to the instant when `resume` returns (the run is ours, on record) and to the instant when the first child is at work
again. `processor time` is how much of the latter the process itself computed, whatever else the machine did.
`whole process` is counted from the start of the new process, so it includes Python and all imports.
Run: python benchmarks/reopening.py [--sizes 100 10000] [--rounds 100 20] [--events 1000000]
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

from actors.snapshots import EVENTS_MIN
from events.evolve import INITIAL, fold
from events.facts import (
    ChildCreated,
    ChildFinished,
    ChildPrepared,
    ChildStarted,
    Fact,
    MembershipClosed,
    OwnershipReleased,
    OwnershipTaken,
    ParentCreated,
)
from events.log import FactBatch, open_log
from events.snapshot import parts
from events.strategy import ALL
from orchestrator import Orchestrator, Parallel, current_child, task

RUN: Final = "reopened"
WORKERS: Final = 8
SIZES: Final = (100, 10_000, 100_000)
ROUNDS: Final = (200, 50, 20)
EVENTS: Final = 1_000_000
LONG_ROUNDS: Final = 5
OPEN: Final = 20_000
"""How many children are left at the end of the long history."""
BATCH: Final = 20_000

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
        if 2 * children >= EVENTS_MIN:
            with open_log(store) as log:
                while not log.recorder.snapshots(RUN):
                    time.sleep(0.01)
        print("ready", flush=True)
        signal.pause()


def write(store: Path, events: int) -> None:
    """Write a long history, with a snapshot a little before its end, and nobody at work on it."""
    children = (events - 4 + 2 * OPEN) // 4
    done = children - OPEN
    facts: list[Fact] = [ParentCreated(at=1, strategy=ALL, max_workers=WORKERS, on_decided="cancel", content="c")]
    facts += [ChildPrepared(at=1, child_id=f"hold-{n}", index=n, task="hold", input="{}") for n in range(children)]
    facts += [ChildCreated(at=1, child_id=f"hold-{n}") for n in range(children)]
    facts += [MembershipClosed(at=1), OwnershipTaken(at=1, owner="gone", epoch=1)]
    for number in range(done):
        name = f"hold-{number}"
        facts.append(ChildStarted(at=2 + number, child_id=name, attempt=1, worker="1"))
        facts.append(ChildFinished(at=3 + number, child_id=name, attempt=1, outcome="succeeded", output="1"))
    facts.append(OwnershipReleased(at=3 + done))
    state, version = INITIAL, 0
    with open_log(store) as log:
        while version < len(facts):
            batch = facts[version : version + BATCH]
            log.append([FactBatch(RUN, version, batch)])
            state, version = fold(batch, state), version + len(batch)
            if 0 < len(facts) - version <= BATCH:  # as far behind as one that is due by then
                log.snapshots.keep(RUN, state, version, batch[-1].at, parts(state))


def reopen(store: Path) -> None:
    """Open the store, resume the run, print how long both took, and end without a word."""
    began, spent = time.perf_counter(), time.process_time()
    orchestrator = Orchestrator(store, max_workers=WORKERS)
    orchestrator.resume(RUN, timeout=600)
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


def measured(files: Path, folder: Path, *, snapshots: bool = True) -> Round:
    """Reopen a copy of a killed process's files in a new process; without its snapshots, if so."""
    shutil.copytree(files, folder)
    if not snapshots:
        with open_log(folder / "runs.db") as log:
            log.recorder.drop_snapshots(RUN)
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


def row(what: str, until: str, values: Sequence[float]) -> str:
    """Return a line of the table, in milliseconds."""
    numbers = (statistics.median(values), percentile_99(values), max(values))
    cells = " | ".join(f"{number * 1000:,.0f} ms" for number in numbers)
    return f"| {what} | {len(values)} | {until} | {cells} |"


def compared(files: Path, folder: Path, what: str, count: int) -> float:
    """Reopen so many times, with and without snapshots in turn where there are any; return the median of the former."""
    with open_log(files / "runs.db") as log:
        kept = bool(log.recorder.snapshots(RUN))
    rounds: dict[bool, list[Round]] = {True: [], False: []}
    for _ in range(count):
        for snapshots in (True, False) if kept else (True,):
            rounds[snapshots].append(measured(files, folder / "copy", snapshots=snapshots))
    for snapshots, found in rounds.items():
        if found:
            name = what if not kept else f"{what}, with a snapshot" if snapshots else f"{what}, without"
            print(row(name, "the run is claimed", [one.claimed for one in found]))
            print(row(name, "the first child runs", [one.first_child for one in found]))
            print(row(name, "the same, processor time", [one.processor for one in found]))
            print(row(name, "the same, whole process", [one.whole_process for one in found]), flush=True)
    with_it, without = (statistics.median([one.first_child for one in rounds[kind]] or [0.0]) for kind in (True, False))
    if kept:
        print(f"| {what} | | **with a snapshot, {without / with_it:.1f} times as fast** | | | |", flush=True)
    return with_it


def report(sizes: Sequence[int], rounds: Sequence[int], events: int) -> float:
    """Measure and print a table; return the worst median until the first child, of the runs that were killed."""
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.machine()}, ", end="")
    print(f"{os.cpu_count()} cores, {platform.system()} {platform.release()}\n")
    print("| what there is | rounds | until | median | 99th percentile | worst |\n|---|---:|---|---:|---:|---:|")
    worst = 0.0
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        for children, count in zip(sizes, rounds, strict=True):
            files = killed(folder / f"killed-{children}", children)
            worst = max(worst, compared(files, folder, f"{children:,} open children", count))
            shutil.rmtree(files)
        if events:
            files = folder / "long"
            files.mkdir()
            write(files / "runs.db", events)
            compared(files, folder, f"{events:,} events", LONG_ROUNDS)
    return worst


def main() -> int:
    """Measure, print, and say whether it was fast enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--rounds", type=int, nargs="*", default=ROUNDS)
    parser.add_argument("--events", type=int, default=EVENTS, help="length of the long history; 0: none")
    parser.add_argument("--first-child-within", type=float, default=float("inf"), help="exit 1 where a median is above")
    parser.add_argument("--role", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role is None:
        return int(report(options.sizes, options.rounds, options.events) > options.first_child_within)
    role, store, *more = options.role
    if role == "fill":
        fill(Path(store), int(more[0]))
    else:
        reopen(Path(store))
    return 0


if __name__ == "__main__":
    sys.exit(main())
