"""Running the examples as their users do: as programs, in a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PATIENCE_SECONDS = 60.0

PYTHON = [sys.executable, "-W", "error", "-X", "dev"]


def environment() -> dict[str, str]:
    """Return an environment that names no store."""
    return {name: value for name, value in os.environ.items() if name != "ORCHESTRATOR_STORE"}


def example(name: str) -> list[str]:
    """Return the command line that runs an example, warnings being errors."""
    return [*PYTHON, str(EXAMPLES / name)]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Begin a program; whatever is left of it in the end is killed."""
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
