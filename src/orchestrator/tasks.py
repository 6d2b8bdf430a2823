"""`@task`: functions that children run, by name."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, ParamSpec, TypeVar, overload

from pydantic import Field

from actors.executors.context import CURRENT, CurrentChild
from actors.executors.signature import TaskSignature
from events.built_in_tasks import NESTED_TASK
from events.errors import InvalidPayloadError, UnknownTaskError, UsageError
from events.sure import share_fields_given
from orchestrator import given
from orchestrator.definition import SHELL_TASK, Child, Definition, Retry
from orchestrator.secret_ref import named as with_names
from orchestrator.secret_ref import referring, secrets_in

SOURCE_TASK: Final = "failed-source"
"""The name of the built-in task of a child that stands for a source of children that failed."""

P = ParamSpec("P")
R = TypeVar("R")

_RESERVED: Final = (SHELL_TASK, NESTED_TASK, SOURCE_TASK)
_GIVEN: Final = frozenset({"task", "input"})
"""What is given of a child that a task makes."""
_UNFIT: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)


class TaskSettings(Definition):
    """What a task's children are allowed unless they, each by itself, say otherwise; see `Child` for the meanings."""

    executor: str | None = None
    """Where they run: `threads`, `async`, `processes`, or the name of an executor that the orchestrator was given."""
    retry: Retry | None = None
    timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    total_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    queue_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    heartbeat_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    grace: float | None = Field(default=None, ge=0, allow_inf_nan=False)


NO_SETTINGS: Final = TaskSettings.model_construct()  # as `TaskSettings()` is, without building the model for it
"""Those of a task that says nothing."""


class Task(Generic[P, R]):
    """A function that children can run. Calling it calls the function, as ever."""

    def __init__(self, function: Callable[P, R], name: str, settings: TaskSettings | None = None) -> None:
        self.task_name: Final = name
        """The name under which it is recorded and found again."""
        self.function: Final = function
        self.settings: Final = settings or NO_SETTINGS
        """What its children are allowed, unless they say otherwise, and where they run."""
        self.signature: Final = inspect.signature(function)
        self._all_named = _all_named(self.signature)
        self.callee: Final = TaskSignature(function, name)
        """The function as executors call it: with what its annotations say of its arguments and its result."""
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", name)
        self.__qualname__ = getattr(function, "__qualname__", name)
        self.__module__ = function.__module__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, here and now."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<task {self.task_name!r}>"

    def child(self, *args: P.args, **kwargs: P.kwargs) -> Child:
        """Return a child that calls this task with these arguments.

        Raises:
            UsageError: the task has no such argument, or needs another one.
            InvalidPayloadError: an argument does not fit its annotation.
        """
        if not args and tuple(kwargs) == self._all_named:  # as most are; to bind takes longer than all the rest
            return self._child(kwargs)
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            misfit = None if args else self.callee.misfit(kwargs)
            raise UsageError(
                f"task {self.task_name!r} {misfit}" if misfit else f"task {self.task_name!r}: {error}"
            ) from None
        named: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            if self.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                named.update(value)
            else:
                named[name] = value
        return self._child(named)

    def _child(self, named: dict[str, Any]) -> Child:
        child = Child(task=self.task_name, input=self._written(named))
        share_fields_given(child, _GIVEN)
        return child

    def _written(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return arguments as JSON, but for the secrets that are named among them."""
        try:
            return self.callee.write(arguments, "input of a child")
        except InvalidPayloadError:
            places = secrets_in(arguments)
            if not places:
                raise
            return dict(referring(self.callee.write(with_names(arguments), "input of a child"), places))


def _all_named(signature: inspect.Signature) -> tuple[str, ...] | None:
    """Return the names of all arguments, where each of them can be given by its name, and no others."""
    parameters = signature.parameters.values()
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(signature.parameters) if all(each.kind in by_name for each in parameters) else None


class TaskRegistry:
    """Tasks by name. Only what was put in can ever be run; no name leads to an import."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task[..., Any]] = {}
        self._lock = threading.Lock()

    def add(self, task: Task[..., Any]) -> None:
        """Make a task known. Raises UsageError where another function has its name."""
        self.alias(task.task_name, task)

    def alias(self, name: str, task: Task[..., Any]) -> None:
        """Make a task known under this name too. Raises UsageError where another function has it."""
        if not given.text(name, "a task's name") or name in _RESERVED or not name.isprintable():
            shown = given.shown_value(name)
            raise UsageError(f"a task cannot be named {shown}: give it another name with @task(name=...)")
        with self._lock:
            known = self._tasks.get(name)
            if known is not None and (known.__module__, known.__qualname__) != (task.__module__, task.__qualname__):
                raise UsageError(
                    f"two tasks are named {name!r}, in {known.__module__} and {task.__module__}: "
                    "give one another name with @task(name=...)"
                )
            self._tasks[name] = task

    def find(self, name: str) -> Task[..., Any]:
        """Return the task of this name. Raises UnknownTaskError, which says what is known."""
        found = self._tasks.get(name)
        if found is None:
            known = ", ".join(sorted(self._tasks)) or "none"
            raise UnknownTaskError(
                f"no task is named {name!r} in this process (known: {known}): import the module that defines it"
            )
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._tasks

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._tasks))


TASKS: Final = TaskRegistry()
"""Where `@task` puts functions."""


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(
    *,
    name: str | None = None,
    executor: str | None = None,
    retry: Retry | None = None,
    timeout: float | None = None,
    total_timeout: float | None = None,
    queue_timeout: float | None = None,
    heartbeat_timeout: float | None = None,
    grace: float | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(
    function: Callable[P, R] | None = None, /, *, name: str | None = None, **settings: Any
) -> Task[P, R] | Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a task that children can run.

    It takes named arguments and returns a value. Annotations say of which types they are: JSON, or whatever pydantic
    can turn into JSON and back; without an annotation a value is plain JSON. `name` is what is recorded (the
    function's own name when left out); the other settings are those of `TaskSettings`: where it runs (`executor`;
    an `async def` runs on the event loop, any other function in a thread, when left out), how it runs again
    (`retry`), and its times in seconds.

    Raises:
        UsageError: another task has the name, the function takes arguments without a name, or a setting makes no
            sense.
    """
    allowed = TaskSettings(**settings) if settings else NO_SETTINGS

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        if not callable(function):
            raise UsageError(f"a task is a function, not {given.shown_value(function)}")
        made = Task(function, name or str(getattr(function, "__name__", type(function).__name__)), allowed)
        if any(parameter.kind in _UNFIT for parameter in made.signature.parameters.values()):
            raise UsageError(f"task {made.task_name!r} takes arguments without a name; a child's input names them")
        TASKS.add(made)
        return made

    return decorate if function is None else decorate(function)


def current_child() -> CurrentChild:
    """Return the child that the calling task runs for. Raises UsageError outside a task."""
    current = CURRENT.get()
    if current is None:
        raise UsageError("current_child() only makes sense inside a task that an orchestrator runs")
    return current
