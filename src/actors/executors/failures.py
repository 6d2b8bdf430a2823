"""What user code raised, as data."""

from __future__ import annotations

import json
from traceback import TracebackException
from typing import Final

_FRAMES_MAX: Final = 20
_CHARS_MAX: Final = 10_000
_BASES_MAX: Final = 50
_NAME_OF: Final = vars(type)["__qualname__"].__get__
"""The name of a class, whatever its metaclass says."""
_BASES_OF: Final = vars(type)["__mro__"].__get__
"""A class and all that it is derived from, the nearest first, whatever its metaclass says."""


def failure(error_type: str, message: str, **details: object) -> str:
    """Return an error as JSON text: an object with `type`, `message` and whatever else is known."""
    return json.dumps({"type": error_type, "message": message[:_CHARS_MAX], **details})


def describe(error: BaseException) -> str:
    """Return an exception as JSON text: type, message, the types it is derived from, and the end of its traceback.

    Nothing the exception does to its own text can get in the way, and nothing of it is kept alive.
    """
    try:
        return _described(error)
    except BaseException:  # noqa: BLE001 - its text, its notes, its very name are code of its own, and may raise
        message = "it raises when its text is asked for"
        return failure(_NAME_OF(type(error)), message, bases=_bases(error))


def _described(error: BaseException) -> str:
    summary = TracebackException(type(error), error, error.__traceback__, limit=-_FRAMES_MAX, compact=True)
    last = list(summary.format_exception_only())[-1].strip()
    name = type(error).__qualname__
    message = last.removeprefix(f"{type(error).__module__}.").removeprefix(name).removeprefix(": ")
    trace = "".join(summary.format())
    return failure(name, message, bases=_bases(error), traceback=trace[-_CHARS_MAX:])


def _bases(error: BaseException) -> list[str]:
    """Return the names of the types that an exception's type is derived from, those that all are left out."""
    bases = _BASES_OF(type(error))[1:]
    return [_NAME_OF(base) for base in bases if base not in (BaseException, object)][:_BASES_MAX]
