"""The children of a plan, from its list of tasks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal

from events.limits import Limits
from events.payload import Json, encode_payload
from orchestrator.creation import check_id
from orchestrator.definition import Child, Retry
from orchestrator.plan import Use
from orchestrator.plan_fields import Field
from orchestrator.plan_parent import PARENT_REASONS
from orchestrator.plan_source import quoted, refusal
from orchestrator.plan_spelling import USE
from orchestrator.secret_ref import SecretRef

_TASK_KEYS: Final = ("id", "run", "use", "with", "secrets", "timeout", "retries", "on_lost")
_IN_A_COLLECTION: Final = dict.fromkeys(
    ("type", "tasks", "items", "task"), "the task of a collection runs something itself: it cannot be parallel"
)
ReadNested = Callable[[Field], tuple[Child, Iterable[Use]]]
"""Reads a task that is a parent itself: the child that it is, and the functions that those inside it name."""


@dataclass(frozen=True, slots=True)
class PlanTask:
    """One task as it is written."""

    place: Field
    id: Field | None
    run: Field | None
    use: Field | None
    arguments: Json
    """What stands under `with`."""
    with_: Field | None
    secrets: dict[str, SecretRef]
    """What stands under `secrets`: arguments that are secrets, by name."""
    limits: dict[str, Any]
    """`timeout`, `retry` and `on_lost`, as far as they are given."""

    def given(self, arguments: Json) -> Any:
        """Return the arguments of the task's function, secrets among them."""
        return {**arguments, **self.secrets} if self.secrets else arguments


@dataclass(slots=True)
class Whole:
    """What all parents of a plan have in common."""

    limits: Limits
    inputs_bytes: int = 0
    """Of the inputs of all tasks so far."""


@dataclass(slots=True)
class Children:
    """The children of one parent made so far, and the functions they name."""

    whole: Whole
    children: list[Child] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """On which line each id was first used."""

    def add(self, task: PlanTask, *, command: str | None, arguments: Json, id: str | None, place: Field) -> None:  # noqa: A002
        """Add the child that runs a command, or the task's function with these arguments.

        `place` is where the id comes from. Raises InvalidPlanError for an id that is taken, or an input too large.
        """
        if id is not None:
            self._take_id(id, place)
        payload = arguments if command is None else {"command": command, "input": {}}
        limit = "payload_bytes_max" if command is None else "item_bytes_max"
        limits = self.whole.limits
        bytes_max = getattr(limits, limit)
        text = task.place.sound(lambda: encode_payload(payload, what="input", bytes_max=bytes_max, limit=limit))
        self.whole.inputs_bytes += len(text)
        if self.whole.inputs_bytes > limits.plan_inputs_bytes_max:
            most = f"the limit plan_inputs_bytes_max of {limits.plan_inputs_bytes_max:,}"
            raise task.place.refuse(f"the inputs of all tasks have more bytes than {most}")
        if task.use is None:
            self.children.append(Child(id=id, command=command, **task.limits))
            return
        name = task.use.text()
        self.children.append(Child(id=id, task=name, input=task.given(arguments), **task.limits))
        self.uses.append(Use(name, task.given(arguments), task.place.file, task.use.line, task.place.key))

    def add_parent(self, task: Field, read_nested: ReadNested) -> None:
        """Add the child that a task is which is a parent itself. Raises InvalidPlanError, also for an id taken."""
        named = id_of(task, task.fields())
        self._take_id(named.text(), named)
        child, uses = read_nested(task)
        self.children.append(child)
        self.uses.extend(uses)

    def _take_id(self, id: str, place: Field) -> None:  # noqa: A002 - as in `add`
        place.sound(lambda: check_id(id, place.key, self.whole.limits))
        if id in self.lines:
            raise place.refuse(f"duplicate id {quoted(id)}, first used on line {self.lines[id]}")
        self.lines[id] = place.line


def read_tasks(place: Field, made: Children, read_nested: ReadNested) -> None:
    """Add the children of the key `tasks`. Raises InvalidPlanError."""
    for item in place.items():
        if "type" in item.fields():
            made.add_parent(item, read_nested)
            continue
        task = read_task(item, PARENT_REASONS)
        named = id_of(item, item.fields())
        command = None if task.run is None else task.run.text()
        made.add(task, command=command, arguments=task.arguments, id=named.text(), place=named)
    if not made.children:
        raise place.refuse("has no tasks")


def id_of(task: Field, fields: Mapping[str, Field]) -> Field:
    """Return the id of a task that needs one. Raises InvalidPlanError where it has none."""
    if "id" not in fields:
        raise refusal(task.file, task.line, f"{task.key}.id", "is missing: every task needs an id of its own")
    return fields["id"]


def read_task(place: Field, reasons: Mapping[str, str] = _IN_A_COLLECTION) -> PlanTask:
    """Return one task that runs something. Raises InvalidPlanError where its keys do not fit or not fit together.

    `reasons` says why some keys are refused; those of a collection's task unless given.
    """
    fields = place.known_fields(_TASK_KEYS, reasons)
    run, use, with_ = fields.get("run"), fields.get("use"), fields.get("with")
    if run is None and use is None:
        raise place.refuse("needs run (a shell command) or use (module:function)")
    if run is not None:
        _check_command(run, use, with_)
    if use is not None and not re.fullmatch(USE, use.text()):
        raise use.refuse(f"expected module:function, such as mypackage.tasks:checksum, not {quoted(use.text())}")
    arguments = {} if with_ is None else {key: value.json() for key, value in with_.fields().items()}
    secrets = _secrets(fields.get("secrets"), run, arguments)
    return PlanTask(place, fields.get("id"), run, use, arguments, with_, secrets, _limits(fields))


def _secrets(place: Field | None, run: Field | None, arguments: Mapping[str, Json]) -> dict[str, SecretRef]:
    """Return the secrets that a task's function is given, by argument."""
    if place is None:
        return {}
    if run is not None:
        raise place.refuse("goes with use, not with run: a command reads $NAME, or the file, by itself")
    found: dict[str, SecretRef] = {}
    for name, value in place.fields().items():
        if name in arguments:
            raise value.refuse(f"the argument {quoted(name)} stands under with, too")
        found[name] = value.sound(partial(SecretRef, value.text()))
    return found


def _check_command(run: Field, use: Field | None, with_: Field | None) -> None:
    if use is not None:
        raise use.refuse("a task has either run or use, not both")
    if with_ is not None:
        raise with_.refuse("goes with use, not with run")
    if not run.text().strip():
        raise run.refuse("the command is empty")
    if "\0" in run.text():
        raise run.refuse("a command cannot contain a NUL character")


def _limits(fields: dict[str, Field]) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if "timeout" in fields:
        limits["timeout"] = fields["timeout"].seconds()
    if "retries" in fields:
        limits["retry"] = Retry(max_attempts=fields["retries"].whole(0) + 1)
    if "on_lost" in fields:
        words: dict[str, Literal["retry", "fail"]] = {"retry": "retry", "fail": "fail"}
        limits["on_lost"] = words[fields["on_lost"].choice(words)]
    return limits
