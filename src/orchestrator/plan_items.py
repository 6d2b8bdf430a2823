"""The items of a collection: a list, a range, or the lines, JSON values or rows of a file or of standard input."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, NoReturn

from events.errors import InvalidPlanError, UsageError
from events.limits import Limits
from events.payload import Json
from orchestrator.plan_fields import Field
from orchestrator.plan_source import check_regular, label, quoted, refusal
from orchestrator.plan_spelling import WHOLE_MAX
from orchestrator.plan_yaml import Items, Mapping, Scalar
from orchestrator.streams import STANDARD_INPUT, StandardInput, numbered_lines

LISTED_MAX: Final = 10_000
"""The longest range whose children are all made at once; those of a longer one are made as they are needed."""
_KINDS: Final = ("range", "lines", "jsonl", "csv", "stdin")
_FORMATS: Final = ("lines", "jsonl", "csv")


class Item(NamedTuple):
    """An item, and the place to name where it does not fit."""

    place: Field
    value: Json


@dataclass(frozen=True, slots=True)
class ItemSource:
    """Where items come from; `read` reads them anew."""

    read: Callable[[], Iterator[Item]]
    listed: bool
    """Whether all of them are known, so that children are made of them at once."""
    reading: StandardInput | None = None
    """Standard input, where they come from there."""


def read_source(place: Field, limits: Limits) -> ItemSource:
    """Return the items of the key `items`. Raises InvalidPlanError, also where a file that is named is no file."""
    if isinstance(place.node, Items):
        if not place.node.nodes:
            raise place.refuse("has no items")
        return ItemSource(lambda: (Item(item, item.json()) for item in place.items()), listed=True)
    if not isinstance(place.node, Mapping):
        raise place.refuse("expected a list, or one of range, lines, jsonl, csv, stdin with where items come from")
    fields = place.known_fields((*_KINDS, "delimiter"))
    kinds = [kind for kind in _KINDS if kind in fields]
    if len(kinds) != 1:
        raise place.refuse(f"needs one of {', '.join(_KINDS)}" + (f", not {' and '.join(kinds)}" if kinds else ""))
    kind = kinds[0]
    if kind == "range":
        _refuse_delimiter(fields, kind)
        return _range(fields[kind])
    text = fields[kind].choice(_FORMATS) if kind == "stdin" else fields[kind].text()
    form = text if kind == "stdin" else kind
    if form != "csv":
        _refuse_delimiter(fields, form)
    reader = _Reader(form, _delimiter(fields.get("delimiter")), limits)
    if kind == "stdin" or text == "-":
        standard_input = StandardInput()
        return ItemSource(lambda: reader.items(standard_input, STANDARD_INPUT), listed=False, reading=standard_input)
    return _file(fields[kind], text, reader)


def _refuse_delimiter(fields: dict[str, Field], kind: str) -> None:
    if "delimiter" in fields:
        raise fields["delimiter"].refuse(f"goes with csv, not with {kind}")


def _delimiter(place: Field | None) -> str:
    if place is None:
        return ","
    text = place.text()
    if len(text) != 1 or text in '"\r\n\0' or not text.isascii():
        raise place.refuse(f'expected one character, such as ; or "\\t", not {quoted(text)}')
    return text


def _range(place: Field) -> ItemSource:
    """Return whole numbers: those below one, or from one to below another, or so with steps."""
    if isinstance(place.node, Items):
        numbers = [item.whole(-WHOLE_MAX) for item in place.items()]
        if not 1 <= len(numbers) <= 3:
            raise place.refuse("expected a number, or a list of start, stop and step")
        if len(numbers) == 3 and numbers[2] == 0:
            raise place.items()[2].refuse("a step cannot be 0")
    else:
        numbers = [place.whole(0)]
    found = range(*numbers)
    if not found:
        raise place.refuse("has no items")
    return ItemSource(
        lambda: (Item(place, number) for number in found), listed=len(found[: LISTED_MAX + 1]) <= LISTED_MAX
    )


def _file(place: Field, text: str, reader: _Reader) -> ItemSource:
    """Return the items of a file, whose name is relative to the plan's own."""
    if not text or "\0" in text:
        raise place.refuse(f"{quoted(text)} names no file")
    path = Path(place.file).parent / text
    name = label(path)
    with _opened(place, path, name):
        pass

    def read() -> Iterator[Item]:
        with _opened(place, path, name) as stream:
            yield from reader.items(stream, name)

    return ItemSource(read, listed=False)


@contextmanager
def _opened(place: Field, path: Path, name: str) -> Iterator[BinaryIO]:
    try:
        # Without O_NONBLOCK, a pipe would keep us until somebody writes to it.
        with open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as stream:
            place.sound(partial(check_regular, name, os.fstat(stream.fileno()), None, "a file with items"))
            yield stream
    except IsADirectoryError:
        raise place.refuse(f"{name}: is a folder, not a file with items") from None
    except OSError as error:
        raise place.refuse(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from None


class _Reader:
    """Reads items of one form."""

    def __init__(self, form: str, delimiter: str, limits: Limits) -> None:
        self._items: Final = {"lines": self._lines, "jsonl": self._values, "csv": self._rows}[form]
        self._delimiter: Final = delimiter
        self._limits: Final = limits

    def items(self, stream: BinaryIO | StandardInput, name: str) -> Iterator[Item]:
        """Yield the items of a stream that is called so in messages. Raises InvalidPlanError."""
        buffered = io.BufferedReader(stream) if isinstance(stream, StandardInput) else stream
        lines = numbered_lines(buffered, self._limits.item_bytes_max)
        try:
            yield from self._items(lines, name)
        except InvalidPlanError:
            raise
        except UsageError as error:
            raise refusal(name, None, "", str(error)) from None
        finally:
            if isinstance(stream, StandardInput):
                stream.close()

    def _lines(self, lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[Item]:
        for number, line in lines:
            if b"\0" in line:
                raise refusal(name, number, "", "contains a NUL character: give one item a line")
            yield Item(_place(name, number), os.fsdecode(line))

    def _values(self, lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[Item]:
        for number, line in lines:
            text = _text(line, name, number)
            if text.strip():
                yield Item(_place(name, number), _json(text, name, number))

    def _rows(self, lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[Item]:
        rows = csv.reader(
            (f"{_text(line, name, number)}\n" for number, line in lines), delimiter=self._delimiter, strict=True
        )
        header: list[str] | None = None
        number = 1
        try:
            for row in rows:
                if header is None:
                    header = _header(row, name)
                elif row and len(row) != len(header):
                    values = f"{len(row):,} value{'' if len(row) == 1 else 's'}"
                    why = f"has {values}, the header has {len(header):,}"
                    raise refusal(name, number, "", why)
                elif row:
                    yield Item(_place(name, number), dict(zip(header, row, strict=True)))
                number = rows.line_num + 1
        except csv.Error as error:
            raise refusal(name, rows.line_num, "", f"is not valid CSV: {error}") from None


def _header(row: list[str], name: str) -> list[str]:
    for column, text in enumerate(row, 1):
        if not text.strip():
            raise refusal(name, 1, "", f"is no header: column {column} has no name")
        if text in row[: column - 1]:
            raise refusal(name, 1, "", f"is no header: two columns are named {quoted(text)}")
    if not row:
        raise refusal(name, 1, "", "is no header: it is empty")
    return row


def _place(name: str, number: int) -> Field:
    return Field(name, number, "", Scalar(number, "", "str", plain=False))


def _text(line: bytes, name: str, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise refusal(name, number, "", f"is not UTF-8 text (byte {error.start + 1:,} of the line)") from None


def _json(text: str, name: str, number: int) -> Json:
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except OverflowError as error:
        raise refusal(name, number, "", str(error)) from None
    except RecursionError:
        raise refusal(name, number, "", "is nested too deep") from None
    except json.JSONDecodeError as error:
        raise refusal(name, number, "", f"is not valid JSON: {error.msg} (character {error.pos + 1:,})") from None
    except ValueError as error:  # a number of too many digits, or one that is none
        raise refusal(name, number, "", f"is not valid JSON: {error}") from None


def _finite(text: str) -> float:
    """Return a number. Raises OverflowError for one that Python would take for infinity."""
    value = float(text)
    if not isfinite(value):
        raise OverflowError(f"holds {text[:40]}, which is too large for a number")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
