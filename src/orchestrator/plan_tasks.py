"""Importing the functions that a plan names. The one place where a name from a plan file leads to an import."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from events.errors import UsageError
from orchestrator.plan import Plan, Use
from orchestrator.tasks import TASKS, Task, TaskRegistry


def import_tasks(plan: Plan, registry: TaskRegistry = TASKS) -> None:
    """Import the modules of a plan and make its functions known under the names the plan uses, `module:function`.

    Modules are looked for in the current folder first, then as ever. Importing one runs its code.

    Raises:
        InvalidPlanError: a module cannot be imported, a name is no `@task` function, or its arguments do not fit;
            file, line and key are named.
    """
    tasks: dict[str, Task[..., Any]] = {}
    with _current_folder_first():
        for use in plan.uses:
            if use.name not in tasks:
                tasks[use.name] = _task(use)
            _check_arguments(use, tasks[use.name])
    for use in plan.uses:
        if use.name in tasks:
            _register(use, tasks.pop(use.name), registry)


@contextmanager
def _current_folder_first() -> Iterator[None]:
    folder = _current_folder()
    if folder is None or folder in sys.path:
        yield
        return
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if folder in sys.path:  # the imported code may have taken it away itself
            sys.path.remove(folder)


def _current_folder() -> str | None:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # it was removed under us
        return None


def _task(use: Use) -> Task[..., Any]:
    name = use.name.partition(":")[2]
    found = getattr(_module(use), name, None)
    if isinstance(found, Task):
        return found
    what = "nothing of this name" if found is None else f"of type {type(found).__name__}, without @task"
    raise use.refuse("use", f"{use.name} is {what}: only functions marked @task can be named")


def _module(use: Use) -> ModuleType:
    try:
        return importlib.import_module(use.module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{use.module}.".startswith(f"{error.name}."):
            raise _not_importable(use, error) from error
        why = f"there is no module {error.name}, neither in the current folder nor among the installed ones"
        raise use.refuse("use", why) from None
    except (Exception, SystemExit) as error:  # a module's own code may raise anything when it is imported
        raise _not_importable(use, error) from error


def _not_importable(use: Use, error: BaseException) -> Exception:
    reason = " ".join(str(error).split()) or "no reason given"
    return use.refuse("use", f"importing {use.module} failed: {type(error).__name__}: {reason[:200]}")


def _check_arguments(use: Use, task: Task[..., Any]) -> None:
    misfit = task.callee.misfit(use.input)
    if misfit is not None:
        raise use.refuse("with", f"does not fit {use.name}, which {misfit}")


def _register(use: Use, task: Task[..., Any], registry: TaskRegistry) -> None:
    try:
        registry.alias(use.name, task)
    except UsageError as error:
        raise use.refuse("use", str(error)) from None
