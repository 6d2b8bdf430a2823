"""From YAML text to nodes that know their line. Importing this needs PyYAML (the extra `cli`).

YAML is read as a stream of events, never as objects: no tag can name a class, no alias can multiply a text, no nesting
can exhaust the stack, and every key keeps the line on which it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import yaml

from events.errors import InvalidPlanError
from orchestrator.plan_source import join, quoted, refusal

_DEPTH_MAX: Final = 100
_TOO_DEEP: Final = f"is nested more than {_DEPTH_MAX} levels deep"
_VALUES_MAX: Final = 2_000_000
"""Most values of one plan: what a file of the largest size holds in earnest, and what memory bears."""
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_resolve: Final[Callable[..., str]] = yaml.SafeLoader("").resolve


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value that is neither a list nor a mapping."""

    line: int
    text: str
    kind: str
    """What YAML 1.1 takes it for: "str" (always where it is quoted), "int", "float", "bool", "null", …"""
    plain: bool
    """Whether it stands there without quotes."""


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    line: int
    nodes: list[Node] = field(default_factory=list)


class Entry(NamedTuple):
    """A value in a mapping, and the line of its key."""

    line: int
    node: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys, which are always text, and their values."""

    line: int
    entries: dict[str, Entry] = field(default_factory=dict)


Node = Scalar | Items | Mapping


def parse(text: str, file: str) -> Node:
    """Return the one document of a YAML text.

    Raises:
        InvalidPlanError: it is not YAML, or has what no plan needs: tags, anchors, further documents, odd keys.
    """
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else min(mark.line, text.rstrip("\n").count("\n")) + 1
        raise refusal(file, line, "", _why_invalid(str(error.problem or error.context))) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise refusal(file, line, "", f"is not valid YAML: {_one_line(error.reason)}") from None
    if builder.root is None:
        raise refusal(file, None, "", "is empty: a plan needs tasks")
    return builder.root


def _why_invalid(problem: str) -> str:
    if "maximum nesting depth" in problem:  # newer parsers have a limit of their own, and look ahead of our count
        return _TOO_DEEP
    return f"is not valid YAML: {problem}"


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


@dataclass(slots=True)
class _OpenItems:
    """A list that is being read."""

    node: Items
    path: str

    def add(self, node: Node) -> None:
        self.node.nodes.append(node)

    def here(self) -> str:
        return f"{self.path}[{len(self.node.nodes)}]"


@dataclass(slots=True)
class _OpenMapping:
    """A mapping that is being read."""

    node: Mapping
    path: str
    key: str | None = None
    """The key whose value comes next."""
    key_line: int = 0

    def add(self, node: Node) -> None:
        if self.key is not None:
            self.node.entries[self.key] = Entry(self.key_line, node)
            self.key = None

    def here(self) -> str:
        return self.path if self.key is None else join(self.path, self.key)


class _Builder:
    """Makes nodes of YAML events, on a stack of its own."""

    def __init__(self, file: str) -> None:
        self.root: Node | None = None
        self._file: Final = file
        self._stack: list[_OpenItems | _OpenMapping] = []
        self._line = 1
        self._count = 0

    def take(self, event: yaml.Event) -> None:
        """Go on by one event."""
        self._line = 1 if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.ScalarEvent):
            self._check(event)
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._check(event)
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._stack.pop()
        elif isinstance(event, yaml.AliasEvent):
            raise self._refusal(f"uses the alias *{event.anchor}; a plan has none: write it out")

    def _check(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.anchor is not None:
            raise self._refusal(f"has the anchor &{event.anchor}; a plan has none: write it out")
        if event.tag is not None:
            raise self._refusal(f"has the tag {quoted(event.tag)}; a plan has none")
        if self.root is not None and not self._stack:
            raise self._refusal("is a second document; a plan file holds one")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        text = event.value
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            raise self._refusal("is no text: it holds half of a character (a lone surrogate)")
        plain = not event.style
        kind = _resolve(yaml.ScalarNode, text, (True, False)).rpartition(":")[2] if plain else "str"
        awaiting = self._awaiting_key()
        if awaiting is None:
            self._add(Scalar(self._line, text, kind, plain))
        else:
            self._key(awaiting, text, kind)

    def _key(self, mapping: _OpenMapping, text: str, kind: str) -> None:
        known = mapping.node.entries.get(text)
        if kind == "str" and known is None:
            mapping.key, mapping.key_line = text, self._line
            return
        why = "is no text to YAML, and a key is text: put it in quotes"
        if known is not None:
            why = f"duplicate key, first used on line {known.line}"
        raise refusal(self._file, self._line, join(mapping.path, text), why)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        if self._awaiting_key() is not None:
            raise self._refusal("has a list or a mapping as a key; a key is text")
        if len(self._stack) >= _DEPTH_MAX:
            raise refusal(self._file, self._line, "", _TOO_DEEP)
        path = self._stack[-1].here() if self._stack else ""
        opened: _OpenItems | _OpenMapping = _OpenItems(Items(self._line), path)
        if isinstance(event, yaml.MappingStartEvent):
            opened = _OpenMapping(Mapping(self._line), path)
        self._add(opened.node)
        self._stack.append(opened)

    def _add(self, node: Node) -> None:
        self._count += 1
        if self._count > _VALUES_MAX:
            raise refusal(self._file, self._line, "", f"has more than {_VALUES_MAX:,} values")
        if self._stack:
            self._stack[-1].add(node)
        else:
            self.root = node

    def _awaiting_key(self) -> _OpenMapping | None:
        top = self._stack[-1] if self._stack else None
        return top if isinstance(top, _OpenMapping) and top.key is None else None

    def _refusal(self, why: str) -> InvalidPlanError:
        return refusal(self._file, self._line, self._stack[-1].here() if self._stack else "", why)
