"""One annotation: how a value of its type becomes JSON, and how it is read back as that very value."""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from datetime import datetime, time
from types import GenericAlias, NoneType, UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from events.errors import InvalidPayloadError
from events.misfit import plain
from events.payload import Json, check_json

_CONFIG: Final = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", hide_input_in_errors=True)
_PLAIN: Final = (Any, object)
"""Annotations that say nothing: the value is plain JSON."""
_QUICK: Final = frozenset({int, str, bool, float, NoneType, list, dict})
"""Types whose values are what JSON holds of them. Only these very types: not what is derived from them."""
_READ_ONCE: Final = (Iterable, Iterator, Generator, AsyncIterable, AsyncIterator, AsyncGenerator, Callable)
_UNREADABLE: Final = object()
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


class Conversion:
    """Values of one annotation, as JSON and back. Strict: nothing is turned into what it was not."""

    __slots__ = ("_adapter", "_annotation", "_quick", "shown")

    def __init__(self, annotation: Any, quick: frozenset[type]) -> None:
        self._annotation = annotation
        self._quick = quick
        self._adapter: TypeAdapter[list[Any]] | None = None
        self.shown: Final = annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
        """The annotation, for messages."""

    def to_json(self, value: Any, what: str) -> Json:
        """Return a value as JSON. `what` names it in errors.

        Raises:
            InvalidPayloadError: it does not fit its annotation, or would not be read back as it is.
        """
        if type(value) in self._quick:
            return value
        adapter = self._ready()
        try:
            fitting = adapter.validate_python([value], strict=True)
            found = adapter.dump_python(fitting, mode="json", round_trip=True, warnings="error")[0]
        except ValidationError as error:
            raise InvalidPayloadError(self._unfit(what, error)) from None
        except UnicodeDecodeError:
            raise InvalidPayloadError(
                f"{what} has bytes in a pydantic model that are no text; give the model "
                'model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")'
            ) from None
        except PydanticSerializationError as error:
            raise InvalidPayloadError(f"{what} cannot be kept as JSON: {error}") from None
        check_json(found, what=what)
        if not same(self._read(found), fitting[0]):
            raise InvalidPayloadError(f"{what} would not be read back as it is: its annotation is {self.shown}")
        return found

    def from_json(self, value: Json, what: str) -> Any:
        """Return the value that a JSON value stands for. Raises InvalidPayloadError where it does not fit."""
        if type(value) in self._quick:
            return value
        check_json(value, what=what)
        try:
            return self._ready().validate_json(f"[{_encode(value)}]", strict=True, by_alias=True, by_name=True)[0]
        except ValidationError as error:
            raise InvalidPayloadError(self._unfit(what, error)) from None

    def _read(self, found: Json) -> Any:
        """Return what a JSON value is read back as; something that nothing is the same as where it cannot be."""
        try:
            return self._ready().validate_json(f"[{_encode(found)}]", strict=True, by_alias=True, by_name=True)[0]
        except ValidationError:
            return _UNREADABLE

    def usable(self) -> bool:
        """Whether pydantic knows what to do with the annotation."""
        if not self._quick:
            try:
                return bool(self._ready().pydantic_complete)  # else a part of it names what cannot be found
            except (PydanticUserError, NameError, TypeError):
                return False  # a class that only the program itself knows: what is returned must be JSON then
        return True

    def _ready(self) -> TypeAdapter[list[Any]]:
        """Return the adapter, of a list of one: so that the configuration holds for dataclasses, too."""
        if self._adapter is None:
            of_one: Any = GenericAlias(list, (self._annotation,))
            self._adapter = TypeAdapter(of_one, config=_CONFIG)
        return self._adapter

    def _unfit(self, what: str, error: ValidationError) -> str:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"][1:])
        at = f" at {place.lstrip('.')}" if place else ""
        more = error.error_count() - 1
        also = f" (and {more} more)" if more else ""
        return f"{what}{at} does not fit its annotation {self.shown}: {plain(first)}{also}"


def conversion_of(annotation: Any) -> Conversion | None:
    """Return the conversion for an annotation; None where its values are plain JSON, or pydantic cannot tell."""
    if annotation in _PLAIN or isinstance(annotation, TypeVar) or _is_read_once(annotation):
        return None
    made = Conversion(annotation, _quick_types(annotation))
    return made if made.usable() else None


def _quick_types(annotation: Any) -> frozenset[type]:
    """Return the types whose values need no look at the annotation, where it has nothing else."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is None:
        return frozenset({NoneType})
    if origin is None:
        return frozenset({annotation}) if annotation in _QUICK else frozenset()
    if origin is list:
        return frozenset({list}) if arguments[0] in _PLAIN else frozenset()
    if origin is dict:
        return frozenset({dict}) if arguments[0] is str and arguments[1] in _PLAIN else frozenset()
    if origin is Union or origin is UnionType:
        members = [_quick_types(argument) for argument in arguments]
        return frozenset().union(*members) if all(members) else frozenset()
    return frozenset()


def _is_read_once(annotation: Any) -> bool:
    """Whether there is something in an annotation that can be looked at only by using it up, or by calling it."""
    if annotation in _READ_ONCE or get_origin(annotation) in _READ_ONCE:
        return True
    return any(_is_read_once(argument) for argument in get_args(annotation))


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same in type and in all their parts, whatever they say of it themselves."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple | deque):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, datetime | time):
        return bool(one.replace(tzinfo=None) == other.replace(tzinfo=None)) and one.utcoffset() == other.utcoffset()
    if isinstance(one, BaseModel):
        names = type(one).model_fields
        parts = all(same(getattr(one, name), getattr(other, name)) for name in names)
        return parts and same(one.model_extra, other.model_extra)
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, each.name), getattr(other, each.name)) for each in dataclasses.fields(one))
    return bool(one == other)
