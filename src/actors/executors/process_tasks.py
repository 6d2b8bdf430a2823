"""Finding a task in a worker process, by the module that defines it and its name there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
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
    origin: str | None = None
    """Where its owner found the module, or the outermost package that the module is in."""


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
        with _where_its_owner_found_it(place):
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


@contextmanager
def _where_its_owner_found_it(place: TaskPlace) -> Iterator[None]:
    """Let the module's own folder be looked at first, unless it is found in the same place without that.

    The command line, for one, looks into the current folder only while it imports what a plan names.
    """
    outermost = place.module.partition(".")[0]
    if place.origin is None or outermost in sys.modules or _origin_of(outermost) == place.origin:
        yield
        return
    folder, name = os.path.split(place.origin)
    if name.startswith("__init__."):
        folder, _ = os.path.split(folder)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:  # the imported code may have taken it away itself
            sys.path.remove(folder)


def _origin_of(module: str) -> str | None:
    spec = find_spec(module)
    return None if spec is None else spec.origin
