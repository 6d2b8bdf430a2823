"""Mutants: each is one small edit of one module, and has an id that outlives edits elsewhere in the module."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from tests.mutation.operators import Edit, edits
from tests.mutation.source import Source


class Mutant(NamedTuple):
    """One edit, and where it stands."""

    id: str
    module: str
    scope: str
    """The qualified name of the outermost function around it; empty where it is in no function's body."""
    scope_line: int
    """The first line of that function, decorators included, as its code object says."""
    lines: tuple[int, int]
    """First and last line of the statement (of its head, where it has a body)."""
    operator: str
    start: int
    end: int
    text: str

    def source(self, source: Source) -> bytes:
        """Return the module with the edit."""
        return source.edited(self.start, self.end, self.text)

    def diff(self, source: Source) -> str:
        """Return the edit as a diff without context."""
        before = source.text.decode().splitlines()
        after = self.source(source).decode().splitlines()
        lines = list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
        return "\n".join([f"{self.module}:{source.line_of(self.start)}  {self.id}  {self.operator}", *lines])


def mutants_of(source: Source) -> list[Mutant]:
    """Return every mutant of a module, in the order of its text."""
    found: dict[tuple[int, int, str], Mutant] = {}
    for edit in edits(source):
        mutant = _mutant(source, edit)
        if source.text[edit.start : edit.end] != edit.text.encode():
            found.setdefault((edit.start, edit.end, edit.text), mutant)
    return sorted(found.values(), key=lambda mutant: (mutant.start, mutant.end))


def _mutant(source: Source, edit: Edit) -> Mutant:
    owner, home = _home(source, edit.start)
    start = source.start(home)
    mark = b"\0".join(
        (
            source.name.encode(),
            owner.encode(),
            source.segment(home),
            str(edit.start - start).encode(),
            str(edit.end - start).encode(),
            edit.text.encode(),
        )
    )
    return Mutant(
        sha256(mark).hexdigest()[:10],
        source.name,
        edit.scope,
        edit.scope_line,
        edit.lines,
        edit.operator,
        edit.start,
        edit.end,
        edit.text,
    )


def _home(source: Source, offset: int) -> tuple[str, ast.stmt]:
    """Return the method, function or module-level statement around an offset, and the class that it is in."""
    found: tuple[str, ast.stmt] | None = None
    for owner, node in _homes(source.tree):
        if source.start(node) <= offset < source.end(node):
            found = owner, node
    assert found is not None
    return found


def _homes(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    for node in tree.body:
        yield "", node
        if isinstance(node, ast.ClassDef):
            yield from ((node.name, part) for part in node.body)
