"""User data as one opaque JSON text: encoded strictly, so that what is read back is what was given.

Python's own encoder quietly turns NaN into something that is not JSON and integer keys into strings. Here such
values are refused, with the place where they stand.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from math import isfinite
from typing import Any, Final

from events.errors import InvalidPayloadError, LimitExceededError, StoreDamagedError
from events.text_forms import require_open

_INTEGER_DIGITS_MAX: Final = 4_000  # Python refuses to read back integers of more than 4,300 digits
_INTEGER_MAX: Final = 10**_INTEGER_DIGITS_MAX - 1
_SPLIT_CHARACTER: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
"""Two surrogates that JSON would read back as one character."""
DEPTH_MAX: Final = 200
"""How deep a value may be nested."""
_VALUES_MAX: Final = 67_108_864
_ENCODE: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_DECODE: Final = json.JSONDecoder().raw_decode
_SMALL: Final = {None: "null", True: "true", False: "false"}

_LARGE: Final = 64
"""Containers of so many values are remembered while a value is checked."""

Seen = dict[int, tuple[int, int]]
"""Of containers that were checked, by identity: how deep they lay, and how many values they hold."""

Json = Any
"""A value made of dicts with string keys, lists, strings, integers, finite floats, booleans and None."""


def encode_payload(value: Json, *, what: str, bytes_max: int, limit: str = "payload_bytes_max") -> str:
    """Return `value` as JSON text (ASCII, so that even lone surrogates survive).

    Tuples become lists. `what` names the value in errors ("output of child 'a'"), `limit` that which is exceeded.

    Raises:
        InvalidPayloadError: something in the value is not JSON; the message says where.
        LimitExceededError: the text would be longer than `bytes_max` bytes (a limit of this name).
    """
    if value is None or value is True or value is False:
        return _SMALL[value]
    if _check(value, what, "", 0, bytes_max, {}) < 0:
        raise LimitExceededError(f"{what} has more values than fit into the limit {limit} of {bytes_max:,} bytes")
    text = _ENCODE(value)
    if len(text) > bytes_max:
        raise LimitExceededError(
            f"{what} has {len(text):,} bytes as JSON, more than the limit {limit} of {bytes_max:,}"
        )
    return text


def check_json(value: Json, *, what: str) -> None:
    """Refuse what is not JSON, or has more values than any payload.

    Raises:
        InvalidPayloadError: something in the value is not JSON; the message says where.
        LimitExceededError: it has too many values.
    """
    if _check(value, what, "", 0, _VALUES_MAX, {}) < 0:
        raise LimitExceededError(f"{what} has more than {_VALUES_MAX:,} values")


def decode_payload(text: str) -> Json:
    """Return the value of a JSON text that `encode_payload` made.

    Raises:
        KeyNotFoundError, RedactedError: the text is encrypted and cannot be read here.
        StoreDamagedError: it is any other text.
    """
    try:
        with suppress(ValueError):
            value, end = _DECODE(text)  # in half of the time, for it looks for no blanks around the value
            if end == len(text):
                return value
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        require_open(text)
        raise StoreDamagedError(f"an input, output or error on record is no JSON: {error}") from None


def _check(value: Json, what: str, path: str, depth: int, left: int, seen: Seen) -> int:
    """Check a value; return how many more may follow: each takes a byte at least, and the same one may come often.

    What is large and came before, no deeper than now, is not looked at again.
    """
    left -= 1
    kind = type(value)
    if kind is str:
        _check_text(value, what, path)
    elif kind is int or kind is float:
        _check_number(value, what, path)
    elif kind is dict or kind is list or kind is tuple:
        if depth >= DEPTH_MAX:
            raise InvalidPayloadError(f"{what} is nested more than {DEPTH_MAX} levels deep")
        if len(value) > left:
            return -1
        known = seen.get(id(value))
        if known is not None and depth <= known[0]:
            return left - known[1]
        before = left
        if isinstance(value, dict):
            _check_keys(value, what, path)
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if left < 0:
                return left
            left = _check(item, what, f"{path}.{key}" if kind is dict else f"{path}[{key}]", depth + 1, left, seen)
        if before - left >= _LARGE:
            seen[id(value)] = (depth, before - left)
    elif kind is not bool and value is not None:
        raise InvalidPayloadError(f"{what}{_at(path)} is of type {kind.__qualname__}, which JSON cannot hold")
    return left


def _check_keys(value: dict[Any, Json], what: str, path: str) -> None:
    for key in value:
        if type(key) is not str:
            name = type(key).__qualname__
            raise InvalidPayloadError(f"{what}{_at(path)} has a key of type {name}; JSON keys are strings")
        _check_text(key, what, path)


def _check_text(text: str, what: str, path: str) -> None:
    if not text.isascii() and _SPLIT_CHARACTER.search(text):
        raise InvalidPayloadError(f"{what}{_at(path)} has a text with one character as two surrogates")


def _check_number(value: float, what: str, path: str) -> None:
    if isinstance(value, int):
        if not -_INTEGER_MAX <= value <= _INTEGER_MAX:
            raise InvalidPayloadError(f"{what}{_at(path)} is an integer of more than {_INTEGER_DIGITS_MAX} digits")
    elif not isfinite(value):
        raise InvalidPayloadError(f"{what}{_at(path)} is {value}, which JSON cannot hold")


def _at(path: str) -> str:
    return f" at {path.lstrip('.')}" if path else ""
