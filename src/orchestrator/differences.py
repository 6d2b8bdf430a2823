"""What differs between a run on record and one that was asked for under the same id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from events.commands import ChildSpec, Command, CreateParent, PrepareChildren
from events.errors import ContentConflictError
from events.facts import ChildLimits, ChildPrepared, ParentCreated
from events.log.store import EventLog
from events.payload_files import same_payload
from events.strategy import Strategy
from orchestrator.item_notes import note_parts

_SHOWN: Final = 3
"""How many children of each kind are named."""
_CHARS_MAX: Final = 80
_FIELDS: Final = (
    *("strategy", "max_workers", "on_decided", "timeout_seconds", "metadata", "retry_budget", "weight", "priority"),
    "within",
)
_AS_IF: Final = {"weight": 1, "priority": 0}
"""What holds where nothing is said."""


def explained(
    log: EventLog, parent_id: str, commands: Sequence[Command], error: ContentConflictError
) -> ContentConflictError:
    """Return an error that says what the commands ask for and the record has not, and the other way round."""
    created: ParentCreated | None = None
    prepared: dict[str, ChildPrepared] = {}
    for record in log.read(parent_id):
        if isinstance(record.fact, ParentCreated):
            created = record.fact
        elif isinstance(record.fact, ChildPrepared):
            prepared[record.fact.child_id] = record.fact
    if created is None:
        return error
    create = next((command for command in commands if isinstance(command, CreateParent)), None)
    parts = [] if create is None else list(_parent_parts(created, create))
    lists = [command.children for command in commands if isinstance(command, PrepareChildren)]
    if lists or create is None:
        asked = {spec.child_id: spec for children in lists for spec in children}
        parts += _children_parts(prepared, asked, whole=create is not None)
    elif prepared and len(commands) > 1:
        parts += _children_parts(prepared, {}, whole=True)
    if not parts:
        parts = ["max_workers, which was given once and left out once"]
    said = "; ".join(parts)
    return ContentConflictError(
        f"run {parent_id!r}: a run of this id exists with other content: {said}. "
        "Use another id, or the very same content"
    )


def _parent_parts(created: ParentCreated, create: CreateParent) -> Iterator[str]:
    for name in _FIELDS:
        had, asks = getattr(created, name), getattr(create, name)
        had, asks = (_AS_IF.get(name) if value is None else value for value in (had, asks))
        if had != asks and name == "metadata":
            yield from note_parts(created.metadata, create.metadata)
        elif had != asks:
            yield f"{name} was {_shown(had)} and now is {_shown(asks)}"


def _children_parts(prepared: dict[str, ChildPrepared], asked: dict[str, ChildSpec], *, whole: bool) -> Iterator[str]:
    """Say which children differ. Unless the `whole` run is asked for, those on record may be more."""
    missing = [child_id for child_id in prepared if child_id not in asked] if whole else []
    extra = [child_id for child_id in asked if child_id not in prepared] if whole else []
    changed = {
        child_id: said
        for index, (child_id, spec) in enumerate(asked.items())
        if child_id in prepared and (said := _child_parts(prepared[child_id], spec, index if whole else None))
    }
    if whole and len(prepared) != len(asked):
        yield f"it had {_many(len(prepared))} and now has {len(asked):,}"
    if missing:
        yield f"{_many(len(missing))} missing now: {_some(map(repr, missing), len(missing))}"
    if extra:
        yield f"{_many(len(extra))} new: {_some(map(repr, extra), len(extra))}"
    if changed:
        told = (f"{child_id!r} ({', '.join(said)})" for child_id, said in changed.items())
        yield f"{_many(len(changed))} changed: {_some(told, len(changed))}"


def _child_parts(had: ChildPrepared, asks: ChildSpec, index: int | None) -> list[str]:
    parts = []
    if had.task != asks.task:
        parts.append(f"task was {had.task!r} and now is {asks.task!r}")
    if not same_payload(had.input, had.input_file, asks.input, asks.input_file):
        parts.append(f"input was {_input(had)} and now is {_input(asks)}")
    if had.limits != asks.limits:
        parts += _limit_parts(had.limits or ChildLimits(), asks.limits or ChildLimits())
    if not parts and index is not None and had.index != index:
        parts.append(f"index was {had.index} and now is {index}")
    return parts


def _limit_parts(had: ChildLimits, asks: ChildLimits) -> list[str]:
    names = [name for name in ChildLimits.model_fields if getattr(had, name) != getattr(asks, name)]
    return [f"{name} was {_shown(getattr(had, name))} and now is {_shown(getattr(asks, name))}" for name in names]


def _input(child: ChildPrepared | ChildSpec) -> str:
    if child.input_file is not None:
        return f"{child.input_file.bytes:,} bytes with the hash {child.input_file.sha256[:12]}…"
    return _cut(child.input)


def _shown(value: Any) -> str:
    if isinstance(value, Strategy):
        fields = value.model_dump(exclude_none=True)
        kind = fields.pop("kind")
        return f"{kind}({', '.join(f'{name}={each}' for name, each in fields.items())})" if fields else str(kind)
    return "not given" if value is None else _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= _CHARS_MAX else f"{text[:_CHARS_MAX]}…"


def _many(number: int) -> str:
    return "1 child" if number == 1 else f"{number:,} children"


def _some(told: Iterable[str], number: int) -> str:
    more = number - _SHOWN
    return ", ".join([*islice(told, _SHOWN), *([f"and {more:,} more"] if more > 0 else [])])
