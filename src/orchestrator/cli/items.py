"""The items of `map` after `:::`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from events.errors import UsageError

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
