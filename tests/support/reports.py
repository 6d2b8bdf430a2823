"""What an executor reported, in order, and work to hand it."""

from __future__ import annotations

import json
from typing import Any

from actors.executors.work import AttemptKey, Ending, Progress, Work
from tests.support.waiting import until


class Reports:
    """Hears endings (`submit(work, reports.done, reports.hear)`) and how far attempts are."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Ending]] = []
        self.heard: list[tuple[str, Progress]] = []

    def done(self, key: AttemptKey, ending: Ending) -> None:
        self.all.append((key.child_id, ending))

    def hear(self, key: AttemptKey, progress: Progress) -> None:
        self.heard.append((key.child_id, progress))

    def of(self, child_id: str, number: int = 1) -> Ending:
        """Wait for the ending of a child, or for another one of it, and return it."""

        def found() -> list[Ending]:
            return [ending for child, ending in list(self.all) if child == child_id]

        until(lambda: len(found()) >= number, what=f"ending {number} of {child_id}")
        return found()[number - 1]

    def error(self, child_id: str) -> Any:
        """Wait for the ending of a child and return its error."""
        return json.loads(self.of(child_id).error or "null")

    def count(self, child_id: str) -> int:
        return sum(child == child_id for child, _ in list(self.all))


def key(child_id: str) -> AttemptKey:
    return AttemptKey("p", child_id, 1)


def work(child_id: str, task: str, arguments: str = "{}", **limits: Any) -> Work:
    return Work(key(child_id), 0, task, arguments, **limits)
