"""From the nodes of a plan file to a `Plan`: a parent and its children, which may be parents again."""

from __future__ import annotations

from typing import Final, NamedTuple

from events.limits import Limits
from events.strategy import impossible
from orchestrator.creation import check_id
from orchestrator.definition import Child, Parallel, Retry
from orchestrator.plan import Plan, Use
from orchestrator.plan_children import Children, Whole, id_of, read_tasks
from orchestrator.plan_collection import read_collection
from orchestrator.plan_fields import Field
from orchestrator.plan_parent import (
    KEYS,
    NESTED_KEYS,
    NESTED_REASONS,
    REASONS,
    Defaults,
    read_key,
    read_parent,
)
from orchestrator.plan_source import quoted, refusal
from orchestrator.plan_yaml import parse


def read_plan(text: str, file: str, limits: Limits) -> Plan:
    """Return the plan of a YAML text. Raises InvalidPlanError, which names file, line and key."""
    node = parse(text, file)
    root = Field(file, node.line, "", node)
    kind = read_key(root.fields(), "type", lambda field: field.choice(KEYS)) or "parallel"
    fields = root.known_fields(KEYS[kind], REASONS[kind])
    plan_id = read_key(fields, "id", lambda field: _plan_id(field, limits))
    parallel, uses = _Parents(limits).read(root, kind, fields, _Outer())
    return Plan(plan_id, parallel, uses)


def _plan_id(field: Field, limits: Limits) -> str:
    text = field.text()
    field.sound(lambda: check_id(text, field.key, limits))
    return text


class _Outer(NamedTuple):
    """Where a parent stands."""

    path: tuple[str, ...] = ()
    """The ids of the tasks that lead to it, from the plan itself down."""
    defaults: Defaults = Defaults()
    """Those of the parent that it is in."""


class _Parents:
    """Reads the parents of one plan."""

    def __init__(self, limits: Limits) -> None:
        self._limits: Final = limits
        self._whole: Final = Whole(limits)
        self._runs: Final[dict[str, int]] = {}
        """On which line the run of each nested parent was first asked for, by its id without the plan's own."""

    def read(
        self, place: Field, kind: str, fields: dict[str, Field], outer: _Outer
    ) -> tuple[Parallel, tuple[Use, ...]]:
        """Return a parent whose keys are `fields`, with its children, and the functions that these name."""
        parallel, defaults = read_parent(fields, self._limits, outer.defaults)
        wanted = "tasks" if kind == "parallel" else "items"
        if wanted not in fields:
            key = f"{place.key}.{wanted}" if place.key else wanted
            what = f"a task of type {kind}" if outer.path else f"a {kind} plan"
            raise refusal(place.file, place.line, key, f"is missing: {what} needs {wanted}")
        made = Children(self._whole)
        if kind == "parallel":
            inner = outer._replace(defaults=defaults)
            read_tasks(fields[wanted], made, lambda task: self._nested(task, inner))
        else:
            found = read_collection(fields, fields[wanted], made)
            if found.stream is not None:
                if outer.path:
                    raise fields[wanted].refuse(
                        "are read over time, but a task that is a parent has all its tasks from the start: "
                        "give a list, or a range of at most 10,000 numbers"
                    )
                return parallel.model_copy(update={"children": found.stream}), found.uses
        _check_possible(fields, parallel, made)
        return parallel.model_copy(update={"children": tuple(made.children)}), tuple(made.uses)

    def _nested(self, place: Field, outer: _Outer) -> tuple[Child, tuple[Use, ...]]:
        """Return the child that a task is which is a parent itself, and the functions that those inside name."""
        kind = place.fields()["type"].choice(KEYS)
        fields = place.known_fields(NESTED_KEYS[kind], NESTED_REASONS[kind])
        named = id_of(place, fields)
        path = (*outer.path, named.text())
        if len(path) > self._limits.nesting_depth_max:
            most = self._limits.nesting_depth_max
            raise place.refuse(f"is nested deeper than the limit nesting_depth_max of {most}")
        self._take_run(named, "/".join(path))
        retries = read_key(fields, "retries", lambda field: field.whole(0))
        before = self._whole.inputs_bytes
        parallel, uses = self.read(place, kind, fields, outer._replace(path=path))
        most = self._limits.payload_bytes_max
        if self._whole.inputs_bytes - before > most:
            raise place.refuse(f"the inputs of its tasks have more bytes than the limit payload_bytes_max of {most:,}")
        retry = None if retries is None else Retry(max_attempts=retries + 1)
        return place.sound(lambda: _child(path[-1], parallel, retry)), uses

    def _take_run(self, named: Field, run: str) -> None:
        """Refuse two nested parents that would have one run: `a/b` in the plan itself, and `b` in `a`."""
        if run in self._runs:
            raise named.refuse(f"the run of {quoted(run)} is that of line {self._runs[run]} already: take another id")
        self._runs[run] = named.line


def _child(child_id: str, parallel: Parallel, retry: Retry | None) -> Child:
    if retry is None:
        return Child(id=child_id, parallel=parallel)
    return Child(id=child_id, parallel=parallel, retry=retry)


def _check_possible(fields: dict[str, Field], parallel: Parallel, made: Children) -> None:
    reason = impossible(parallel.rule(), len(made.children))
    if reason is not None:
        field = fields.get("threshold") or fields["strategy"]
        raise field.refuse(f"can never be met: it {reason}")
