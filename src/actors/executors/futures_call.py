"""What an executor of the user's is given to run, wherever it does that: a function, and arguments that are plain."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from actors.executors.attempt import Attempt
from actors.executors.context import CurrentChild
from actors.executors.failures import failure
from actors.executors.process_places import place_of
from actors.executors.process_tasks import find_task
from actors.executors.telling import NOT_STARTED, Told, run_task

Begin = Callable[[], None]

HERE: Final[dict[str, tuple[Attempt, Begin]]] = {}
"""What was submitted from this process: where it is run here, too, the task can be asked to stop, and be heard."""


class Callee:
    """A task's function on its way: itself within a process, module and name to another one."""

    __slots__ = ("_function", "_task")

    def __init__(self, task: object, function: Callable[..., Any]) -> None:
        self._task = task
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self._function(*args, **kwargs)

    @property
    def callee(self) -> object:
        """What the task takes and returns, where that is known (see `calling`)."""
        return getattr(self._task, "callee", None)

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another process by module and name. Raises ValueError where it cannot be found by them."""
        place = place_of(self._task, self._function)
        return find_task, (place._replace(main_name=None, main_path=None),)


class Visit(NamedTuple):
    """One attempt on its way."""

    token: str
    process_id: int
    parent_id: str
    child_id: str
    attempt: int
    bytes_max: int


def run_elsewhere(callee: Callable[..., Any], visit: Visit, arguments: str) -> str:
    """Run a task and return how that went, as JSON text. It raises nothing."""
    host = HERE.get(visit.token) if os.getpid() == visit.process_id else None
    if host is None:
        child, on_begin = CurrentChild(visit.child_id, visit.parent_id, visit.attempt), _begin_unnoticed
    else:
        attempt, on_begin = host
        child = attempt.child
        if attempt.ending is not None:
            error = failure("TaskNotStarted", "the attempt was given up before it began")
            return json.dumps(Told(NOT_STARTED, error=error))
    return json.dumps(run_task(child, lambda: callee, arguments, bytes_max=visit.bytes_max, on_begin=on_begin))


def _begin_unnoticed() -> None:
    """Begin where nobody sees it."""
