"""Secrets that a child's input names: read just before it runs, and taken out of what it says again.

On record stands the name alone, `env:API_TOKEN` or `file:/run/secrets/token`; the child's limits say at which places of
its input names of secrets stand.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from typing import Any, Final

from events.payload import Json, decode_payload

_ENV: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_FILE: Final = re.compile(r"file:(/[^\0]+)")
_BYTES_MAX: Final = 65_536
_SCRUBBED_CHARS_MIN: Final = 4
"""Shorter values are left where they stand: they stand in everything."""
_IN_ITS_PLACE: Final = "***"


class SecretNotFoundError(Exception):
    """A secret cannot be read in this process. The message names it, and never shows it."""


def check_name(name: str) -> str | None:
    """Return what is wrong with the name of a secret; None where nothing is."""
    if _ENV.fullmatch(name) or _FILE.fullmatch(name):
        return None
    return f"a secret is named env:NAME or file:/absolute/path, not {name[:100]!r}"


def pointer(path: Sequence[str | int]) -> str:
    """Return a path into a JSON value as a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def revealed(text: str, places: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return an input (JSON text) with the values of its secrets in place of their names, and those values.

    Raises:
        SecretNotFoundError: one cannot be read here, or there is no name where one should be.
    """
    whole = [decode_payload(text)]
    values: list[str] = []
    for place in places:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in place.split("/")[1:]]
        holder: Any = whole
        key: Any = 0
        for part in parts:
            holder, key = _inside(holder, key, place), part
        name = _inside(holder, key, place)
        if isinstance(holder, list):
            key = int(key)
        value = holder[key] = _value(name, place)
        values.append(value)
    return json.dumps(whole[0], separators=(",", ":")), tuple(values)


def _inside(holder: Any, key: Any, place: str) -> Any:
    """Return what lies in a list or a dict."""
    try:
        return holder[int(key) if isinstance(holder, list) else key]
    except (LookupError, TypeError, ValueError):
        raise SecretNotFoundError(f"the input has no place {place!r}, where a secret should be") from None


def _value(name: object, place: str) -> str:
    if not isinstance(name, str):
        raise SecretNotFoundError(f"at {place!r} of the input stands no name of a secret")
    if found := _ENV.fullmatch(name):
        value = os.environ.get(found[1])
        if value is None:
            raise SecretNotFoundError(f"secret {name}: there is no such variable in the environment of this process")
        return value
    if found := _FILE.fullmatch(name):
        return _content(name, found[1])
    raise SecretNotFoundError(str(check_name(name)))


def _content(name: str, path: str) -> str:
    """Return what a file holds, without the line break at its end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            data = os.read(descriptor, _BYTES_MAX + 1) if is_file else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SecretNotFoundError(f"secret {name}: {error.strerror or error}") from None
    if not is_file:
        raise SecretNotFoundError(f"secret {name}: it is no plain file")
    if len(data) > _BYTES_MAX:
        raise SecretNotFoundError(f"secret {name}: the file has more than {_BYTES_MAX:,} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise SecretNotFoundError(f"secret {name}: the file is no text in UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")


def scrubbed(text: str, values: Sequence[str]) -> str:
    """Return a text with `***` wherever one of these values stands in it; those that are too short are left."""
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _SCRUBBED_CHARS_MIN:
            text = text.replace(value, _IN_ITS_PLACE)
    return text


def scrubbed_json(text: str, values: Sequence[str]) -> str:
    """Return a JSON text with `***` wherever one of these values stands in one of its texts, keys among them."""
    value = decode_payload(text)
    clean = _scrubbed(value, values)
    return text if clean == value else json.dumps(clean, separators=(",", ":"))


def _scrubbed(value: Json, values: Sequence[str]) -> Json:
    if isinstance(value, str):
        return scrubbed(value, values)
    if isinstance(value, list):
        return [_scrubbed(each, values) for each in value]
    if isinstance(value, dict):
        return dict(_items(value, values))
    return value


def _items(value: dict[str, Json], values: Sequence[str]) -> Iterator[tuple[str, Json]]:
    for key, each in value.items():
        yield scrubbed(key, values), _scrubbed(each, values)
