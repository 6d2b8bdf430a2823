"""`--import`: modules that define tasks, imported by the words of a command line."""

from __future__ import annotations

import importlib
import os
import sys

from events.errors import UsageError
from orchestrator.tasks import TASKS, Task


def import_module_tasks(module: str) -> None:
    """Import a module, looked for in the current folder first, and make its tasks known as plans name them too.

    Raises:
        UsageError: it cannot be imported.
    """
    folder = os.path.realpath(os.curdir)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # its own code may raise anything
        raise UsageError(f"--import {module}: {type(error).__name__}: {error}") from error
    for name, value in vars(found).items():
        if isinstance(value, Task):
            TASKS.alias(f"{module}:{name}", value)
