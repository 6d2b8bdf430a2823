"""What pydantic found that does not fit, in plain words: `must be a whole number`, `must be at least 1`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

Details = Mapping[str, object]
"""What pydantic says of one error."""
_KINDS: Final = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text",
    "bool_type": "True or False",
    "dict_type": "a dict",
    "list_type": "a list",
    "tuple_type": "a tuple",
}
_BOUNDS: Final = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
_CLASSES: Final = {"model_type": "class_name", "dataclass_type": "class_name", "is_instance_of": "class"}
_MUST: Final = re.compile(r"^(?:Input|String|List|Tuple|Set|Dictionary|Value|Data) should (?:be an? valid |be valid )?")
_TAG: Final = re.compile(r"(?:function-|is-instance|literal\[|constrained-|nullable)|(?:int|float|str|bool)$|[A-Z]")
"""What pydantic puts into the place of an error to tell the members of a union apart. No field is named so."""


def misfit(error: ValidationError) -> tuple[str, str, Details]:
    """Return the first thing that does not fit: its place, why it does not, and what pydantic itself says of it.

    Of a union every member's reason is told, but those of other types where one member has the right type.
    """
    found = error.errors(include_url=False)
    first = found[0]
    place = _place(first)
    same = [each for each in found if _place(each) == place]
    closer = [each for each in same if not _is_of_another_type(each)] or same
    wanted = [_wanted(each) for each in closer]
    if len(closer) > 1 and all(wanted):
        return place, f"must be {', or '.join(dict.fromkeys(filter(None, wanted)))}", first
    return place, plain(closer[0]), closer[0]


def plain(details: Details) -> str:
    """Return the reason of one error."""
    wanted = _wanted(details)
    if wanted is not None:
        return f"must be {wanted}"
    if details["type"] == "missing":
        return "is missing"
    said = str(details["msg"]).removeprefix("Value error, ")
    fits = _MUST.match(said)
    if fits is None:
        return said
    rest = said[fits.end() :]
    if "valid" not in fits[0]:
        return f"must {rest}"
    return f"must be {_with_article(rest)}"


def _place(details: Details) -> str:
    location: Any = details["loc"]
    named = len(location) - 1 if details["type"] == "extra_forbidden" else None
    kept = (each for at, each in enumerate(location) if at == named or isinstance(each, int) or not _TAG.match(each))
    return ".".join(map(str, kept))


def _is_of_another_type(details: Details) -> bool:
    kind = details["type"]
    return kind in _KINDS or kind in _CLASSES or kind == "literal_error"


def _wanted(details: Details) -> str | None:
    """Return what the value must be, where these are words of ours."""
    kind = str(details["type"])
    context: Any = details.get("ctx", {})
    if kind in _KINDS:
        return _KINDS[kind]
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        bound = context[name]
        return f"{words} {bound:g}" if isinstance(bound, float) else f"{words} {bound}"
    if kind in _CLASSES:
        return _with_article(context[_CLASSES[kind]])
    return str(context["expected"]) if kind == "literal_error" else None


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"
