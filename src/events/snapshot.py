"""A parent's state as bytes, and back: whole, compact, and the same bytes for the same state.

What is to be written is read off the fields of `ParentState`, so that none can be forgotten. A body is a row of parts,
each a length (4 bytes, big-endian) and as many bytes of zlib, which hold JSON: first the fields that are no tables,
then each table by columns, some rows a part. So writing and reading go in small steps, which hold up no other thread
for long, and every list is read and checked in one step of pydantic's.

Nothing in a body is believed: lengths, sizes, types and ranges are checked before memory is given to them, and what is
read must be a state that can be (see `events.soundness`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from functools import cache, partial
from hashlib import sha256
from itertools import islice
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, FailFast, Field, TypeAdapter, ValidationError, create_model

from events.errors import LimitExceededError, StoreDamagedError
from events.order import Order
from events.soundness import flaw_of
from events.state import ParentState
from events.table import Table

STATE_VERSION: Final = 3
"""Raise it with every change of what facts add up to: a snapshot of another version is of no use. A test notices."""

ROWS_MAX: Final = 512
"""Most rows of a table in one part. While they are put together no other thread of the interpreter runs."""
PART_BYTES_MAX: Final = 4_194_304
"""Most bytes of JSON in one part."""
BODY_BYTES_MAX: Final = 1_073_741_824
"""Most bytes of JSON in all parts together, however long the stream."""
STORED_BYTES_MAX: Final = 268_435_456
"""Most bytes of a body as it is stored."""
_BASE_BYTES: Final = 4_194_304
_EVENT_BYTES: Final = 4_096
"""How many bytes of JSON each event may add."""

_DERIVED: Final = ("order",)
"""Fields that are not written, for they follow from the others."""

_LENGTH_BYTES: Final = 4
_LEVEL: Final = 1
_INT: Final = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_FLOAT: Final = Annotated[float, Field(allow_inf_nan=False)]
_STRICT: Final = ConfigDict(strict=True, extra="forbid")


class _Shape(NamedTuple):
    """What stands in a table's place for one key or value: one column, or one for each member of a tuple."""

    hints: tuple[Any, ...]
    make: Callable[[Any], Any] | None
    """Makes a key or a value of its members; None where it is one column by itself."""

    def columns(self, values: list[Any]) -> list[list[Any]]:
        return [values] if self.make is None else list(map(list, zip(*values, strict=True)))

    def values(self, columns: list[list[Any]]) -> Iterable[Any]:
        return columns[0] if self.make is None else map(self.make, zip(*columns, strict=True))


class _TableForm(NamedTuple):
    """How one table of the state is written."""

    name: str
    keys: _Shape
    values: _Shape
    lists: TypeAdapter[tuple[list[Any], ...]]

    def dump(self, rows: list[tuple[Any, Any]]) -> bytes:
        columns = (*self.keys.columns([key for key, _ in rows]), *self.values.columns([value for _, value in rows]))
        return self.lists.dump_json(columns, exclude_none=True)

    def load(self, data: bytes) -> dict[Any, Any]:
        columns = list(self.lists.validate_json(data))
        split = len(self.keys.hints)
        return dict(zip(self.keys.values(columns[:split]), self.values.values(columns[split:]), strict=True))


class _Form(NamedTuple):
    """How a whole state is written."""

    plain: type[BaseModel]
    tables: tuple[_TableForm, ...]


def detached(state: ParentState) -> ParentState:
    """Return a state that shares no table with this one, so that another thread may read it."""
    tables = {form.name: getattr(state, form.name).apart() for form in _form().tables}
    return state.replace(order=Order(list(tables["children"])), **tables)


def parts(state: ParentState) -> Iterator[bytes]:
    """Yield the body of a state in parts; put together they are what `decoded` takes.

    Raises:
        LimitExceededError: it would be too large.
    """
    form, left = _form(), _budget(state.version)
    plain = {name: getattr(state, name) for name in form.plain.model_fields}
    stored = 0
    for data in _texts(form, form.plain.model_construct(**plain), state):
        left -= len(data)
        packed = zlib.compress(data, _LEVEL)
        stored += _LENGTH_BYTES + len(packed)
        if left < 0 or stored > STORED_BYTES_MAX:
            raise LimitExceededError(f"a snapshot of version {state.version} would be too large")
        yield len(packed).to_bytes(_LENGTH_BYTES, "big") + packed


def encoded(state: ParentState) -> bytes:
    """Return the whole body of a state. Raises what `parts` raises."""
    return b"".join(parts(state))


def decoded(body: bytes, version: int) -> ParentState:
    """Return the state whose body this is. It holds at a version of a stream that is known to reach so far.

    Raises:
        StoreDamagedError: it is no such body, or what it says can be no state at that version.
    """
    form, texts = _form(), _unpacked(body, version)
    try:
        head = next(texts, b"")
        plain = form.plain.model_validate_json(head)
        state = ParentState(**{name: getattr(plain, name) for name in form.plain.model_fields})
        left: dict[str, dict[Any, Any]] = {table.name: {} for table in form.tables}
        for data in texts:
            _take(form, left, data, version)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_context=False, include_input=False)
        raise StoreDamagedError(f"it is unreadable: {first['msg']}") from None  # the error holds all that was read
    except ValueError as error:
        raise StoreDamagedError(f"it is unreadable: {error}") from error
    state = state.replace(**{name: type(getattr(state, name))(rows) for name, rows in left.items()})
    state = state.replace(order=Order(list(left["children"])))
    flaw = f"it says that it is of version {state.version}" if state.version != version else flaw_of(state)
    if flaw is not None:
        raise StoreDamagedError(f"it can be no state of the run: {flaw}")
    return state


def difference(one: ParentState, other: ParentState) -> str | None:
    """Return the name of the first field in which two states differ; None where they are the same."""
    tables = {*_DERIVED, *(form.name for form in _form().tables)}
    for field in fields(ParentState):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if list(mine.items()) != list(theirs.items()) if field.name in tables else mine != theirs:
            return field.name
    return None


@cache
def code_version() -> str:
    """Return what tells states of this code from those of other code: the version, and the fields and their types."""
    text = "\n".join(_described(ParentState, set()))
    return f"{STATE_VERSION}:{sha256(text.encode()).hexdigest()[:32]}"


# Writing and reading


def _texts(form: _Form, plain: BaseModel, state: ParentState) -> Iterator[bytes]:
    """Yield the JSON of all parts."""
    yield _within(plain.model_dump_json().encode())
    for number, table in enumerate(form.tables):
        items = getattr(state, table.name).items()
        while rows := list(islice(items, ROWS_MAX)):
            yield from _table_texts(number, table, rows)


def _table_texts(number: int, table: _TableForm, rows: list[tuple[Any, Any]]) -> Iterator[bytes]:
    """Yield rows of a table: in one part, or in several where they are large."""
    data = b"%d:" % number + table.dump(rows)
    if len(data) > PART_BYTES_MAX and len(rows) > 1:
        middle = len(rows) // 2
        yield from _table_texts(number, table, rows[:middle])
        yield from _table_texts(number, table, rows[middle:])
    else:
        yield _within(data)


def _within(data: bytes) -> bytes:
    if len(data) > PART_BYTES_MAX:
        raise LimitExceededError(f"a part of a snapshot would have {len(data)} bytes, more than {PART_BYTES_MAX}")
    return data


def _unpacked(body: bytes, version: int) -> Iterator[bytes]:
    """Yield the JSON of all parts, never more of it than there may be."""
    place, left = 0, _budget(version)
    while place < len(body):
        start = place + _LENGTH_BYTES
        place = start + int.from_bytes(body[place:start], "big")
        if place > len(body):
            raise StoreDamagedError("it is cut short")
        unpacking = zlib.decompressobj()
        most = min(PART_BYTES_MAX, left)
        try:
            data = unpacking.decompress(body[start:place], most + 1)
        except zlib.error as error:
            raise StoreDamagedError(f"it is unreadable: {error}") from error
        if len(data) > most or not unpacking.eof or unpacking.unused_data:
            raise StoreDamagedError("it is larger, or shorter, than it may be")
        left -= len(data)
        yield data


def _take(form: _Form, tables: dict[str, dict[Any, Any]], data: bytes, version: int) -> None:
    """Take a part of a table. Raises ValueError where it is none, or has a row that is there already."""
    number, colon, lists = data.partition(b":")
    if not colon or len(number) > 2 or not number.isdigit() or int(number) >= len(form.tables):
        raise ValueError("a part is of no table")
    table = form.tables[int(number)]
    rows, known = table.load(lists), tables[table.name]
    before = len(known)
    known.update(rows)
    if len(known) != before + len(rows) or len(known) > version:
        raise ValueError(f"{table.name} has a row twice, or too many of them")


def _budget(version: int) -> int:
    """Return how many bytes of JSON the state of a stream of so many events may have."""
    return min(BODY_BYTES_MAX, _BASE_BYTES + _EVENT_BYTES * version)


# From the fields of a state to how they are written


@cache
def _form() -> _Form:
    """Return how a state of this code is written.

    Raises:
        TypeError: a field is of a type that cannot be. Names the field.
    """
    hints = get_type_hints(ParentState, include_extras=True)
    names = [field.name for field in fields(ParentState) if field.name not in _DERIVED]
    plain: dict[str, Any] = {}
    tables: list[_TableForm] = []
    for name in names:
        hint = hints[name]
        if get_origin(hint) is Table:
            tables.append(_table_form(name, *get_args(hint)))
        else:
            plain[name] = (_checked(hint, name), ...)
    return _Form(create_model("Plain", __config__=_STRICT, **plain), tuple(tables))


def _table_form(name: str, key: Any, value: Any) -> _TableForm:
    keys, values = _shape(key, name), _shape(value, name)
    lists = tuple(Annotated[GenericAlias(list, hint), FailFast()] for hint in (*keys.hints, *values.hints))
    whole: Any = Annotated[GenericAlias(tuple, lists), FailFast()]  # the first flaw is enough: there may be a million
    return _TableForm(name, keys, values, TypeAdapter(whole, config=_STRICT))


def _shape(hint: Any, name: str) -> _Shape:
    if _is_named_tuple(hint):
        members = get_type_hints(hint, include_extras=True)
        return _Shape(tuple(_checked(each, name) for each in members.values()), partial(tuple.__new__, hint))
    if get_origin(hint) is tuple:
        return _Shape(tuple(_checked(each, name) for each in get_args(hint)), tuple)
    return _Shape((_checked(hint, name),), None)


def _checked(hint: Any, name: str) -> Any:
    """Return a type that allows no more than a state can hold. Raises TypeError for a type that is not known here."""
    if hint is int:
        return _INT
    if hint is float:
        return _FLOAT
    if hint in (str, bool, NoneType) or get_origin(hint) is Literal:
        return hint
    if isinstance(hint, type) and (issubclass(hint, BaseModel) or _is_named_tuple(hint)):
        return hint
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(_checked(each, name) for each in get_args(hint))]  # noqa: UP007 - made of what is found
    raise TypeError(f"field {name} of a parent's state is of type {hint!r}, which a snapshot cannot hold yet")


def _is_named_tuple(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


def _described(owner: type, known: set[type]) -> Iterator[str]:
    """Yield a line for each field of a class, and of each class of ours that is meant by one of them."""
    known.add(owner)
    hints = get_type_hints(owner, include_extras=True)
    names = owner.model_fields if issubclass(owner, BaseModel) else hints
    meant: list[type] = []
    for name in names:
        yield f"{owner.__name__}.{name}: {hints[name]!r}"
        meant += _classes(hints[name])
    for each in meant:
        if each not in known:
            yield from _described(each, known)


def _classes(hint: Any) -> Iterator[type]:
    """Yield the classes of ours that a type mentions."""
    if isinstance(hint, type) and (issubclass(hint, BaseModel) or _is_named_tuple(hint)):
        yield hint
    for each in get_args(hint):
        yield from _classes(each)
