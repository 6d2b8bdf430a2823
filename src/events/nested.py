"""A parent inside a parent: how it is kept as the input of the child that it is, and under which id it lives."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from pydantic import Field, ValidationError

from events.commands import ChildSpec, CloseMembership, Command, CreateChildren, CreateParent, PrepareChildren
from events.errors import StoreDamagedError
from events.facts import ChildLimits, Within
from events.model import BUILT_WHEN_USED, Model
from events.state import NESTED_TASK
from events.strategy import OnDecided, Strategy
from events.text_forms import require_open

_HASH_CHARS: Final = 24


class NestedChild(Model):
    """A child of a nested parent: a task with its input, or one more parent."""

    child_id: str
    task: str
    input: str | None = None
    parent: NestedParent | None = None
    limits: ChildLimits | None = None

    def spec(self) -> ChildSpec:
        """Return the child as the core knows it."""
        text = self.input if self.parent is None else self.parent.text()
        return ChildSpec(child_id=self.child_id, task=self.task, input=text or "null", limits=self.limits)


class NestedParent(Model):
    """What a nested parent is to do: one JSON value, however deep it goes, so that its text grows no faster than it."""

    strategy: Strategy
    max_workers: int | None = Field(default=None, ge=1)
    """How many of its children run at a time; what the orchestrator that runs it thinks fit when None."""
    on_decided: OnDecided
    content: str = Field(pattern="^[0-9a-f]{64}$")
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    metadata: str | None = None
    retry_budget: int | None = Field(default=None, ge=0)
    weight: int | None = Field(default=None, ge=1)
    priority: int | None = None
    children: tuple[NestedChild, ...] = ()

    def text(self) -> str:
        """Return it as the JSON text that is a child's input."""
        return self.model_dump_json(exclude_none=True)

    def tasks(self) -> Iterator[str]:
        """Yield the names of the tasks that it needs, those of parents inside it included."""
        for child in self.children:
            if child.parent is None:
                yield child.task
            else:
                yield from child.parent.tasks()

    def max_workers_asked(self) -> int:
        """Return the largest `max_workers` that it or a parent inside it has; 1 where none says any."""
        inner = [child.parent.max_workers_asked() for child in self.children if child.parent is not None]
        return max([self.max_workers or 1, *inner])

    def commands(self, at: int, within: Within, max_workers: int) -> tuple[Command, ...]:
        """Return the commands that create it with all its children; `max_workers` is what holds where it says none."""
        create = CreateParent(
            at=at,
            strategy=self.strategy,
            max_workers=self.max_workers or max_workers,
            on_decided=self.on_decided,
            content=self.content,
            timeout_seconds=self.timeout_seconds,
            metadata=self.metadata,
            retry_budget=self.retry_budget,
            seed=int(self.content[:8], 16),
            weight=self.weight,
            priority=self.priority,
            within=within,
        )
        specs = tuple(child.spec() for child in self.children)
        children = (PrepareChildren(at=at, children=specs), CreateChildren(at=at)) if specs else ()
        return (create, *children, CloseMembership(at=at))


def nested_child(spec: ChildSpec) -> NestedChild:
    """Return a child as it stands in a nested parent."""
    if spec.task == NESTED_TASK:
        parent = nested_parent(spec.input)
        return NestedChild(child_id=spec.child_id, task=spec.task, parent=parent, limits=spec.limits)
    return NestedChild(child_id=spec.child_id, task=spec.task, input=spec.input, limits=spec.limits)


def nested_parent(text: str) -> NestedParent:
    """Return the parent that a child's input holds.

    Raises:
        KeyNotFoundError, RedactedError: the input is encrypted and cannot be read here.
        StoreDamagedError: it holds none.
    """
    require_open(text)
    try:
        return NestedParent.model_validate_json(text)
    except ValidationError as error:
        raise StoreDamagedError(f"a nested parent on record is none: {error.error_count()} fields are wrong") from None


def tasks_needed(task: str, text: str) -> Iterator[str]:
    """Yield the tasks that a child needs, by its own task and its input."""
    if task == NESTED_TASK:
        yield from nested_parent(text).tasks()
    else:
        yield task


def nested_id(parent_id: str, child_id: str, chars_max: int) -> str:
    """Return the id of the parent that a child is: `parent id/child id`, cut and marked where that is too long."""
    whole = f"{parent_id}/{child_id}"
    if len(whole) <= chars_max:
        return whole
    digest = hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:_HASH_CHARS]
    return f"{whole[: max(0, chars_max - _HASH_CHARS - 1)]}~{digest}"[-chars_max:]


if not BUILT_WHEN_USED:
    NestedChild.model_rebuild()  # it may have a `NestedParent` in it, which is there by now
