"""Finding a task in a worker process, by the module that defines it and its name there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, Final, NamedTuple

from events.errors import UsageError

MAIN: Final = "__main__"
"""The name of the program itself as a module."""
_AGAIN: Final = "__mp_main__"
"""What the program is called when it is loaded again, as with multiprocessing: its `__main__` part does not run."""
_loading: Final[list[str]] = []
"""The modules that this process, a worker, is loading to find a task."""


class TaskPlace(NamedTuple):
    """The module that defines a task, and its name there."""

    module: str
    qualname: str
    main_name: str | None = None
    """Where the module is the program itself: the name it was run by (`python -m`)."""
    main_path: str | None = None
    """The same: the path of the program."""


def find_task(place: TaskPlace) -> Callable[..., Any]:
    """Return what stands at a place, in another process than the one that named it; its module is loaded first.

    Raises:
        LookupError: there is nothing there that could be called. (Loading the module may raise anything.)
    """
    _loading.append(place.module)
    try:
        found: Any = _load(place)
    finally:
        _loading.pop()
    for part in place.qualname.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise LookupError(f"module {place.module!r} has no task {place.qualname} when another process loads it")
    function: Callable[..., Any] = found
    return function


def refuse_while_loading() -> None:
    """Raise UsageError where this is a worker process that is only loading its tasks: it must begin nothing itself."""
    if _loading:
        raise UsageError(
            "a worker process loads this program again to find its tasks, and came to a place where it starts a run: "
            "put that place under `if __name__ == '__main__':`"
        )


def _load(place: TaskPlace) -> ModuleType:
    if place.main_name is None and place.main_path is None:
        return import_module(place.module)
    known = sys.modules.get(_AGAIN)
    if known is not None:
        return known
    from runpy import run_module, run_path  # needed by few

    main = ModuleType(_AGAIN)
    if place.main_name is not None:
        main.__dict__.update(run_module(place.main_name, run_name=_AGAIN, alter_sys=True))
    else:
        main.__dict__.update(run_path(str(place.main_path), run_name=_AGAIN))
    sys.modules[MAIN] = sys.modules[_AGAIN] = main
    return main
