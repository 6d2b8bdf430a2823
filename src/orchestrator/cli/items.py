"""The items of `map`: after `:::`, or one per line on standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import islice
from typing import Final

from events.errors import LimitExceededError, UsageError
from events.limits import DEFAULT_LIMITS

_MARK: Final = ":::"
_OTHERS: Final = ("::::", ":::+", "::::+")
"""What GNU parallel knows besides, and we do not."""


def split_words(words: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """Return what stands before `:::` and the items after it, None where there is no `:::`.

    Raises:
        UsageError: there is a second one, or one of GNU parallel's other marks.
    """
    for other in _OTHERS:
        if other in words:
            raise UsageError(f"{other} is not known here: give items after ::: or one per line on standard input")
    if _MARK not in words:
        return list(words), None
    at = words.index(_MARK)
    if _MARK in words[at + 1 :]:
        raise UsageError("there is a second ::: and only one list of items is known: give items on standard input")
    return list(words[:at]), list(words[at + 1 :])


def read_items(items: Sequence[str] | None) -> list[str]:
    """Return the items given, or those on standard input.

    Raises:
        UsageError: there are none because standard input is a terminal, or it cannot be read.
        LimitExceededError: there are more than a run can have children; the rest is not read.
    """
    if items is not None:
        return list(items)
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("no items: give them after ::: or one per line on standard input")
    from orchestrator.templates import split_items

    most = DEFAULT_LIMITS.children_max
    try:
        found = list(islice(split_items(sys.stdin.buffer), most + 1))
    except OSError as error:
        raise UsageError(f"standard input cannot be read: {error.strerror or error}") from None
    if len(found) > most:
        raise LimitExceededError(f"standard input has more items than the limit children_max of {most:,}")
    return found
