"""Where children run: one orchestrator's executors by name, and which of them a task goes to."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor as ForeignExecutor
from typing import Any, Final

from actors.executors.commands import CommandExecutor
from actors.executors.coroutines import AsyncExecutor
from actors.executors.futures_call import Callee
from actors.executors.process_places import place_of
from actors.executors.process_tasks import TaskPlace
from actors.executors.processes import ProcessExecutor
from actors.executors.threads import ThreadExecutor
from actors.executors.work import AttemptKey, Executor, PoliteExecutor
from events.errors import UsageError
from events.limits import Limits
from orchestrator import given
from orchestrator.definition import SHELL_TASK
from orchestrator.tasks import Task, TaskRegistry

COMMANDS: Final = "commands"
"""Runs shell commands, and nothing else."""
THREADS: Final = "threads"
"""Runs functions that say nothing else."""
ASYNC: Final = "async"
"""Runs functions made with `async def` that say nothing else."""
PROCESSES: Final = "processes"
"""Runs functions in worker processes of our own."""
_TAKEN: Final = (COMMANDS, THREADS, ASYNC, PROCESSES)


class Executors:
    """One orchestrator's executors. Each begins its threads and processes with its first work."""

    def __init__(
        self,
        tasks: TaskRegistry,
        limits: Limits,
        max_workers: int,
        *,
        keep_raw: bool,
        owner: str,
        foreign: Mapping[str, ForeignExecutor],
    ) -> None:
        """`foreign` are the user's own, by name."""
        self._tasks = tasks
        self.commands: Final = CommandExecutor(output_bytes_max=limits.output_bytes_max, keep_raw=keep_raw, owner=owner)
        self.threads: Final = ThreadExecutor(
            self._find,
            threads_max=max_workers,
            payload_bytes_max=limits.payload_bytes_max,
            abandoned_threads_max=limits.abandoned_threads_max,
        )
        self.coroutines: Final = AsyncExecutor(self._find, payload_bytes_max=limits.payload_bytes_max)
        self.processes: Final = ProcessExecutor(
            self._place_of, processes_max=max_workers, payload_bytes_max=limits.payload_bytes_max, owner=owner
        )
        own: dict[str, PoliteExecutor] = {
            THREADS: self.threads,
            ASYNC: self.coroutines,
            PROCESSES: self.processes,
        }
        theirs = self._around(foreign, limits)
        self._polite: Final = (*own.values(), *theirs.values())
        self.by_name: Final[Mapping[str, Executor]] = {**own, COMMANDS: self.commands, **theirs}
        """All of them. The first gets what none of them can run, and fails it."""
        self._fitting: dict[Task[..., Any], str] = {}
        """Where tasks run that were looked at and can be run here: a look takes longer than a tiny task."""

    def _around(self, foreign: Mapping[str, ForeignExecutor], limits: Limits) -> dict[str, PoliteExecutor]:
        """Return the user's own executors as ours."""
        if not foreign:
            return {}
        from actors.executors.futures import FuturesExecutor

        return {
            name: FuturesExecutor(self._callee, executor, name=name, payload_bytes_max=limits.payload_bytes_max)
            for name, executor in foreign.items()
        }

    def name_for(self, task: str) -> str | None:
        """Return the name of the executor that runs a task; None where it cannot be run here."""
        if task == SHELL_TASK:
            return COMMANDS
        if task not in self._tasks:
            return None
        found = self._tasks.find(task)
        known = self._fitting.get(found)
        if known is None and not self._misfit(found):
            known = self._fitting[found] = _choice(found)
        return known

    def require(self, task: Task[..., Any]) -> None:
        """See to it that a task can be run here. Raises UsageError, which says what is wrong and what there is."""
        misfit = task not in self._fitting and self._misfit(task)
        if misfit:
            raise UsageError(misfit)

    def end_leftovers(self, owner: str, keys: Sequence[AttemptKey]) -> None:
        """End what may still run of attempts that an owner who is gone started."""
        self.commands.end_leftovers(owner, keys)
        self.processes.end_leftovers(owner, keys)

    def close(self, shutdown_seconds: float) -> None:
        """Stop everything that runs; what does not listen within so many seconds is stopped by force, or left.

        All are asked before any is waited for, so that they share the time.
        """
        deadline = time.monotonic() + shutdown_seconds
        for executor in self._polite:
            executor.begin_to_close()
        self.commands.close(grace_seconds=min(1.0, shutdown_seconds))
        for executor in self._polite:
            executor.close(grace_seconds=max(0.0, deadline - time.monotonic()))

    def _misfit(self, task: Task[..., Any]) -> str:
        """Return why a task cannot be run here; an empty text where it can."""
        choice = _choice(task)
        there = sorted(name for name in self.by_name if name != COMMANDS)
        if choice not in there:
            known = ", ".join(repr(name) for name in there)
            return f"task {task.task_name!r} is to run on executor {choice!r}, which is not there; there are {known}"
        if choice == ASYNC and not is_async(task.function):
            return f"task {task.task_name!r} is no `async def`: the executor {ASYNC!r} cannot run it, {THREADS!r} can"
        if choice == PROCESSES:
            try:
                place_of(task, task.function)
            except ValueError as error:
                return f"task {task.task_name!r} cannot run in another process: {error}"
        return ""

    def _find(self, name: str) -> Callable[..., Any]:
        task = self._tasks.find(name)
        self.require(task)
        return task.callee

    def _place_of(self, name: str) -> TaskPlace:
        task = self._tasks.find(name)
        self.require(task)
        return place_of(task, task.function)

    def _callee(self, name: str) -> Callee:
        task = self._tasks.find(name)
        self.require(task)
        return Callee(task, task.function)


def checked(executors: object) -> Mapping[str, ForeignExecutor]:
    """Return the user's own executors as they were given. Raises UsageError for what cannot be one, or its name."""
    if not isinstance(executors, Mapping):
        raise UsageError(f"executors are a mapping of names to executors, not {given.shown_value(executors)}")
    for name, executor in executors.items():
        if not given.text(name, "the name of an executor").strip() or not name.isprintable():
            raise UsageError(f"an executor cannot be named {given.shown_value(name)}")
        if name in _TAKEN:
            raise UsageError(f"an executor cannot be named {name!r}, which is one of our own: give it another name")
        if not isinstance(executor, ForeignExecutor):
            shown = given.shown_value(executor)
            raise UsageError(f"executor {name!r} is a concurrent.futures.Executor, not {shown}")
    return dict(executors)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling a function gives something to be awaited: it was made with `async def`."""
    called = type(function).__call__
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def _choice(task: Task[..., Any]) -> str:
    """Return the executor that a task is for: the one it names, else what fits its function."""
    return task.settings.executor or (ASYNC if is_async(task.function) else THREADS)
