"""From a definition to the commands that create it. Everything that can be refused is refused here, unwritten."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from actors.buckets import ThrottleRule
from events.child_specs import ChildSpec, fields_of, gathered, ids_of
from events.commands import CloseMembership, Command, CreateChildren, CreateParent, PrepareChildren
from events.errors import InvalidPayloadError, LimitExceededError, UsageError
from events.facts import ChildLimits
from events.limits import Limits
from events.log.payloads import PayloadStore, PayloadStores
from events.nested import NestedParent, nested_child
from events.payload import encode_payload
from events.state import NESTED_TASK
from events.strategy import impossible
from orchestrator import given
from orchestrator.definition import SHELL_TASK, Child, Parallel, Retry, Throttle, names_of_errors
from orchestrator.secret_ref import Path, named, pointers, secrets_in
from orchestrator.tasks import NO_SETTINGS, Task, TaskRegistry

_COMING: Final = "over time"
_NO_LIMITS: Final = ChildLimits.model_construct()
_PLAIN_FIELDS: Final = frozenset({"id", "task", "command", "input"})


class Creation:
    """Turns definitions into commands: checks names and limits, encodes payloads, digests the content."""

    def __init__(
        self,
        tasks: TaskRegistry,
        limits: Limits,
        max_workers: int,
        now: Callable[[], int],
        draw: Callable[[], int] = lambda: 0,
        require: Callable[[Task[..., Any]], None] = lambda _: None,
        payloads: PayloadStores | None = None,
    ) -> None:
        """Turn definitions into commands for one orchestrator.

        `draw` gives the seed of a new parent: any number. `require` refuses a task that cannot be run here. Large
        inputs go to `payloads`, if there are any.
        """
        self._tasks = tasks
        self._limits = limits
        self._max_workers = max_workers
        self._now = now
        self._draw = draw
        self._require_fit = require
        self._payloads = payloads

    def whole(self, parent_id: str, parallel: Parallel) -> tuple[Command, ...]:
        """Return the commands that create a parent with all its children, to be decided together.

        Raises:
            UsageError: the definition cannot be run (its subclasses say why).
        """
        _require(parallel, Parallel, "a run is started from")
        specs = self.children(parallel, parallel.listed)
        arriving = parallel.over_time or parallel.open
        if not arriving:
            _require_possible(parallel, len(specs))
        state = self.state(parallel, specs)
        now = state.at
        commands: list[Command] = [state]
        if specs:
            commands += [PrepareChildren(at=now, children=self.filed(parent_id, specs)), CreateChildren(at=now)]
        return tuple(commands) if arriving else (*commands, CloseMembership(at=now))

    def filed(self, parent_id: str, specs: Sequence[ChildSpec]) -> Sequence[ChildSpec]:
        """Put large inputs into files, which are on disk when this returns; return what is to be put on record.

        The content of a run is digested before: it does not depend on what is large. A parent inside a parent stays
        on record, however large: whoever takes the outer one over looks into it.

        Raises:
            StoreError: an input cannot be written.
        """
        if self._payloads is None or not any(self._is_large(task, text) for _, task, text, _, _ in fields_of(specs)):
            return specs
        payloads = self._payloads.of(parent_id)
        filed = (self._filed(spec, payloads) if self._is_large(spec.task, spec.input) else spec for spec in specs)
        return gathered(filed, len(specs))

    def _is_large(self, task: str, text: str) -> bool:
        return len(text) > self._limits.inline_bytes_max and task != NESTED_TASK

    def _filed(self, spec: ChildSpec, payloads: PayloadStore) -> ChildSpec:
        return spec.model_copy(update={"input": "", "input_file": payloads.put(spec.input)})

    def state(self, parallel: Parallel, specs: Sequence[ChildSpec] = ()) -> CreateParent:
        """Return the command that creates the parent without its children."""
        _require(parallel, Parallel, "a run is started from")
        max_workers = parallel.max_workers or self._max_workers
        if max_workers > self._limits.max_workers_max:
            most = self._limits.max_workers_max
            raise LimitExceededError(f"max_workers is {max_workers:,}, more than the limit max_workers_max of {most:,}")
        metadata = None
        if parallel.metadata:
            metadata = encode_payload(
                dict(parallel.metadata),
                what="metadata",
                bytes_max=self._limits.metadata_bytes_max,
                limit="metadata_bytes_max",
            )
        return CreateParent(
            at=self._now(),
            strategy=parallel.rule(),
            max_workers=max_workers,
            on_decided=parallel.on_decided,
            content=_digest(parallel, specs, metadata),
            timeout_seconds=parallel.timeout,
            metadata=metadata,
            retry_budget=parallel.retry_budget,
            seed=self._draw(),
            weight=parallel.weight,
            priority=parallel.priority or None,
        )

    def over_time(self, parallel: Parallel) -> Callable[[Child, int], ChildSpec]:
        """Return what turns one child after another, with its index, into what the core knows.

        What it returns raises UsageError for a child that cannot be run.
        """
        plain: dict[str, ChildLimits | None] = {}
        most = self._limits.children_max
        fit: set[str | None] = set()

        def spec(child: Child, index: int) -> ChildSpec:
            if index >= most:
                raise LimitExceededError(f"more children than the limit children_max of {most:,}")
            _require(child, Child, f"children[{index}] has to be")
            if child.task not in fit:
                self._require_tasks([child])
                fit.add(child.task)
            return self._spec(parallel, child, index, plain, known=True)

        return spec

    def children(
        self, parallel: Parallel, children: Sequence[Child], *, known: bool = True, before: int = 0
    ) -> Sequence[ChildSpec]:
        """Return children as the core knows them; unless `known` is false, this process must know their tasks.

        `before` is how many the parent has already.
        """
        if not isinstance(children, list | tuple):
            raise UsageError(f"children are a list of Child, not {given.shown_value(children)}")
        total, most = before + len(children), self._limits.children_max
        if total > most:
            raise LimitExceededError(f"{total:,} children are more than the limit children_max of {most:,}")
        plain: dict[str, ChildLimits | None] = {}
        if known:
            self._require_tasks(children)
        specs = gathered(
            (self._spec(parallel, child, index, plain, known=known) for index, child in enumerate(children)),
            len(children),
        )
        seen: set[str] = set()
        for index, child_id in enumerate(ids_of(specs)):
            if child_id in seen:
                raise UsageError(f"children[{index}]: the id {child_id!r} is used twice")
            seen.add(child_id)
        return specs

    def _require_tasks(self, children: Sequence[Child]) -> None:
        """Refuse tasks that are known and cannot be run here, each one once."""
        for task in dict.fromkeys(child.task for child in children if isinstance(child, Child)):
            if task is not None and task in self._tasks:
                self._require_fit(self._tasks.find(task))

    def _spec(
        self, parallel: Parallel, child: Child, index: int, plain: dict[str, ChildLimits | None], *, known: bool
    ) -> ChildSpec:
        """Return one child. `plain` keeps what children have that say nothing of limits, by their tasks."""
        _require(child, Child, f"children[{index}] has to be")
        task = task_of(child)
        built_in = task in (SHELL_TASK, NESTED_TASK)
        found = None if built_in or (not known and task not in self._tasks) else self._tasks.find(task)
        child_id = f"{task}-{index}" if child.id is None else child.id
        check_id(child_id, f"children[{index}].id", self._limits)
        if child.parallel is not None:
            text = self._nested_text(child.parallel, f"children[{index}] ({child_id!r})", known=known)
            return ChildSpec(child_id=child_id, task=task, input=text, limits=_nested_limits(child))
        value = child.input if child.command is None else {"command": child.command, "input": child.input}
        what = f"input of child {child_id!r}"
        try:
            text = self._text(value, found, what)
        except InvalidPayloadError:
            places = secrets_in(value)
            if not places:
                raise
            return self._with_secrets(parallel, child, ChildSpec(child_id=child_id, task=task, input=""), places)
        if child.model_fields_set <= _PLAIN_FIELDS:
            if task not in plain:
                plain[task] = self._child_limits(parallel, child, found)
            limits = plain[task]
        else:
            for key in child.keys:
                check_id(key, f"children[{index}].keys", self._limits)
            limits = self._child_limits(parallel, child, found)
        known_to_fit = {"child_id": child_id, "task": task, "input": text, "limits": limits, "input_file": None}
        return ChildSpec.sure(known_to_fit)

    def _text(self, value: Any, task: Task[..., Any] | None, what: str) -> str:
        """Return an input as JSON text, as the task takes it."""
        fitting = value if task is None else task.callee.fit(value, what)
        return encode_payload(fitting, what=what, bytes_max=self._limits.payload_bytes_max)

    def _with_secrets(self, parallel: Parallel, child: Child, spec: ChildSpec, places: list[Path]) -> ChildSpec:
        """Return a child whose input names secrets: on record stand their names, and where they stand."""
        what = f"input of child {spec.child_id!r}"
        if child.command is not None:
            raise UsageError(
                f"{what}: a command is given no secrets; it reads them itself, from its environment ($NAME) or from a"
                " file"
            )
        found = self._tasks.find(spec.task) if spec.task in self._tasks else None
        text = self._text(named(child.input), found, what)
        limits = self._child_limits(parallel, child, found) or ChildLimits()
        for key in child.keys:
            check_id(key, f"{what}: keys", self._limits)
        return spec.model_copy(
            update={"input": text, "limits": limits.model_copy(update={"secrets": pointers(places)})}
        )

    def _nested_text(self, parallel: Parallel, where: str, *, known: bool) -> str:
        """Return a parent inside a parent as the input of the child that it is. Raises UsageError, which says where."""
        try:
            text = self._nested(parallel, known=known).text()
        except UsageError as error:
            raise type(error)(f"{where}: {error}") from None
        most = self._limits.payload_bytes_max
        if len(text) > most:
            raise LimitExceededError(
                f"{where}: the parent in it has {len(text):,} bytes, more than the limit payload_bytes_max of {most:,}"
            )
        return text

    def _nested(self, parallel: Parallel, *, known: bool) -> NestedParent:
        most = self._limits.nesting_depth_max
        if parallel.depth >= most:
            raise LimitExceededError(f"parents are nested deeper than the limit nesting_depth_max of {most}")
        if parallel.over_time or parallel.open:
            raise UsageError("a parent inside a parent has all its children from the start: give them as a list")
        specs = self.children(parallel, parallel.listed, known=known)
        _require_possible(parallel, len(specs))
        state = self.state(parallel, specs)
        return NestedParent(
            strategy=state.strategy,
            max_workers=parallel.max_workers,
            on_decided=state.on_decided,
            content=state.content,
            timeout_seconds=state.timeout_seconds,
            metadata=state.metadata,
            retry_budget=state.retry_budget,
            weight=state.weight,
            priority=state.priority,
            children=tuple(nested_child(spec) for spec in specs),
        )

    def _child_limits(self, parallel: Parallel, child: Child, task: Task[..., Any] | None) -> ChildLimits | None:
        """Return a child's limits: its own, else those of its task, else those of the parent."""
        settings = NO_SETTINGS if task is None else task.settings
        retry = child.retry or settings.retry or parallel.retry
        limits = ChildLimits(
            timeout_seconds=child.timeout or settings.timeout or parallel.child_timeout,
            total_timeout_seconds=child.total_timeout or settings.total_timeout,
            queue_timeout_seconds=child.queue_timeout or settings.queue_timeout,
            heartbeat_timeout_seconds=child.heartbeat_timeout or settings.heartbeat_timeout,
            grace_seconds=settings.grace if child.grace is None else child.grace,
            fail_when_lost=True if child.on_lost == "fail" else None,
            priority=child.priority or None,
            keys=child.keys or None,
            **({} if retry is None else _retries(retry)),
        )
        return None if limits == _NO_LIMITS else limits


def _nested_limits(child: Child) -> ChildLimits | None:
    """Return the limits of a child that is a parent: its own alone.

    What its parent says of attempts is meant for work. It would cut a whole parent off, or run all of it again.
    """
    retries = {} if child.retry is None else _retries(child.retry)
    limits = ChildLimits(priority=child.priority or None, **retries)
    return None if limits == _NO_LIMITS else limits


def _retries(retry: Retry) -> dict[str, Any]:
    return {
        "max_attempts": retry.max_attempts,
        "initial_seconds": retry.initial_seconds,
        "backoff": retry.backoff,
        "max_seconds": retry.max_seconds,
        "jitter": retry.jitter or None,
        "retry_on": names_of_errors(retry.retry_on),
        "give_up_on": names_of_errors(retry.give_up_on),
    }


def task_of(child: Child) -> str:
    """Return the name under which the child's task is recorded, be it a built-in one."""
    if child.parallel is not None:
        return NESTED_TASK
    return SHELL_TASK if child.task is None else child.task


def _require_possible(parallel: Parallel, total: int) -> None:
    reason = impossible(parallel.rule(), total)
    if reason is not None:
        raise UsageError(f"strategy {parallel.rule().kind!r} can never succeed: it {reason}")


def throttle_rules(throttles: Sequence[Throttle]) -> tuple[ThrottleRule, ...]:
    """Return limits by key as the actors know them. Raises UsageError for what is none."""
    if not isinstance(throttles, list | tuple):
        raise UsageError(f"throttles are a list of Throttle, not {given.shown_value(throttles)}")
    for index, throttle in enumerate(throttles):
        _require(throttle, Throttle, f"throttles[{index}] is")
    return tuple(ThrottleRule(each.key, each.max_running, each.per_second, each.burst) for each in throttles)


def _require(value: object, kind: type, what: str) -> None:
    if not isinstance(value, kind):
        raise UsageError(f"{what} a {kind.__name__}, not {given.shown_value(value)}")


def check_id(text: str, what: str, limits: Limits) -> None:
    """Refuse an id that is empty, too long, or would garble a terminal or a log. Raises UsageError."""
    if not given.text(text, what).strip():
        raise UsageError(f"{what}: an id cannot be empty")
    if len(text) > limits.id_chars_max:
        raise LimitExceededError(
            f"{what}: {len(text):,} characters are more than the limit id_chars_max of {limits.id_chars_max}"
        )
    if not text.isprintable():
        raise UsageError(f"{what}: {text!r} has characters that cannot be printed")


def _digest(parallel: Parallel, specs: Sequence[ChildSpec], metadata: str | None) -> str:
    """Return the SHA-256 (hex) of everything that was asked for, without the defaults of this machine."""
    head = [
        parallel.rule().model_dump(exclude_none=True),
        parallel.max_workers,
        parallel.on_decided,
        parallel.timeout,
        metadata,
    ]
    later: dict[str, Any] = {
        "retry_budget": parallel.retry_budget,
        "weight": parallel.weight,
        "priority": parallel.priority or None,
        "children": _COMING if parallel.over_time else None,
        "open": parallel.open or None,
    }
    if parallel.over_time or parallel.open:  # their limits are not among those of the children that are known by now
        later["retry"] = None if parallel.retry is None else parallel.retry.model_dump(exclude_none=True)
        later["child_timeout"] = parallel.child_timeout
    given_later = {name: value for name, value in later.items() if value is not None}
    if given_later:  # so that what says nothing of them has the digest that it always had
        head.append(given_later)
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    limits_text: dict[int, str] = {id(None): ""}
    for child_id, task, text, own, _ in fields_of(specs):
        limits = limits_text.get(id(own))
        if limits is None and own is not None:
            limits = limits_text[id(own)] = json.dumps(own.model_dump(exclude_none=True), sort_keys=True)
        parts = (child_id, task, text, limits or "")
        digest.update("".join([f"{len(part)}:{part}" for part in parts]).encode())
    return digest.hexdigest()
