"""Fixtures of the executors' tests: real commands, run by real processes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Condition
from time import monotonic, sleep
from typing import Any

import pytest

from actors.executors.commands import CommandExecutor
from actors.executors.work import AttemptKey, Ending, Work

WAIT_SECONDS = 30


class Desk:
    """Hands commands to an executor and waits for their endings."""

    def __init__(self, executor: CommandExecutor) -> None:
        self.executor = executor
        self.endings: defaultdict[str, list[Ending]] = defaultdict(list)
        self._changed = Condition()

    def key(self, child_id: str = "a") -> AttemptKey:
        return AttemptKey("parent", child_id, 1)

    def work(self, command: str, child_id: str = "a", timeout_seconds: float | None = None) -> Work:
        return Work(self.key(child_id), 0, "shell", json.dumps({"command": command}), timeout_seconds)

    def submit(self, *work: Work) -> None:
        self.executor.submit(work, self.done)

    def done(self, key: AttemptKey, ending: Ending) -> None:
        with self._changed:
            self.endings[key.child_id].append(ending)
            self._changed.notify_all()

    def ending(self, child_id: str = "a", *, calls: int = 1) -> Ending:
        """Wait until `done` was called so many times for a child, and return the latest ending."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.endings[child_id]) >= calls, WAIT_SECONDS)
            return self.endings[child_id][-1]

    def run(self, command: str, child_id: str = "a", timeout_seconds: float | None = None) -> Ending:
        self.submit(self.work(command, child_id, timeout_seconds))
        return self.ending(child_id)

    def output(self, command: str) -> Any:
        """Run a command that succeeds and return its output on record."""
        ending = self.run(command)
        assert ending.outcome == "succeeded", ending
        return json.loads(ending.output or "")

    def error(self, child_id: str = "a") -> Any:
        """Wait for a child's ending and return its error on record."""
        return json.loads(self.ending(child_id).error or "")


@pytest.fixture
def make_desk() -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def make(**options: Any) -> Desk:
        desks.append(Desk(CommandExecutor(**options)))
        return desks[-1]

    yield make
    for desk in desks:
        desk.executor.close(grace_seconds=0)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


@pytest.fixture
def eventually() -> Callable[..., None]:
    def wait(fact: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
        deadline = monotonic() + seconds
        while not fact():
            assert monotonic() < deadline, f"what was waited for did not happen within {seconds} s"
            sleep(0.002)

    return wait


@pytest.fixture
def pid_in(eventually: Callable[..., None]) -> Callable[[Path], int]:
    """Wait until a command has written a process id and a line end into a file."""

    def read(path: Path) -> int:
        eventually(lambda: path.exists() and path.read_text().endswith("\n"))
        return int(path.read_text())

    return read


@pytest.fixture
def gone() -> Callable[[int], bool]:
    """Whether a process has ended (a zombie has, though nobody may have noticed yet)."""

    def check(pid: int) -> bool:
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        return text.rpartition(") ")[2].startswith(("Z", "X"))

    return check
