"""The call of a task outside of the owner's threads, and what it may raise, all of it, as data.

It is done in worker processes and in executors of the user's own. What it gives back is plain texts, so that nothing of
the task's own making ever crosses to the owner.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from actors.executors.context import CURRENT, CurrentChild
from actors.executors.failures import describe
from actors.executors.forks import leave_fork

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
NOT_STARTED: Final = "not_started"

Load = Callable[[], Callable[..., Any]]
"""Returns the function of a task; it may raise anything."""


class Told(NamedTuple):
    """How a call ended: `succeeded` with its output, `failed` or `not_started` with an error, all as JSON text."""

    how: str
    output: str | None = None
    error: str | None = None


def run_task(
    child: CurrentChild, load: Load, arguments: str, *, bytes_max: int, on_begin: Callable[[], object]
) -> Told:
    """Load a task, say that it begins, call it with its arguments (JSON text) and say how that went."""
    process_id, begun = os.getpid(), False
    CURRENT.set(child)
    try:
        function = load()
        from actors.executors.calling import call_task  # a worker process is there sooner without it

        on_begin()
        begun = True
        output = call_task(function, arguments, what=f"child {child.id!r}", bytes_max=bytes_max)
        if os.getpid() != process_id:
            leave_fork(None)
        return Told(SUCCEEDED, output)
    except BaseException as error:  # noqa: BLE001 - user code may raise anything; here it becomes data
        if os.getpid() != process_id:
            leave_fork(error)
        return Told(FAILED if begun else NOT_STARTED, error=describe(error))
    finally:
        CURRENT.set(None)
