"""One value of a plan, with its place: what it must be, and one clear line where it is something else."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final, TypeVar

from events.errors import InvalidPlanError, UsageError
from events.payload import Json
from orchestrator.durations import parse_duration
from orchestrator.plan_source import close_match, join, quoted, refusal
from orchestrator.plan_spelling import WHOLE_MAX
from orchestrator.plan_yaml import Items, Node, Scalar
from orchestrator.plan_yaml import Mapping as MappingNode

R = TypeVar("R")

_WHOLE: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][+-][0-9]+)?")
_NEWER_NUMBER: Final = re.compile(r"[+-]?(?:\.[0-9]+|[0-9]+\.?[0-9]*)(?:[eE][+-]?[0-9]+)?|0o[0-7]+|[+-]?\.(?:inf|nan)")
"""What YAML 1.2 takes for a number; some of it is text to YAML 1.1."""
_ENDLESS: Final = re.compile(r"[+-]?\.(?:inf|nan)", re.IGNORECASE)
_CONSTANTS: Final[dict[str, Json]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
_KINDS: Final = {"bool": "true or false", "int": "a number", "float": "a number", "timestamp": "a date"}


@dataclass(frozen=True, slots=True)
class Field:
    """A value, where it stands (file, line) and what it is called there (`tasks[3].id`)."""

    file: str
    line: int
    key: str
    node: Node

    def refuse(self, why: str) -> InvalidPlanError:
        """Return the error that this value does not fit."""
        return refusal(self.file, self.line, self.key, why)

    def sound(self, check: Callable[[], R]) -> R:
        """Return what `check` returns; a UsageError of its becomes one that names this place."""
        try:
            return check()
        except UsageError as error:
            raise self.refuse(str(error).removeprefix(f"{self.key}: ")) from None

    # -- scalars

    def text(self) -> str:
        """Return a text. What YAML reads as something else must stand in quotes."""
        scalar = self._scalar("text")
        if scalar.kind != "str":
            raise self._misread(scalar)
        return scalar.text

    def choice(self, known: Iterable[str]) -> str:
        """Return one of the known words."""
        text, words = self.text(), list(known)
        if text not in words:
            near = close_match(text, words)
            hint = f"did you mean {near}?" if near else f"expected one of {', '.join(words)}"
            raise self.refuse(f"unknown value {quoted(text)}, {hint}")
        return text

    def whole(self, least: int) -> int:
        """Return a whole number of at least `least`."""
        scalar = self._scalar("a whole number")
        number = self._number(scalar)
        if scalar.kind == "int" and number is None:
            raise self._misread(scalar)
        if not isinstance(number, int) or not least <= number <= WHOLE_MAX:
            shown = quoted(scalar.text) if scalar.kind == "str" else scalar.text[:40]
            raise self.refuse(f"expected a whole number of at least {least}, not {shown}")
        return number

    def seconds(self) -> float:
        """Return a duration in seconds."""
        scalar = self._scalar("a duration")
        if scalar.kind == "str":
            return self.sound(lambda: parse_duration(scalar.text))
        number = self._number(scalar)
        if number is None:
            if _ENDLESS.fullmatch(scalar.text):
                raise self._misread(scalar, "expected a positive time, such as 10s")
            raise self._misread(scalar)
        return self.sound(lambda: parse_duration(number))

    def _scalar(self, expected: str) -> Scalar:
        if not isinstance(self.node, Scalar):
            found = "a list" if isinstance(self.node, Items) else "a mapping"
            raise self.refuse(f"expected {expected}, not {found}")
        if self.node.kind == "null":
            raise self.refuse(f"has no value; expected {expected}")
        return self.node

    def _misread(self, scalar: Scalar, hint: str = "put it in quotes if text is meant") -> InvalidPlanError:
        meaning = _KINDS.get(scalar.kind, "something else than text")
        return self.refuse(f"YAML reads {scalar.text[:40]} as {meaning}: {hint}")

    def _number(self, scalar: Scalar) -> int | float | None:
        """Return a number that is written as in JSON, or None."""
        if scalar.kind == "int" and _WHOLE.fullmatch(scalar.text) and len(scalar.text) <= 4_000:
            return int(scalar.text)
        if scalar.kind == "float" and _DECIMAL.fullmatch(scalar.text) and isfinite(float(scalar.text)):
            return float(scalar.text)
        return None

    # -- what holds other values

    def items(self) -> list[Field]:
        """Return the values of a list."""
        if not isinstance(self.node, Items):
            raise self.refuse(f"expected a list, not {self._shown()}")
        return [self._at(node.line, f"{self.key}[{index}]", node) for index, node in enumerate(self.node.nodes)]

    def fields(self) -> dict[str, Field]:
        """Return the values of a mapping by key."""
        if not isinstance(self.node, MappingNode):
            raise self.refuse(f"expected keys and values, not {self._shown()}")
        return {key: self._at(line, join(self.key, key), node) for key, (line, node) in self.node.entries.items()}

    def known_fields(self, known: Collection[str], reasons: Mapping[str, str] | None = None) -> dict[str, Field]:
        """Return the values of a mapping whose keys are all known. `reasons` says why some other keys are refused."""
        fields = self.fields()
        for key, found in fields.items():
            if key not in known:
                near = close_match(key, known)
                hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
                raise found.refuse((reasons or {}).get(key) or f"unknown key, {hint}")
        return fields

    def json(self) -> Json:
        """Return a JSON value. Scalars that YAML's versions read differently must stand in quotes."""
        if isinstance(self.node, Items):
            return [item.json() for item in self.items()]
        if isinstance(self.node, MappingNode):
            return {key: value.json() for key, value in self.fields().items()}
        scalar = self.node
        if scalar.kind == "str":
            if scalar.plain and _NEWER_NUMBER.fullmatch(scalar.text):
                raise self.refuse(f"some read {scalar.text[:40]} as a number: put it in quotes if text is meant")
            return scalar.text
        if scalar.text in _CONSTANTS:
            return _CONSTANTS[scalar.text]
        number = self._number(scalar)
        if number is None:
            raise self._misread(scalar)
        return number

    def _at(self, line: int, key: str, node: Node) -> Field:
        return Field(self.file, line, key, node)

    def _shown(self) -> str:
        if isinstance(self.node, Scalar):
            return quoted(self.node.text) if self.node.text else "nothing"
        return "a list" if isinstance(self.node, Items) else "keys and values"
