"""The children of a collection: its one task, once for each item."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from events.errors import LimitExceededError
from events.limits import Limits
from events.payload import Json
from orchestrator.plan_children import Children, PlanTask, read_task
from orchestrator.plan_fields import Field
from orchestrator.plan_source import quoted, refusal
from orchestrator.plan_spelling import NAME
from orchestrator.plan_yaml import Items
from orchestrator.templates import Template


def read_collection(fields: dict[str, Field], items: Field, limits: Limits) -> Children:
    """Return the children of a collection, whose own keys are `fields`. Raises InvalidPlanError."""
    if not isinstance(items.node, Items):
        raise items.refuse("expected a list; items from files, ranges and standard input are not in this release yet")
    if not items.node.nodes:
        raise items.refuse("has no items")
    if "task" not in fields:
        raise refusal(items.file, items.line, "task", "is missing: a collection needs the task to do for each item")
    pattern = _Pattern(read_task(fields["task"]), _item_var(fields.get("item_var")), limits)
    made = Children(limits)
    for index, item in enumerate(items.items()):
        pattern.add_to(made, item, index)
    return made


def _item_var(place: Field | None) -> str:
    if place is None:
        return "item"
    text = place.text()
    if not re.fullmatch(NAME, text):
        raise place.refuse(f"expected a name of letters, digits and _, not {quoted(text)}")
    return text


class _Pattern:
    """The task of a collection, to be filled with items."""

    def __init__(self, task: PlanTask, item_var: str, limits: Limits) -> None:
        self._task: Final = task
        self._limits: Final = limits
        self._mark: Final = f"{{{item_var}}}"
        self._part: Final = re.compile(rf"\{{{item_var}[.\[][^{{}}]*\}}")
        for place in (task.id, task.run, task.with_):
            if place is not None:
                self._refuse_parts(place)
        self._template: Final = None if task.run is None else self._parsed(task.run, item_var)
        if self._template is None and not any(self._mark in text for text in _texts(task.arguments)):
            raise (task.with_ or task.place).refuse(f"names {self._mark} nowhere: every task would do the same")

    def add_to(self, made: Children, item: Field, index: int) -> None:
        """Add the child for an item, the `index`-th (from 0)."""
        value = item.json()
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        template, given = self._template, self._task.id
        command = None if template is None else item.sound(lambda: template.command(text, index))
        child_id = None if given is None else item.sound(lambda: self._replaced(given.text(), text))
        arguments = item.sound(lambda: self._filled(self._task.arguments, value, text))
        made.add(self._task, command=command, arguments=arguments, id=child_id, place=item)

    def _filled(self, value: Json, item: Json, text: str) -> Json:
        """Return a value with the item in it; a text that is nothing but `{item}` becomes the item, type and all."""
        if isinstance(value, str):
            return item if value == self._mark else self._replaced(value, text)
        if isinstance(value, list):
            return [self._filled(inner, item, text) for inner in value]
        if isinstance(value, dict):
            return {key: self._filled(inner, item, text) for key, inner in value.items()}
        return value

    def _replaced(self, value: str, text: str) -> str:
        """Return a text with the item in it. Raises LimitExceededError where that would be too large to be made."""
        most = self._limits.item_bytes_max
        if len(value) + value.count(self._mark) * len(text) > most:
            raise LimitExceededError(f"the item makes a text longer than the limit item_bytes_max of {most:,} bytes")
        return value.replace(self._mark, text)

    def _parsed(self, run: Field, item_var: str) -> Template:
        return run.sound(lambda: Template(run.text(), also=[item_var]))

    def _refuse_parts(self, place: Field) -> None:
        """Refuse `{item.key}`: it would be left as it is, and who writes it expects something else."""
        for text in _texts(place.json()):
            found = self._part.search(text)
            if found is not None:
                why = f"parts of an item are not in this release yet; write {self._mark}"
                raise place.refuse(f"{quoted(found[0])}: {why}")


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
