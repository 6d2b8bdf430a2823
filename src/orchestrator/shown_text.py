"""Text from anywhere, made safe to be shown."""

from __future__ import annotations

import re
from typing import Final
from unicodedata import category

_MARKS_MAX: Final = 4
"""How many marks may stand on one character: more than any script needs."""
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef]"
)
"""What Unicode counts among letters and marks although nobody sees it: fillers, joiners, selectors of glyphs."""


def shown(text: str) -> str:
    r"""Return text that does nothing to a terminal but show: what cannot be printed is written as \n, \x1b, \udc80.

    So is what is printable by name but cannot be seen, and what is heaped on one character beyond all writing.
    """
    if text.isascii() and text.isprintable():
        return text
    safe = "".join(each if each.isprintable() else _escaped(each) for each in text)
    return _UNSEEN.sub(lambda found: _escaped(found[0]), _heaps_undone(safe))


def _escaped(text: str) -> str:
    return ascii(text)[1:-1]


def _heaps_undone(text: str) -> str:
    """Write out the marks that stand on one character beyond the first few."""
    if text.isascii():
        return text
    kept, marks = [], 0
    for each in text:
        marks = marks + 1 if category(each) in ("Mn", "Me") else 0
        kept.append(each if marks <= _MARKS_MAX else _escaped(each))
    return "".join(kept)


def many(number: int, noun: str) -> str:
    """Return `1 run`, `2 runs`, `1,000 runs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
