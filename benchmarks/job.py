"""What one program is to do in one round, and how it says what came of it. Runs in every environment: plain Python."""

from __future__ import annotations

import json
import resource
import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Job:
    """A fan-out: so many parents, each with so many children, of which so many run at a time."""

    folder: Path
    """Where to keep what is kept: empty before, removed after."""
    children: int = 1_000
    workers: int = 8
    parents: int = 1
    doze: float = 0.0
    """For how many seconds a child blocks; 0: it does nothing."""
    how: str = ""
    """Which of several ways that a program knows."""
    repeats: int = 1
    """How often, where each time is a measurement of its own."""
    server: str = ""
    """The URL of a PostgreSQL database, where the program needs one."""

    @property
    def count(self) -> int:
        """How many children in all."""
        return self.children * self.parents


def given() -> Job:
    """Return the job that the program was started for: JSON, the only argument."""
    fields: dict[str, Any] = json.loads(sys.argv[1])
    return Job(**{**fields, "folder": Path(fields["folder"])})


def work(doze: float) -> None:
    """Do what a child does."""
    if doze:
        time.sleep(doze)


def report(
    measures: Mapping[str, float] | Mapping[str, list[float]] | Mapping[str, float | list[float]], *packages: str
) -> None:
    """Print what was measured, and of which packages, as the last line: the runner reads it.

    A list is one value for each of several rounds that the program played by itself.
    """
    versions = {name: version(name) for name in packages}
    print(json.dumps({"measures": dict(measures), "versions": versions}), flush=True)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many percent are not above; of few values, one of the largest."""
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def latencies(values: Sequence[float], name: str = "") -> dict[str, float]:
    """Return median and 99th percentile of times, as measures of that name."""
    return {f"{name}median_ms": percentile(values, 50), f"{name}p99_ms": percentile(values, 99)}


def peak_bytes() -> int:
    """Return the most memory that this process had resident at any time, in bytes.

    Linux says it of this very program; what `getrusage` says may be that of the one which started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def bytes_below(folder: Path) -> int:
    """Return how many bytes the files in a folder have, once SQLite has moved to its file what it still had to."""
    for waiting in folder.rglob("*-wal"):
        with closing(sqlite3.connect(str(waiting).removesuffix("-wal"), timeout=30)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
