"""The children of a plan, from its list of tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from events.limits import Limits
from events.payload import Json, encode_payload
from orchestrator.creation import check_id
from orchestrator.definition import Child, Retry
from orchestrator.plan import Use
from orchestrator.plan_fields import Field
from orchestrator.plan_source import quoted, refusal
from orchestrator.plan_spelling import USE

_TASK_KEYS: Final = ("id", "run", "use", "with", "timeout", "retries", "on_lost")
_NESTED_KEYS: Final = ("type", "tasks", "items", "task")


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
    limits: dict[str, Any]
    """`timeout`, `retry` and `on_lost`, as far as they are given."""


@dataclass(slots=True)
class Children:
    """The children made so far, and the functions they name."""

    limits: Limits
    children: list[Child] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """On which line each id was first used."""
    _bytes: int = 0
    """Of the inputs of all of them."""

    def add(self, task: PlanTask, *, command: str | None, arguments: Json, id: str | None, place: Field) -> None:  # noqa: A002
        """Add the child that runs a command, or the task's function with these arguments.

        `place` is where the id comes from. Raises InvalidPlanError for an id that is taken, or an input too large.
        """
        if id is not None:
            self._take_id(id, place)
        payload = arguments if command is None else {"command": command, "input": {}}
        limit = "payload_bytes_max" if command is None else "item_bytes_max"
        bytes_max = getattr(self.limits, limit)
        text = task.place.sound(lambda: encode_payload(payload, what="input", bytes_max=bytes_max, limit=limit))
        self._bytes += len(text)
        if self._bytes > self.limits.plan_inputs_bytes_max:
            most = f"the limit plan_inputs_bytes_max of {self.limits.plan_inputs_bytes_max:,}"
            raise task.place.refuse(f"the inputs of all tasks have more bytes than {most}")
        if task.use is None:
            self.children.append(Child(id=id, command=command, **task.limits))
            return
        name = task.use.text()
        self.children.append(Child(id=id, task=name, input=arguments, **task.limits))
        self.uses.append(Use(name, arguments, task.place.file, task.use.line, task.place.key))

    def _take_id(self, id: str, place: Field) -> None:  # noqa: A002 - as in `add`
        place.sound(lambda: check_id(id, place.key, self.limits))
        if id in self.lines:
            raise place.refuse(f"duplicate id {quoted(id)}, first used on line {self.lines[id]}")
        self.lines[id] = place.line


def read_tasks(place: Field, limits: Limits) -> Children:
    """Return the children of the key `tasks`. Raises InvalidPlanError."""
    made = Children(limits)
    for item in place.items():
        task = read_task(item)
        if task.id is None:
            raise refusal(item.file, item.line, f"{item.key}.id", "is missing: every task needs an id of its own")
        command = None if task.run is None else task.run.text()
        made.add(task, command=command, arguments=task.arguments, id=task.id.text(), place=task.id)
    if not made.children:
        raise place.refuse("has no tasks")
    return made


def read_task(place: Field) -> PlanTask:
    """Return one task. Raises InvalidPlanError where its keys do not fit or do not fit together."""
    for key, found in place.fields().items():
        if key in _NESTED_KEYS:
            raise found.refuse("nested parallel tasks are not in this release yet")
    fields = place.known_fields(_TASK_KEYS)
    run, use, with_ = fields.get("run"), fields.get("use"), fields.get("with")
    if run is None and use is None:
        raise place.refuse("needs run (a shell command) or use (module:function)")
    if run is not None:
        _check_command(run, use, with_)
    if use is not None and not re.fullmatch(USE, use.text()):
        raise use.refuse(f"expected module:function, such as mypackage.tasks:checksum, not {quoted(use.text())}")
    arguments = {} if with_ is None else {key: value.json() for key, value in with_.fields().items()}
    return PlanTask(place, fields.get("id"), run, use, arguments, with_, _limits(fields))


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
