"""How long programs take to start: a bare Python, what this project needs, `orchestrator`, its `--help`, a run.

Modules are compiled, as pip compiles those that it installs: a Python that may keep no bytecode would compile this
project at each start, which takes as long as all the rest.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.job import given, report
from benchmarks.ours.mapping import installed

NEEDED = "from pydantic import BaseModel, TypeAdapter; import eventsourcing.persistence, pykka"
"""What this project imports of others when it is used. (Pydantic leaves most of itself for later, as we do.)"""

ONE_RUN = """
import tempfile
from orchestrator import Orchestrator, Parallel, task

@task
def noop() -> None: pass

with tempfile.TemporaryDirectory() as folder, Orchestrator(f"{folder}/runs.db") as orchestrator:
    orchestrator.start(Parallel(children=[noop.child()])).settle(timeout=60)
"""
"""A program that runs one child which does nothing, on SQLite, and ends."""

PROGRAMS = {
    "bare_ms": [sys.executable, "-c", ""],
    "needed_ms": [sys.executable, "-c", NEEDED],
    "import_ms": [sys.executable, "-c", "import orchestrator"],
    "use_ms": [sys.executable, "-c", "from orchestrator import Orchestrator, Parallel, task"],
    "help_ms": [*installed(), "--help"],
    "run_ms": [sys.executable, "-c", ONE_RUN],
}


def compiled(cache: Path) -> dict[str, str]:
    """Return the environment of a Python that keeps its bytecode in a folder."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(cache)}


def once(command: list[str], cache: Path) -> float:
    """Run a program; return ms, from before it is started until it has ended."""
    began = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, env=compiled(cache))
    return 1_000 * (time.perf_counter() - began)


def main() -> None:
    """Measure: all of them in turn, so many times."""
    job = given()
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for number in range(job.repeats + 1):
        for name, command in PROGRAMS.items():
            took = once(command, job.folder / "bytecode")
            if number:  # the first time, files come from the disk, and are compiled
                times[name].append(took)
    report({name: statistics.median(found) for name, found in times.items()})


if __name__ == "__main__":
    main()
