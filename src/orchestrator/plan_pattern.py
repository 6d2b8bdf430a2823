"""The task of a collection as a pattern: what it is for one item, or for one batch of items."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

from events.errors import LimitExceededError, UsageError
from events.limits import Limits
from events.payload import Json
from orchestrator.definition import Child
from orchestrator.plan_children import Children, PlanTask
from orchestrator.plan_fields import Field
from orchestrator.plan_items import Item
from orchestrator.plan_paths import Path, look_up, read_path
from orchestrator.plan_slips import refuse_slips
from orchestrator.plan_source import quoted
from orchestrator.templates import Template


class _Filled(NamedTuple):
    """The pattern with an item in it."""

    command: str | None
    child_id: str | None
    arguments: Json


class Pattern:
    """The task of a collection, to be filled with items. With `batched` an item is a list of items."""

    def __init__(self, task: PlanTask, item_var: str, limits: Limits, *, batched: bool) -> None:
        self._task: Final = task
        self._limits: Final = limits
        self._batched: Final = batched
        self._mark: Final = f"{{{item_var}}}"
        self._placeholder: Final = re.compile(rf"\{{{item_var}(?:[.\[][^{{}}]*)?\}}")
        self._paths: Final[dict[str, Path]] = {self._mark: ()}
        """What stands in braces for a part of an item, and which part that is."""
        for place in (task.id, task.run, task.with_):
            if place is not None:
                refuse_slips(place, item_var)
                self._learn(place)
        self._template: Final = None if task.run is None else self._parsed(task.run)
        if self._template is None and not any(self._placeholder.search(text) for text in _texts(task.arguments)):
            raise (task.with_ or task.place).refuse(f"names {self._mark} nowhere: every task would do the same")

    def _learn(self, place: Field) -> None:
        """Learn the parts of items that a text names."""
        for text in _texts(place.json()):
            for found in self._placeholder.finditer(text):
                inner = found[0][1:-1]
                path, end = place.sound(partial(read_path, inner, len(self._mark) - 2))
                if end < len(inner):
                    why = f"expected parts such as {self._mark[:-1]}.name}} or {self._mark[:-1]}[0]}}"
                    raise place.refuse(f"{quoted(found[0])}: {why}")
                self._paths[found[0]] = path

    def _parsed(self, run: Field) -> Template:
        template = run.sound(lambda: Template(run.text(), also=[name[1:-1] for name in self._paths]))
        if self._batched:
            run.sound(lambda: template.require_words(self._mark))
        return template

    def add_to(self, made: Children, item: Item, index: int) -> None:
        """Add the child for an item, the `index`-th (from 0). Raises InvalidPlanError."""
        filled = item.place.sound(lambda: self._filled(item.value, index))
        made.add(self._task, command=filled.command, arguments=filled.arguments, id=filled.child_id, place=item.place)

    def child(self, item: Item, index: int) -> Child:
        """Return the child for an item, the `index`-th (from 0). Raises InvalidPlanError."""
        filled, use = item.place.sound(lambda: self._filled(item.value, index)), self._task.use
        if use is None:
            return Child(id=filled.child_id, command=filled.command, **self._task.limits)
        return Child(id=filled.child_id, task=use.text(), input=self._task.given(filled.arguments), **self._task.limits)

    def _filled(self, item: Json, index: int) -> _Filled:
        template, given = self._template, self._task.id
        command = None
        if template is not None:
            parts = {name: _text(self._part(name, item)) for name in self._paths if name != self._mark}
            many = [_text(each) for each in item] if self._batched else _text(item)
            command = template.command(many, index, parts)
        child_id = None if given is None else self._replaced(given.text(), item)
        return _Filled(command, child_id, self._argument(self._task.arguments, item))

    def _part(self, name: str, item: Json) -> Json:
        found, part = look_up(item, self._paths[name])
        if not found:
            raise UsageError(f"{name} is not there: the item is {quoted(_text(item))}")
        return part

    def _argument(self, value: Json, item: Json) -> Json:
        """Return a value with the item in it; a text that is nothing but `{item}` becomes the item, type and all."""
        if isinstance(value, str):
            return self._part(value, item) if value in self._paths else self._replaced(value, item)
        if isinstance(value, list):
            return [self._argument(inner, item) for inner in value]
        if isinstance(value, dict):
            return {key: self._argument(inner, item) for key, inner in value.items()}
        return value

    def _replaced(self, value: str, item: Json) -> str:
        """Return a text with the item in it. Raises LimitExceededError where that would be too large to be made."""
        most, pieces, at, chars = self._limits.item_bytes_max, list[str](), 0, len(value)
        for found in self._placeholder.finditer(value):
            text = _text(self._part(found[0], item))
            pieces += [value[at : found.start()], text]
            at, chars = found.end(), chars + len(text)
            if chars > most:
                raise LimitExceededError(
                    f"the item makes a text longer than the limit item_bytes_max of {most:,} bytes"
                )
        return "".join([*pieces, value[at:]])


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
