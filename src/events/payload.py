"""User data as one opaque JSON text: encoded strictly, so that what is read back is what was given.

Python's own encoder quietly turns NaN into something that is not JSON and integer keys into strings. Here such
values are refused, with the place where they stand.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, Final

from events.errors import InvalidPayloadError, LimitExceededError

_INTEGER_DIGITS_MAX: Final = 4_000  # Python refuses to read back integers of more than 4,300 digits
_DEPTH_MAX: Final = 200
_SMALL: Final = {None: "null", True: "true", False: "false"}

Json = Any
"""A value made of dicts with string keys, lists, strings, integers, finite floats, booleans and None."""


def encode_payload(value: Json, *, what: str, bytes_max: int) -> str:
    """Return `value` as JSON text (ASCII, so that even lone surrogates survive).

    Tuples become lists. `what` names the value in errors ("output of child 'a'").

    Raises:
        InvalidPayloadError: something in the value is not JSON; the message says where.
        LimitExceededError: the text would be longer than `bytes_max` bytes (limit `payload_bytes_max`).
    """
    if value is None or value is True or value is False:
        return _SMALL[value]
    _check(value, what, "", 0)
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    if len(text) > bytes_max:
        raise LimitExceededError(
            f"{what} has {len(text):,} bytes as JSON, more than the limit payload_bytes_max of {bytes_max:,}"
        )
    return text


def decode_payload(text: str) -> Json:
    """Return the value of a JSON text that `encode_payload` made."""
    return json.loads(text)


def _check(value: Json, what: str, path: str, depth: int) -> None:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if value.bit_length() > _INTEGER_DIGITS_MAX * 3:
            raise InvalidPayloadError(f"{what}{_at(path)} is an integer of more than {_INTEGER_DIGITS_MAX} digits")
        return
    if kind is float:
        if not isfinite(value):
            raise InvalidPayloadError(f"{what}{_at(path)} is {value}, which JSON cannot hold")
        return
    if depth >= _DEPTH_MAX:
        raise InvalidPayloadError(f"{what} is nested more than {_DEPTH_MAX} levels deep")
    if isinstance(value, dict) and kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise InvalidPayloadError(f"{what}{_at(path)} has the key {key!r}; JSON keys are strings")
            _check(item, what, f"{path}.{key}", depth + 1)
    elif kind is list or kind is tuple:
        for index, item in enumerate(value):
            _check(item, what, f"{path}[{index}]", depth + 1)
    else:
        raise InvalidPayloadError(f"{what}{_at(path)} is of type {kind.__qualname__}, which JSON cannot hold")


def _check_number(value: float, where: str) -> None:
    if isinstance(value, int):
        if value.bit_length() > _INTEGER_DIGITS_MAX * 3:
            raise InvalidPayloadError(f"{where} is an integer of more than {_INTEGER_DIGITS_MAX} digits")
    elif not isfinite(value):
        raise InvalidPayloadError(f"{where} is {value}, which JSON cannot hold")


def _at(path: str) -> str:
    return f" at {path.lstrip('.')}" if path else ""
