"""Where a task stands, so that a worker process can find it: module and name, never a pickle.

Both come from the function that was registered in this very process, never from anything stored.
"""

from __future__ import annotations

import sys
from inspect import getattr_static
from pathlib import Path

from actors.executors.process_tasks import MAIN, TaskPlace


def place_of(task: object, function: object = None) -> TaskPlace:
    """Return where a task stands; `function` is what it calls, and may stand there in its place.

    Raises:
        ValueError: another process could not find it there; the message says why.
    """
    module_name, qualname = str(getattr(task, "__module__", "")), str(getattr(task, "__qualname__", ""))
    if "<lambda>" in qualname:
        raise ValueError(
            "it is a lambda, which another process cannot find by its name: make it a function of a module"
        )
    if "<locals>" in qualname:
        raise ValueError(f"{qualname} is defined inside a function, where another process cannot find it: move it out")
    found: object = sys.modules.get(module_name)
    if found is None:
        raise ValueError(f"its module {module_name!r} is not loaded under that name")
    for part in qualname.split("."):
        found = getattr_static(found, part, None)
    if isinstance(found, staticmethod):
        found = found.__func__
    if found is None or (found is not task and found is not function):
        raise ValueError(
            f"{qualname} in module {module_name!r} is something else now: keep the task under its own name"
        )
    if module_name == MAIN:
        return _main_place(qualname)
    outermost = sys.modules.get(module_name.partition(".")[0])
    spec = getattr(outermost, "__spec__", None)
    return TaskPlace(module_name, qualname, origin=None if spec is None else spec.origin)


def _main_place(qualname: str) -> TaskPlace:
    """Return where a task of the program itself stands."""
    main = sys.modules[MAIN]
    spec, path = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        if spec.name == MAIN or spec.name.endswith(f".{MAIN}"):
            raise ValueError(f"it is defined in {spec.name}, which cannot be loaded without running it: move it out")
        return TaskPlace(MAIN, qualname, main_name=spec.name)
    if path is None or not Path(path).is_file():
        raise ValueError("it was typed in or read from nowhere that another process could load: put it into a file")
    return TaskPlace(MAIN, qualname, main_path=str(Path(path).absolute()))
