"""File systems of a test's own: full ones, read-only ones.

Each is mounted in a mount namespace of its own, which lives as long as the process that holds it. It goes with that
process, whatever becomes of the tests, so nothing is ever left mounted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TMPFS: Final = 'mount -t tmpfs -o "size=$2,mode=0700" tmpfs "$1"'
_READ_ONLY: Final = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"'


@dataclass(frozen=True)
class Mount:
    """A folder that looks different to processes that are started with `enter` before them."""

    folder: Path
    holder: int

    @property
    def enter(self) -> tuple[str, ...]:
        """What stands before a command that is to see the folder so."""
        user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        return ("nsenter", "--target", str(self.holder), *user, "--mount", "--")

    @property
    def inside(self) -> Path:
        """The folder, as the test itself can reach it."""
        return Path("/proc", str(self.holder), "root", *self.folder.parts[1:])

    def copy_store(self, name: str, to: Path) -> Path:
        """Copy a store that no process has open, and return where it is now."""
        for end in ("", "-wal"):
            source = self.inside / f"{name}{end}"
            (to / f"{name}{end}").unlink(missing_ok=True)
            if source.exists():
                shutil.copy(source, to / f"{name}{end}")
        return to / name


@contextmanager
def disk(folder: Path, size_bytes: int) -> Iterator[Mount]:
    """Mount an empty file system of a size at a folder, for a while."""
    yield from _held(folder, _TMPFS, str(size_bytes))


@contextmanager
def read_only(folder: Path) -> Iterator[Mount]:
    """Make a folder a read-only mount, for a while."""
    yield from _held(folder, _READ_ONLY)


def _held(folder: Path, script: str, *words: str) -> Iterator[Mount]:
    root = () if os.geteuid() == 0 else ("--map-root-user",)
    holder = ["unshare", "--mount", *root, "sh", "-ec", f"{script}; echo mounted; exec cat", "sh", str(folder), *words]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        said = process.stdout.readline()
        assert said == b"mounted\n", f"nothing can be mounted here: {process.stderr.read().decode()}"
        try:
            yield Mount(folder, process.pid)
        finally:
            process.stdin.close()
