"""What would be run, for `--dry-run`: a line for each child, and below it those of a child that is a parent itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from orchestrator.cli.summary import parent_words
from orchestrator.cli.terminal import shown
from orchestrator.creation import task_of
from orchestrator.definition import Child, Parallel
from orchestrator.secret_ref import named
from orchestrator.streams import ChildStream

_INDENT = "  "


def tree_lines(parallel: Parallel, *, indent: str = "") -> Iterator[str]:
    """Yield a line for each child, with its id and what it does; those of a parent inside stand below it, indented."""
    for child_id, child in _children(parallel):
        yield f"{indent}{shown(child_id)}\t{shown(work_words(child))}"
        if child.parallel is not None:
            yield from tree_lines(child.parallel, indent=indent + _INDENT)


def json_lines(parallel: Parallel) -> Iterator[str]:
    """Yield a JSON object for each child; one that is a parent has its children in it, under `children`."""
    return map(json.dumps, _objects(parallel))


def _objects(parallel: Parallel) -> Iterator[dict[str, Any]]:
    for index, (child_id, child) in enumerate(_children(parallel)):
        told: dict[str, Any] = {"id": child_id, "index": index, "command": child.command, "task": child.task}
        if child.parallel is not None:
            rule = child.parallel.rule()
            told["strategy"] = {"kind": rule.kind, "required": rule.required(len(child.parallel.listed))}
            told["children"] = list(_objects(child.parallel))
        yield told


def _children(parallel: Parallel) -> Iterator[tuple[str, Child]]:
    children = parallel.children if isinstance(parallel.children, ChildStream) else parallel.listed
    for index, child in enumerate(children):
        yield child.id or f"{task_of(child)}-{index}", child


def work_words(child: Child) -> str:
    """Return what a child does, in a line."""
    if child.parallel is not None:
        inner = child.parallel
        return parent_words(inner.rule(), [child_id for child_id, _ in _children(inner)], len(inner.listed))
    return child.command or f"{child.task} {json.dumps(named(child.input))}"
