"""The tiny tasks of recorded runs, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from orchestrator import Child, Parallel, Retry, Task, Threshold, current_child
from orchestrator.tasks import TaskRegistry

TASK: Final = "power-work"


def registry(begun: Callable[[str, str, int], object]) -> TaskRegistry:
    """Return tasks by name; each execution first tells `begun` its parent, child and attempt."""

    def work(number: int = 0) -> int:
        child = current_child()
        begun(child.parent_id, child.id, child.attempt)
        if number % 5 == 3 and child.attempt == 1:
            raise RuntimeError("the first attempt of a fifth of them fails")
        return number

    tasks = TaskRegistry()
    tasks.add(Task(work, TASK))
    return tasks


def runs() -> dict[str, Parallel]:
    """Return what is asked of the recorded orchestrators, by the runs' ids."""
    children = [Child(task=TASK, input={"number": number}) for number in range(8)]
    return {
        "all": Parallel(children=children, max_workers=3, retry=Retry(max_attempts=3)),
        "most": Parallel(children=children, strategy=Threshold(percent=60), max_workers=2, on_decided="continue"),
    }
