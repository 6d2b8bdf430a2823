"""How long programs take to start: a bare Python, what this project needs, `orchestrator`, its `--help`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.job import given, report
from benchmarks.ours.mapping import installed

NEEDED = "from pydantic import BaseModel, TypeAdapter; import eventsourcing.persistence, pykka"
"""What this project imports of others when it is used. (Pydantic leaves most of itself for later, as we do.)"""

PROGRAMS = {
    "bare_ms": [sys.executable, "-c", ""],
    "needed_ms": [sys.executable, "-c", NEEDED],
    "import_ms": [sys.executable, "-c", "import orchestrator"],
    "use_ms": [sys.executable, "-c", "from orchestrator import Orchestrator, Parallel, task"],
    "help_ms": [*installed(), "--help"],
}


def once(command: list[str]) -> float:
    """Run a program; return ms, from before it is started until it has ended."""
    began = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return 1_000 * (time.perf_counter() - began)


def main() -> None:
    """Measure: all of them in turn, so many times."""
    job = given()
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for number in range(job.repeats + 1):
        for name, command in PROGRAMS.items():
            took = once(command)
            if number:  # the first time, files come from the disk
                times[name].append(took)
    report({name: statistics.median(found) for name, found in times.items()})


if __name__ == "__main__":
    main()
