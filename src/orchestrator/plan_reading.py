"""From the nodes of a plan file to a `Plan`: the parent's own keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Literal, TypeVar

from events.limits import Limits
from events.payload import Json, encode_payload
from events.strategy import OnDecided, impossible
from orchestrator.creation import check_id
from orchestrator.definition import Parallel, Retry, StrategyLike, Threshold, parse_percent
from orchestrator.plan import Plan
from orchestrator.plan_children import Children, read_tasks
from orchestrator.plan_collection import read_collection
from orchestrator.plan_fields import Field
from orchestrator.plan_source import quoted, refusal
from orchestrator.plan_spelling import COUNT, PERCENT
from orchestrator.plan_yaml import Scalar, parse

R = TypeVar("R")

_COMMON: Final = (
    "id", "type", "strategy", "threshold", "max_failures", "min_finished", "max_workers", "timeout", "on_decided",
    "defaults", "metadata",
)  # fmt: skip
_KEYS: Final = {
    "parallel": (*_COMMON, "tasks"),
    "collection": (*_COMMON, "items", "item_var", "filter", "batch", "task"),
}
_REASONS: Final = {
    "parallel": dict.fromkeys(("items", "item_var", "filter", "batch", "task"), "goes with type: collection"),
    "collection": {"tasks": "goes with type: parallel; a collection has one task"},
}
_MEANINGS: Final[dict[str, tuple[Literal["all", "any"] | int | None, OnDecided | None]]] = {
    "all": ("all", None),
    "any": ("any", None),
    "threshold": (None, None),
    "wait_all": ("all", "continue"),
    "fail_fast": ("all", "cancel"),
    "best_effort": (1, "continue"),
    "race": ("any", "cancel"),
}


def read_plan(text: str, file: str, limits: Limits) -> Plan:
    """Return the plan of a YAML text. Raises InvalidPlanError, which names file, line and key."""
    node = parse(text, file)
    root = Field(file, node.line, "", node)
    kind = _read(root.fields(), "type", lambda field: field.choice(_KEYS)) or "parallel"
    fields = root.known_fields(_KEYS[kind], _REASONS[kind])
    own = _Parent(fields, limits).read()
    plan_id = _read(fields, "id", lambda field: _plan_id(field, limits))
    wanted = "tasks" if kind == "parallel" else "items"
    if wanted not in fields:
        raise refusal(file, root.line, wanted, f"is missing: a {kind} plan needs {wanted}")
    place = fields[wanted]
    if kind == "parallel":
        made = read_tasks(place, limits)
        return _whole(plan_id, fields, own, made)
    found = read_collection(fields, place, limits)
    if found.made is not None:
        return _whole(plan_id, fields, own, found.made)
    return Plan(plan_id, own.model_copy(update={"children": found.stream}), found.uses)


def _whole(plan_id: str | None, fields: dict[str, Field], own: Parallel, made: Children) -> Plan:
    """Return a plan whose children are all known."""
    _check_possible(fields, own, made)
    return Plan(plan_id, own.model_copy(update={"children": tuple(made.children)}), tuple(made.uses))


def _plan_id(field: Field, limits: Limits) -> str:
    text = field.text()
    field.sound(lambda: check_id(text, field.key, limits))
    return text


def _check_possible(fields: dict[str, Field], parallel: Parallel, made: Children) -> None:
    reason = impossible(parallel.rule(), len(made.children))
    if reason is not None:
        field = fields.get("threshold") or fields["strategy"]
        raise field.refuse(f"can never be met: it {reason}")


class _Parent:
    """Reads what a plan says of the parent itself."""

    def __init__(self, fields: dict[str, Field], limits: Limits) -> None:
        self._fields: Final = fields
        self._limits: Final = limits

    def read(self) -> Parallel:
        """Return the parent, without its children yet."""
        strategy, on_decided = self._strategy()
        defaults = self._of("defaults", lambda field: field.known_fields(("retries", "timeout"))) or {}
        retries = _read(defaults, "retries", lambda field: field.whole(0))
        return Parallel(
            strategy=strategy,
            on_decided=on_decided,
            max_workers=self._of("max_workers", self._max_workers),
            timeout=self._of("timeout", Field.seconds),
            retry=None if retries is None else Retry(max_attempts=retries + 1),
            child_timeout=_read(defaults, "timeout", Field.seconds),
            metadata=self._of("metadata", self._metadata) or {},
        )

    def _of(self, key: str, read: Callable[[Field], R]) -> R | None:
        return _read(self._fields, key, read)

    def _max_workers(self, field: Field) -> int:
        number, most = field.whole(1), self._limits.max_workers_max
        if number > most:
            raise field.refuse(f"{number:,} is more than the limit max_workers_max of {most:,}")
        return number

    def _metadata(self, field: Field) -> dict[str, Json]:
        value: dict[str, Json] = {key: inner.json() for key, inner in field.fields().items()}
        field.sound(lambda: self._check_metadata(value, field.key))
        return value

    def _check_metadata(self, value: dict[str, Json], key: str) -> None:
        encode_payload(value, what=key, bytes_max=self._limits.metadata_bytes_max, limit="metadata_bytes_max")

    def _strategy(self) -> tuple[StrategyLike, OnDecided]:
        name = self._of("strategy", lambda field: field.choice(_MEANINGS)) or "all"
        kind, implied = _MEANINGS[name]
        on_decided = self._on_decided(name, implied)
        if name == "threshold":
            return self._threshold(), on_decided
        for key in ("threshold", "max_failures", "min_finished"):
            if key in self._fields:
                raise self._fields[key].refuse(f"goes with strategy: threshold, not with {name}")
        return Threshold(count=kind) if isinstance(kind, int) else kind or "all", on_decided

    def _on_decided(self, name: str, implied: OnDecided | None) -> OnDecided:
        words: dict[str, OnDecided] = {"cancel": "cancel", "drain": "drain", "continue": "continue"}
        field = self._fields.get("on_decided")
        if field is None:
            return implied or "cancel"
        given = words[field.choice(words)]
        if implied is not None and given != implied:
            raise field.refuse(f"strategy {name} means on_decided: {implied}, not {given}")
        return given

    def _threshold(self) -> Threshold:
        field = self._fields.get("threshold")
        if field is None:
            raise self._fields["strategy"].refuse("needs a threshold: a number of tasks (3) or a percentage (80%)")
        needed = _share(field, least=1)
        failures = self._of("max_failures", lambda found: _share(found, least=0))
        finished = self._of("min_finished", lambda found: found.whole(1))
        if finished is not None and not isinstance(failures, str):
            raise self._fields["min_finished"].refuse("goes with a max_failures in percent")
        needs: dict[str, Any] = {"count": needed} if isinstance(needed, int) else {"percent": parse_percent(needed)}
        return field.sound(lambda: Threshold(**needs, max_failures=failures, min_finished=finished))


def _share(field: Field, *, least: int) -> int | str:
    """Return a number of tasks (also from text), or the text of a percentage."""
    node = field.node
    if not isinstance(node, Scalar) or node.kind != "str":
        return field.whole(least)
    if re.fullmatch(COUNT, node.text) and int(node.text) >= least:
        return int(node.text)
    if re.fullmatch(PERCENT, node.text) and (least == 0 or parse_percent(node.text) > 0):
        return node.text
    raise field.refuse(f"expected a number of tasks (3) or a percentage (80%), not {quoted(node.text)}")


def _read(fields: dict[str, Field], key: str, read: Callable[[Field], R]) -> R | None:
    field = fields.get(key)
    return None if field is None else read(field)
