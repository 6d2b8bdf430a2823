"""On what it was measured: the machine and the versions of what matters, without a name of either."""

from __future__ import annotations

import hashlib
import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.environments import ROOT

Machine = dict[str, str | int | float]


def machine() -> Machine:
    """Return what there is here."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "pydantic": version("pydantic"),
        "eventsourcing": version("eventsourcing"),
        "pykka": version("pykka"),
    }


def _processor() -> str:
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        for line in cpus.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def now() -> str:
    """Return the time, to the second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def load() -> float:
    """Return how many programs wanted a core in the last minute: above the number of cores, figures are too low."""
    return round(os.getloadavg()[0], 2)


def subject() -> str:
    """Return a fingerprint of what is measured and of what measures: results of another one are measured again."""
    digest = hashlib.sha256()
    here = ROOT / "benchmarks"
    tops = (ROOT / "src", here / "ours", here / "peers")
    for path in (*(path for top in tops for path in sorted(top.rglob("*.py"))), here / "job.py", here / "playing.py"):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
