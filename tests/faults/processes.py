"""Starting the processes of the campaign, and seeing every one of them off in time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support import waiting

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 90.0
"""No process of the campaign takes longer than that: what does hangs."""


def until(fact: Callable[[], object], *, what: str = "the fact") -> None:
    """Wait for a fact that a process brings about."""
    waiting.until(fact, timeout_seconds=DEADLINE_SECONDS, what=what)


class Ended(NamedTuple):
    """How a process ended."""

    status: int
    output: bytes
    errors: str

    def no_traceback(self) -> Ended:
        """Return itself; a traceback that reached the user is a failure."""
        assert "Traceback" not in self.errors, self.errors
        return self


class Process:
    """One process, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.heard = b""

    def hear(self, line: bytes) -> None:
        """Read on until it says a line that begins so."""
        assert self.process.stdout is not None
        while True:
            said = self.process.stdout.readline()
            self.heard += said
            if said.startswith(line):
                return
            assert said, f"it ended without saying {line!r}: {self.heard!r}, {self._rest()}"

    def _rest(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode(errors="replace")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def must_live(self, seconds: float) -> None:
        """Let it live for so long; one that ends earlier fails the test."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise AssertionError(f"it ended early: {self.end()}")

    def end(self, timeout_seconds: float = DEADLINE_SECONDS) -> Ended:
        """Wait for its end. A process that hangs is killed and fails the test."""
        try:
            output, errors = self.process.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, errors = self.process.communicate()
            said = (self.heard + output).decode(errors="replace")[-2_000:]
            raise AssertionError(f"it hung for {timeout_seconds:g} s: {said} {errors.decode()}") from None
        self.heard += output
        return Ended(self.process.returncode, self.heard, errors.decode(errors="replace"))


@contextmanager
def started(
    argv: Sequence[object],
    *,
    folder: Path = ROOT,
    before: Sequence[str] = (),
) -> Iterator[Process]:
    """Start Python with these arguments; what still lives in the end is killed. `before` stands before Python."""
    environment = {name: value for name, value in os.environ.items() if name != "ORCHESTRATOR_STORE"}
    environment["PYTHONPATH"] = str(ROOT)
    with subprocess.Popen(
        [*before, sys.executable, *map(str, argv)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment,
        bufsize=0,
    ) as process:
        try:
            yield Process(process)
        finally:
            if process.poll() is None:
                process.kill()


def run(argv: Sequence[object], *, timeout_seconds: float = DEADLINE_SECONDS, folder: Path = ROOT) -> Ended:
    """Run Python with these arguments to its end."""
    with started(argv, folder=folder) as process:
        return process.end(timeout_seconds)


def cli(*words: object) -> list[object]:
    """Return the arguments of Python that run the command line."""
    return ["-m", "orchestrator", *words]


def refusal(ended: Ended) -> str:
    """Return the one line in which a command said what was in the way; anything more, or less, is a failure."""
    lines = [line for line in ended.no_traceback().errors.splitlines() if not line.startswith("run ")]
    assert ended.status == 3, ended
    assert len(lines) == 1, ended.errors
    assert lines[0].startswith("orchestrator: error: "), ended.errors
    return lines[0]
