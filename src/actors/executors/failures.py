"""What user code raised, as data."""

from __future__ import annotations

import json
from traceback import TracebackException
from typing import Final

_FRAMES_MAX: Final = 20
_CHARS_MAX: Final = 10_000
_NAME_OF: Final = vars(type)["__qualname__"].__get__
"""The name of a class, whatever its metaclass says."""


def failure(error_type: str, message: str, **details: object) -> str:
    """Return an error as JSON text: an object with `type`, `message` and whatever else is known."""
    return json.dumps({"type": error_type, "message": message[:_CHARS_MAX], **details})


def describe(error: BaseException) -> str:
    """Return an exception as JSON text: type, message, and the end of its traceback.

    Nothing the exception does to its own text can get in the way, and nothing of it is kept alive.
    """
    try:
        return _described(error)
    except BaseException:  # noqa: BLE001 - its text, its notes, its very name are code of its own, and may raise
        return failure(_NAME_OF(type(error)), "it raises when its text is asked for")


def _described(error: BaseException) -> str:
    summary = TracebackException(type(error), error, error.__traceback__, limit=-_FRAMES_MAX, compact=True)
    last = list(summary.format_exception_only())[-1].strip()
    name = type(error).__qualname__
    message = last.removeprefix(f"{type(error).__module__}.").removeprefix(name).removeprefix(": ")
    trace = "".join(summary.format())
    return failure(name, message, traceback=trace[-_CHARS_MAX:])
