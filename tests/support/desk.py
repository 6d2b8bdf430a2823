"""Handing tasks to an executor and waiting for what it tells."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from actors.executors.process_places import place_of
from actors.executors.process_tasks import TaskPlace
from actors.executors.processes import ProcessExecutor
from actors.executors.work import AttemptKey, Ending, Executor, Progress, Work
from orchestrator import tasks
from tests.support import violent
from tests.support.waiting import until


class Desk:
    """Hands tasks, by default those of `violent`, to an executor."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.endings: defaultdict[str, list[Ending]] = defaultdict(list)
        self.progress: defaultdict[str, list[Progress]] = defaultdict(list)

    def key(self, child_id: str = "a") -> AttemptKey:
        return AttemptKey("parent", child_id, 1)

    def work(self, name: str, child_id: str = "a", *, limits: dict[str, Any] | None = None, **arguments: Any) -> Work:
        return Work(self.key(child_id), 0, f"violent.{name}", json.dumps(arguments), **(limits or {}))

    def submit(self, *work: Work) -> None:
        self.executor.submit(work, self.done, self.hear)

    def done(self, key: AttemptKey, ending: Ending) -> None:
        self.endings[key.child_id].append(ending)

    def hear(self, key: AttemptKey, progress: Progress) -> None:
        self.progress[key.child_id].append(progress)

    def cancel(self, child_id: str = "a", reason: str = "enough") -> None:
        self.executor.cancel([self.key(child_id)], reason=reason)

    def ending(self, child_id: str = "a", *, calls: int = 1) -> Ending:
        """Wait until `done` was called so many times for a child, and return the latest ending."""
        until(lambda: len(self.endings[child_id]) >= calls, timeout_seconds=60, what=f"the ending of {child_id}")
        return self.endings[child_id][-1]

    def run(self, name: str, child_id: str = "a", *, limits: dict[str, Any] | None = None, **arguments: Any) -> Ending:
        self.submit(self.work(name, child_id, limits=limits, **arguments))
        return self.ending(child_id)

    def output(self, name: str, child_id: str = "a", **arguments: Any) -> Any:
        """Run a task that succeeds and return its output."""
        ending = self.run(name, child_id, **arguments)
        assert ending.outcome == "succeeded", ending
        return json.loads(ending.output or "")

    def error(self, child_id: str = "a") -> Any:
        """Wait for a child's ending and return its error."""
        return json.loads(self.ending(child_id).error or "")


MakeDesk = Callable[..., Desk]


def pids(desk: Desk) -> list[int]:
    """Return the process ids of a desk's workers."""
    assert isinstance(desk.executor, ProcessExecutor)
    return desk.executor.process_ids


def place(name: str) -> TaskPlace:
    """Return where a task of `violent` stands."""
    assert violent
    found = tasks.TASKS.find(name)
    return place_of(found, found.function)


def pid_in(path: Path) -> int:
    """Wait until a task has written a process id and a line end into a file."""
    until(lambda: path.exists() and path.read_text().endswith("\n"), what=f"a process id in {path}")
    return int(path.read_text())


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has, though nobody may have noticed yet)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(") ")[2].startswith(("Z", "X"))


def descriptors() -> dict[int, str]:
    """Return the open descriptors of this process, and what they are."""
    found = {}
    for number in range(1000):
        with suppress(FileNotFoundError):
            found[number] = str(Path(f"/proc/self/fd/{number}").readlink())
    return found


def children(pid: int | None = None) -> set[int]:
    """Return the child processes of a process, of this one where none is named."""
    tasks = Path("/proc", "self" if pid is None else str(pid), "task")
    while True:
        try:
            lists = [path.read_text() for path in tasks.glob("*/children")]
        except (FileNotFoundError, ProcessLookupError):
            continue  # a thread ended just now, and what it started went over to another one
        return {int(pid) for each in lists for pid in each.split()}
