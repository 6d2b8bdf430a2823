"""What the doctor says of the machine: versions of everything that takes part."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterator
from importlib import metadata
from typing import Final

from events.log.sqlite_schema import FORMAT_VERSION
from orchestrator import __version__
from orchestrator.doctor.remark import Remark

_NEEDED: Final = ("pykka", "eventsourcing", "pydantic")
_OPTIONAL: Final = ("PyYAML", "rich", "psycopg", "cryptography")
_SQLITE_LEAST: Final = (3, 35, 0)
"""The first one with everything that statements of ours need."""


def machine() -> Iterator[Remark]:
    """Say which versions there are."""
    yield Remark("release", "ok", f"parallel-orchestrator {__version__}, stored format {FORMAT_VERSION}")
    yield Remark("python", "ok", f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    old = sqlite3.sqlite_version_info < _SQLITE_LEAST
    least = ".".join(map(str, _SQLITE_LEAST))
    yield Remark(
        "sqlite",
        "fail" if old else "ok",
        f"SQLite {sqlite3.sqlite_version}",
        f"use a Python that comes with SQLite {least} or newer" if old else "",
    )
    found = {name: _version(name) for name in (*_NEEDED, *_OPTIONAL)}
    text = ", ".join(f"{name} {version}" for name, version in found.items() if version is not None)
    missing = [name for name in _NEEDED if found[name] is None]
    yield Remark(
        "libraries",
        "fail" if missing else "ok",
        text,
        f"install {', '.join(missing)} again: pip says that it is not there" if missing else "",
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
