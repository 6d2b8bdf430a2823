"""What callers hand in, looked at before anything is done with it: of the right kind, or one clear error.

A value that does not fit may be anything, so nothing of its own is called here, not even its `repr`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from events.errors import UsageError

CALL_SECONDS: Final = 60.0
"""How long a call waits for the store when no timeout is given."""
_CHILD_SECONDS: Final = 0.001
"""How much longer for each child that it puts on record: some fifty times what one takes on a fast machine."""

USUAL: Final = "0 does not wait; leave it out for the usual time"
"""What a wait may be that there is a usual one for."""

_SHOWN_CHARS_MAX: Final = 60
_INTEGER_MAX: Final = 10**20


def shown_value(value: object) -> str:
    """Return a value as it is shown in an error: short, whatever it is."""
    kind = type(value)
    if kind is int:
        return repr(value) if isinstance(value, int) and abs(value) <= _INTEGER_MAX else "an integer of many digits"
    if value is None or kind is bool or kind is float:
        return repr(value)
    if kind is str or kind is bytes:
        text = repr(value[: _SHOWN_CHARS_MAX + 1]) if isinstance(value, str | bytes) else ""
        return text if len(text) <= _SHOWN_CHARS_MAX else text[: _SHOWN_CHARS_MAX - 3] + "..."
    return f"a value of type {kind.__qualname__}"


def text(value: object, what: str) -> str:
    """Return a text. Raises UsageError for anything else."""
    if not isinstance(value, str):
        raise UsageError(f"{what} is a text, not {shown_value(value)}")
    return value


def seconds(value: object, what: str = "timeout", why: str = USUAL) -> float:
    """Return how long to wait, at most as long as a wait can be: the one rule for all that callers say in seconds.

    `what` names the argument, behind the call that it was given to; `why` says what it may be.

    Raises:
        UsageError: it is no number, or below zero.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:  # NaN is not
        raise UsageError(f"{what} is a number of seconds from 0, not {shown_value(value)}: {why}")
    return float(min(value, threading.TIMEOUT_MAX))


def call_seconds(children: int) -> float:
    """Return how long a call waits for the store to take so many children, when no timeout is given."""
    return CALL_SECONDS + children * _CHILD_SECONDS


def one_of(value: object, what: str, words: Sequence[str]) -> None:
    """Refuse what is neither None nor one of some words. Raises UsageError, which says them."""
    if value is not None and (not isinstance(value, str) or value not in words):
        raise UsageError(f"{what} is one of {', '.join(words)}, not {shown_value(value)}")


def whole(value: object, what: str, most: int) -> int | None:
    """Return a whole number from 0, at most `most`; None stays None. Raises UsageError for anything else."""
    if value is None:
        return None
    if type(value) is not int or value < 0:
        raise UsageError(f"{what} is a whole number from 0, not {shown_value(value)}")
    return min(value, most)


def run_id(value: object) -> str:
    """Return a run's id. Raises UsageError for what no store can hold as a text."""
    found = text(value, "a run's id")
    if not found.isascii() and any("\ud800" <= each <= "\udfff" for each in found):
        raise UsageError(f"a run's id is valid Unicode text, not {shown_value(found)}")
    return found
