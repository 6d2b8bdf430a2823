"""How soon does a run go on after kill -9? Measured with many open children, eight of them running; or a long history.

For `killed` a process starts the children, and is killed with SIGKILL while eight of them run. For `long` a history of
which 20,000 children are left is written. Each round copies the files, and a new process opens the copy and resumes.
The clock runs from the call of `Orchestrator` to the instant when `resume` returns (the run is ours, on record) and to
the instant when the first child is at work again. `processor` is how much of the latter the process itself computed,
whatever else the machine did; `whole process` is counted from the start of the new process, so it includes Python and
all imports. Where a run has a snapshot, it is reopened both with it and without, in turn.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from itertools import islice
from pathlib import Path
from typing import Final

from actors.snapshots import EVENTS_MIN
from benchmarks.job import given, report
from benchmarks.ours.histories import BATCH, history
from events.evolve import INITIAL, fold
from events.log import FactBatch, open_log
from events.snapshot import parts
from orchestrator import Orchestrator, Parallel, current_child, task

RUN: Final = "reopened"
LEFT: Final = 20_000
"""How many children are left at the end of the long history."""
MEASURES: Final = ("claimed", "first_child", "processor", "whole_process")

_at_work: Final = threading.Semaphore(0)
_began: Final[list[float]] = []


@task
def bench_hold() -> None:
    """Say that it began, and stay at work until the process ends."""
    _began.append(time.perf_counter())
    _at_work.release()
    current_child().cancelled.wait()


def fill(store: Path, children: int, workers: int) -> None:
    """Start the children, say so once as many as can be are at work, and wait to be killed."""
    with Orchestrator(store, max_workers=workers) as orchestrator:
        parallel = Parallel(children=[bench_hold.child() for _ in range(children)])
        orchestrator.start(parallel, id=RUN, timeout=600)
        for _ in range(workers):
            _at_work.acquire()
        if 2 * children >= EVENTS_MIN:
            with open_log(store) as log:
                while not log.recorder.snapshots(RUN):
                    time.sleep(0.01)
        print("ready", flush=True)
        signal.pause()


def write_long(store: Path, children: int) -> None:
    """Write a long history, with a snapshot a little before its end, and nobody at work on it."""
    facts, total = history(children, left=LEFT, task="bench_hold", fails_every=0), 4 * children - 2 * LEFT + 4
    state, version = INITIAL, 0
    with open_log(store) as log:
        while batch := list(islice(facts, BATCH)):
            log.append([FactBatch(RUN, version, batch)])
            state, version = fold(batch, state), version + len(batch)
            if 0 < total - version <= BATCH:  # as far behind as one that is due by then
                log.snapshots.keep(RUN, state, version, batch[-1].at, parts(state))


def reopen(store: Path, workers: int) -> None:
    """Open the store, resume the run, print how long it took in ms, and end without a word."""
    began, spent = time.perf_counter(), time.process_time()
    orchestrator = Orchestrator(store, max_workers=workers)
    orchestrator.resume(RUN, timeout=600)
    claimed = time.perf_counter()
    _at_work.acquire()
    spent = time.process_time() - spent
    print(json.dumps([1_000 * each for each in (claimed - began, _began[0] - began, spent)]), flush=True)
    os._exit(0)  # the children would stay at work


def killed(folder: Path, children: int, workers: int) -> None:
    """Leave in a folder the files of a store whose process was killed while children ran."""
    with _process("fill", folder / "runs.db", children, workers) as process:
        said = _line(process)
        process.send_signal(signal.SIGKILL)
    if said != "ready\n":
        raise SystemExit(f"the process that was to be killed said {said!r}")


def once(files: Path, folder: Path, workers: int, *, snapshots: bool) -> tuple[float, ...]:
    """Reopen a copy of the files in a new process, without its snapshots if so; return ms, as `MEASURES` names them."""
    shutil.copytree(files, folder)
    if not snapshots:
        with open_log(folder / "runs.db") as log:
            log.recorder.drop_snapshots(RUN)
    for path in folder.iterdir():  # what was just copied is on the disk, so that nobody's sync has to wait for it
        with path.open("rb") as copied:
            os.fsync(copied.fileno())
    began = time.perf_counter()
    with _process("reopen", folder / "runs.db", 0, workers) as process:
        line = _line(process)
        whole = 1_000 * (time.perf_counter() - began)
    shutil.rmtree(folder)
    if process.returncode:
        raise SystemExit(f"reopening failed with {process.returncode}")
    return (*json.loads(line), whole)


def _process(role: str, store: Path, *numbers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.ours.reopening", role, str(store), *map(str, numbers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _line(process: subprocess.Popen[str]) -> str:
    return "" if process.stdout is None else process.stdout.readline()


def main() -> None:
    """Measure: with snapshots and, where there are any, without them in turn."""
    job = given()
    files = job.folder / "files"
    files.mkdir()
    if job.how == "long":
        write_long(files / "runs.db", job.children)
    else:
        killed(files, job.children, job.workers)
    with open_log(files / "runs.db") as log:
        kept = bool(log.recorder.snapshots(RUN))
    measures: dict[str, list[float]] = {}
    for _ in range(job.repeats):
        for snapshots in (True, False) if kept else (True,):
            found = once(files, job.folder / "copy", job.workers, snapshots=snapshots)
            for name, value in zip(MEASURES, found, strict=True):
                measures.setdefault(f"{name}_ms" if snapshots else f"{name}_without_ms", []).append(value)
    report(measures)


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1] == "reopen":
        reopen(Path(sys.argv[2]), int(sys.argv[4]))
    else:
        main()
