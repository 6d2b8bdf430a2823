"""What a task takes and returns: its function, and the conversions that its annotations ask for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Final, get_args, get_origin, get_type_hints

from actors.executors.conversion import Conversion, conversion_of
from events.errors import InvalidPayloadError
from events.payload import Json

_NAMED: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class TaskSignature:
    """A task's function, with what it takes and returns. Calling it calls the function.

    Annotations are looked at when they are first needed: by then everything they name is defined. One that cannot be
    resolved, or that pydantic cannot handle, counts as none: the value is plain JSON then.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function: Final = function
        self.name: Final = name
        parameters = inspect.signature(function).parameters.values()
        self._names = frozenset(each.name for each in parameters if each.kind in _NAMED)
        self._required = frozenset(
            each.name for each in parameters if each.kind in _NAMED and each.default is inspect.Parameter.empty
        )
        self._only = next(
            (each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD), None
        )
        self._open = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.function(*args, **kwargs)

    @cached_property
    def result(self) -> Conversion | None:
        """The conversion of what it returns; None for plain JSON."""
        annotation = self._annotation(inspect.signature(self.function).return_annotation)
        if get_origin(annotation) in (Awaitable, Coroutine):
            annotation = get_args(annotation)[-1]
        return conversion_of(annotation)

    @cached_property
    def _arguments(self) -> Mapping[str, Conversion]:
        """The conversions of what it takes, by name, where it is not plain JSON."""
        parameters = inspect.signature(self.function).parameters.values()
        found = {
            each.name: conversion_of(self._annotation(each.annotation)) for each in parameters if each.kind in _NAMED
        }
        return {name: conversion for name, conversion in found.items() if conversion is not None}

    @cached_property
    def _others(self) -> Conversion | None:
        """The conversion of arguments that the function does not name."""
        for each in inspect.signature(self.function).parameters.values():
            if each.kind is inspect.Parameter.VAR_KEYWORD:
                return conversion_of(self._annotation(each.annotation))
        return None

    def _annotation(self, annotation: Any) -> Any:
        """Return an annotation that may be written as text; Any where it is missing or names what cannot be found."""
        if annotation is inspect.Signature.empty:
            return Any
        holder = SimpleNamespace(__annotations__={"it": annotation})
        try:
            return get_type_hints(holder, globalns=_globals(self.function), include_extras=True)["it"]
        except (NameError, TypeError, SyntaxError, AttributeError):
            return Any

    def read(self, given: Json, what: str) -> dict[str, Any]:
        """Return the arguments that a child's input stands for, by name.

        Raises:
            InvalidPayloadError: they are not those of the task, or one does not fit its annotation.
        """
        named = self._named(given, what)
        if not self._arguments and self._others is None:
            return named
        return {
            name: value if (found := self._conversion(name)) is None else found.from_json(value, self._what(name, what))
            for name, value in named.items()
        }

    def fit(self, given: Any, what: str) -> Json:
        """Return a child's input as JSON. Each argument may be JSON already, or a value of its annotation.

        Raises:
            InvalidPayloadError: as in `read`.
        """
        named = self._named(given, what)
        fitting = {name: self._fit(name, value, what) for name, value in named.items()}
        if type(given) is dict:
            return fitting
        return given if given is None or self._only is None else fitting[self._only]

    def _fit(self, name: str, value: Any, what: str) -> Json:
        conversion = self._conversion(name)
        if conversion is None:
            return value
        try:
            conversion.from_json(value, self._what(name, what))
        except InvalidPayloadError as unfit:
            try:
                return conversion.to_json(value, self._what(name, what))
            except InvalidPayloadError:
                raise unfit from None
        return value

    def write(self, named: Mapping[str, Any], what: str) -> dict[str, Json]:
        """Return arguments as JSON, by name. Raises InvalidPayloadError where one does not fit its annotation."""
        return {
            name: value if (found := self._conversion(name)) is None else found.to_json(value, self._what(name, what))
            for name, value in named.items()
        }

    def _named(self, given: Any, what: str) -> dict[str, Any]:
        """Return arguments by name: a dict holds them, None means none, anything else is the only one."""
        if type(given) is dict:
            named = given
        elif given is None:
            named = {}
        elif self._only is None:
            raise InvalidPayloadError(f"{what}: task {self.name!r} takes arguments by name; give it a dict of them")
        else:
            named = {self._only: given}
        misfit = self.misfit(named)
        if misfit is not None:
            raise InvalidPayloadError(f"{what}: task {self.name!r} {misfit}")
        return named

    def misfit(self, named: Mapping[str, Any]) -> str | None:
        """Say which arguments the task does not have, or which it needs; None where they are its own."""
        unknown = () if self._open else named.keys() - self._names
        missing = self._required - named.keys()
        if not unknown and not missing:
            return None
        parts = []
        if unknown:
            parts.append(f"has no argument {_listed(unknown)}")
        if missing:
            parts.append(f"needs {_listed(missing)}")
        takes = f"it takes {_listed(self._names)}" if self._names else "it takes none"
        return f"{' and '.join(parts)} ({takes})"

    def _conversion(self, name: str) -> Conversion | None:
        return self._arguments.get(name) if name in self._names else self._others

    def _what(self, name: str, what: str) -> str:
        return f"{what}: argument {name!r} of task {self.name!r}"


def _listed(names: Any) -> str:
    return ", ".join(sorted(repr(name) for name in names))


def _globals(function: Any) -> dict[str, Any]:
    """Return the module in which a function's annotations were written."""
    found = inspect.unwrap(function)
    while isinstance(found, functools.partial):
        found = inspect.unwrap(found.func)
    if not hasattr(found, "__globals__"):
        found = getattr(type(found).__call__, "__wrapped__", type(found).__call__)
    return getattr(found, "__globals__", {})
