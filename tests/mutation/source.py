"""A module's source as bytes, and the places of its syntax in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
SRC: Final = ROOT / "src"

Node = ast.expr | ast.stmt | ast.keyword | ast.excepthandler


class Source:
    """One module. Offsets are in bytes, as Python's own parser counts columns."""

    def __init__(self, name: str, text: bytes) -> None:
        self.name = name
        """The path below src, `events/decide.py`."""
        self.text = text
        self.tree = ast.parse(text, name)
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    @classmethod
    def read(cls, name: str) -> Source:
        """Read a module of ours."""
        return cls(name, (SRC / name).read_bytes())

    @property
    def path(self) -> Path:
        return SRC / self.name

    def start(self, node: Node) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def end(self, node: Node) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._lines[node.end_lineno - 1] + node.end_col_offset

    def segment(self, node: Node) -> bytes:
        return self.text[self.start(node) : self.end(node)]

    def between(self, left: Node, right: Node, token: bytes) -> tuple[int, int] | None:
        """Return where an operator stands between two nodes."""
        begin = self.end(left)
        found = re.search(token, self.text[begin : self.start(right)])
        return None if found is None else (begin + found.start(), begin + found.end())

    def with_comma(self, node: Node) -> tuple[int, int]:
        """Return an item of a list with the comma that goes with it."""
        start, end = self.start(node), self.end(node)
        after = re.match(rb"\)*\s*,[ \t]*", self.text[end:])
        if after is not None and not after.group().startswith(b")"):
            return start, end + after.end()
        before = re.search(rb",\s*$", self.text[:start])
        return (start if before is None else before.start()), end

    def line_of(self, offset: int) -> int:
        return self.text.count(b"\n", 0, offset) + 1

    def edited(self, start: int, end: int, text: str) -> bytes:
        return self.text[:start] + text.encode() + self.text[end:]
