"""What a plan says of a parent itself, be it the whole plan or one of its tasks: strategy, limits, defaults."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, TypeVar

from events.limits import Limits
from events.payload import Json, encode_payload
from events.strategy import OnDecided
from orchestrator.definition import Parallel, Retry, StrategyLike, Threshold, parse_percent
from orchestrator.plan_fields import Field
from orchestrator.plan_source import quoted
from orchestrator.plan_spelling import COUNT, PERCENT
from orchestrator.plan_yaml import Scalar

R = TypeVar("R")

_COMMON: Final = (
    "id", "type", "strategy", "threshold", "max_failures", "min_finished", "max_workers", "timeout", "on_decided",
    "defaults", "metadata",
)  # fmt: skip
KEYS: Final = {
    "parallel": (*_COMMON, "tasks"),
    "collection": (*_COMMON, "items", "item_var", "filter", "batch", "task"),
}
"""The keys of each type of plan."""
REASONS: Final = {
    "parallel": dict.fromkeys(("items", "item_var", "filter", "batch", "task"), "goes with type: collection"),
    "collection": {"tasks": "goes with type: parallel; a collection has one task"},
}
"""Why some keys are none of a type."""
NESTED_KEYS: Final = {kind: (*keys, "retries") for kind, keys in KEYS.items()}
"""The keys of a task that is a parent itself."""
NESTED_REASONS: Final = {
    kind: {
        **dict.fromkeys(("run", "use", "with"), "goes with a task that runs something, not with a parent of tasks"),
        "on_lost": "goes with tasks that run something; say it of those inside",
        **reasons,
    }
    for kind, reasons in REASONS.items()
}
PARENT_REASONS: Final = {
    **{key: "goes with type: parallel" for key in _COMMON if key not in ("id", "type", "timeout")},
    "tasks": "goes with type: parallel",
    **REASONS["parallel"],
}
"""Why the keys of a parent are none of a task without a type."""
_MEANINGS: Final[dict[str, tuple[Literal["all", "any"] | int | None, OnDecided | None]]] = {
    "all": ("all", None),
    "any": ("any", None),
    "threshold": (None, None),
    "wait_all": ("all", "continue"),
    "fail_fast": ("all", "cancel"),
    "best_effort": (1, "continue"),
    "race": ("any", "cancel"),
}


class Defaults(NamedTuple):
    """What holds for tasks that say nothing else; it goes down to the tasks of parents inside a parent."""

    retries: int | None = None
    timeout: float | None = None
    """For one attempt, in seconds."""


def read_parent(fields: dict[str, Field], limits: Limits, inherited: Defaults) -> tuple[Parallel, Defaults]:
    """Return a parent without its children yet, and what goes down to those. Raises InvalidPlanError."""
    return _Parent(fields, limits).read(inherited)


def read_key(fields: dict[str, Field], key: str, read: Callable[[Field], R]) -> R | None:
    """Return what `read` makes of a key's value; None where it is not there."""
    field = fields.get(key)
    return None if field is None else read(field)


class _Parent:
    """Reads what a plan says of a parent itself."""

    def __init__(self, fields: dict[str, Field], limits: Limits) -> None:
        self._fields: Final = fields
        self._limits: Final = limits

    def read(self, inherited: Defaults) -> tuple[Parallel, Defaults]:
        """Return the parent, without its children yet."""
        strategy, on_decided = self._strategy()
        defaults = self._defaults(inherited)
        parallel = Parallel(
            strategy=strategy,
            on_decided=on_decided,
            max_workers=self._of("max_workers", self._max_workers),
            timeout=self._of("timeout", Field.seconds),
            retry=None if defaults.retries is None else Retry(max_attempts=defaults.retries + 1),
            child_timeout=defaults.timeout,
            metadata=self._of("metadata", self._metadata) or {},
        )
        return parallel, defaults

    def _of(self, key: str, read: Callable[[Field], R]) -> R | None:
        return read_key(self._fields, key, read)

    def _defaults(self, inherited: Defaults) -> Defaults:
        """Return the defaults, each of which is the outer parent's where this one has none of its own."""
        own = self._of("defaults", lambda field: field.known_fields(Defaults._fields)) or {}
        retries = read_key(own, "retries", lambda field: field.whole(0))
        timeout = read_key(own, "timeout", Field.seconds)
        return Defaults(
            inherited.retries if retries is None else retries, inherited.timeout if timeout is None else timeout
        )

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
