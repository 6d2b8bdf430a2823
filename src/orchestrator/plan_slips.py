"""Words in braces that were meant as the item and are not: misspelt, or padded with blanks.

Braces mean much to shells, `awk`, `jq` and format strings, so only what is all but the item's own name is refused.
All else in braces is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from orchestrator.plan_fields import Field
from orchestrator.plan_source import quoted
from orchestrator.plan_yaml import Items, Mapping, Scalar
from orchestrator.shell_text import PLACEHOLDERS

_LETTERS_MIN: Final = 3
"""Between shorter names a letter more or less tells two things apart."""
_BRACES: Final = re.compile(
    r"""(?<![$\\%{]) \{ (?P<double>\{)? (?P<before>[ \t]*)
        (?P<word>[A-Za-z_][A-Za-z0-9_-]*) (?P<part>(?:[.\[][^{}]*?)?)
        (?P<after>[ \t]*) \} (?(double)\}?)""",
    re.VERBOSE,
)
"""A word in braces, with what may follow it; not `${word}`, `%{word}` and `\\{word}`."""


def refuse_slips(place: Field, item_var: str) -> None:
    """Refuse a text, or one somewhere within a value, that all but names the item. Raises InvalidPlanError."""
    for where, text in _texts(place):
        for found in _BRACES.finditer(text):
            if _slipped(found, item_var):
                meant = f"{{{item_var}{found['part']}}}"
                raise where.refuse(f"unknown placeholder {quoted(found[0])}, did you mean {meant}? {_known(item_var)}")


def _slipped(found: re.Match[str], item_var: str) -> bool:
    word = found["word"]
    if word == item_var:
        return bool(found["before"] or found["after"])
    return _is_near(word, item_var)


def _known(item_var: str) -> str:
    *others, last = PLACEHOLDERS
    return (
        f"Known are {{{item_var}}}, parts of it such as {{{item_var}.name}} and {{{item_var}[0]}}, and in a command "
        f"{', '.join(others)} and {last}; where the braces are meant as they stand, give the item another item_var"
    )


def _is_near(word: str, name: str) -> bool:
    """Whether a word is a name but for case, hyphens, or one letter: missing, too many, another one, or swapped."""
    one, other = (each.casefold().replace("-", "_") for each in (word, name))
    if one == other:
        return True
    if len(name) < _LETTERS_MIN:
        return False
    at = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    if at is None:
        return abs(len(one) - len(other)) == 1
    return (
        one[at + 1 :] == other[at + 1 :]
        or one[at:] == other[at + 1 :]
        or one[at + 1 :] == other[at:]
        or (one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :])
    )


def _texts(place: Field) -> Iterator[tuple[Field, str]]:
    if isinstance(place.node, Scalar):
        if place.node.kind == "str":
            yield place, place.node.text
    elif isinstance(place.node, Items):
        for inner in place.items():
            yield from _texts(inner)
    elif isinstance(place.node, Mapping):
        for inner in place.fields().values():
            yield from _texts(inner)
