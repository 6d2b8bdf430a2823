"""The children of a collection: its one task, once for each item, or for each batch of items."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from events.payload import Json
from orchestrator.batching import batches_of
from orchestrator.definition import Child
from orchestrator.plan import Use
from orchestrator.plan_children import Children, PlanTask, read_task
from orchestrator.plan_fields import Field
from orchestrator.plan_filter import parse_filter
from orchestrator.plan_items import Item, ItemSource, read_source
from orchestrator.plan_pattern import Pattern
from orchestrator.plan_source import quoted, refusal
from orchestrator.plan_spelling import BYTES, NAME
from orchestrator.plan_yaml import Items, Mapping, Scalar
from orchestrator.streams import ChildStream

_UNITS: Final = {"": 1, "k": 1_024, "M": 1_048_576, "G": 1_073_741_824}


class Collection(NamedTuple):
    """What a collection is to do."""

    stream: ChildStream | None
    """What makes its children as they are needed; None where all of its items are known, and the children made."""
    uses: tuple[Use, ...]
    """The functions that they name."""


def read_collection(fields: dict[str, Field], items: Field, made: Children) -> Collection:
    """Add the children of a collection, whose own keys are `fields`, to those of its parent, if they are all known.

    Raises:
        InvalidPlanError: something does not fit.
    """
    limits = made.whole.limits
    source = read_source(items, limits)
    if "task" not in fields:
        raise refusal(items.file, items.line, "task", "is missing: a collection needs the task to do for each item")
    item_var, batch = _item_var(fields.get("item_var")), _batch(fields.get("batch"))
    task = read_task(fields["task"])
    pattern = Pattern(task, item_var, limits, batched=batch is not None)
    chosen = _Chosen(source, fields.get("filter"), item_var, batch)
    if source.listed:
        for index, item in enumerate(chosen.items()):
            pattern.add_to(made, item, index)
        return Collection(None, tuple(made.uses))

    def stream() -> Iterator[Child]:
        return (pattern.child(item, index) for index, item in enumerate(chosen.items()))

    used = task.use
    uses = (
        ()
        if used is None
        else (Use(used.text(), dict(task.given(task.arguments)), used.file, used.line, task.place.key),)
    )
    return Collection(ChildStream(stream, source.reading, _template(fields, task)), uses)


def _template(fields: dict[str, Field], task: PlanTask) -> dict[str, Json]:
    """Return what is done for each item as it is written: the task, the filter, the batch."""
    written = dict(fields["task"].fields())
    written.update({key: fields[key] for key in ("filter", "batch") if key in fields})
    return {key: task.arguments if key == "with" else _written(field) for key, field in sorted(written.items())}


def _written(field: Field) -> Json:
    """Return what stands in a place, whatever its scalars mean there."""
    if isinstance(field.node, Items):
        return [_written(item) for item in field.items()]
    if isinstance(field.node, Mapping):
        return {key: _written(inner) for key, inner in field.fields().items()}
    return field.node.text


def _item_var(place: Field | None) -> str:
    if place is None:
        return "item"
    text = place.text()
    if not re.fullmatch(NAME, text):
        raise place.refuse(f"expected a name of letters, digits and _, not {quoted(text)}")
    return text


@dataclass(frozen=True, slots=True)
class _Batch:
    """How many items go into one child at most, and how many bytes of their JSON texts."""

    count: int | None
    bytes_max: int | None


def _batch(place: Field | None) -> _Batch | None:
    if place is None:
        return None
    if not isinstance(place.node, Mapping):
        return _Batch(place.whole(1), None)
    fields = place.known_fields(("count", "bytes"))
    if not fields:
        raise place.refuse("needs count, bytes, or both")
    count, size = fields.get("count"), fields.get("bytes")
    return _Batch(None if count is None else count.whole(1), None if size is None else _bytes(size))


def _bytes(place: Field) -> int:
    if isinstance(place.node, Scalar) and place.node.kind == "str":
        found = re.fullmatch(BYTES, place.node.text)
        if found is None:
            raise place.refuse(f"expected a number of bytes such as 65536, 64k or 1M, not {quoted(place.node.text)}")
        return int(found[1]) * _UNITS[found[2]]
    return place.whole(1)


class _Chosen:
    """The items that pass the filter, in batches if need be."""

    def __init__(self, source: ItemSource, place: Field | None, item_var: str, batch: _Batch | None) -> None:
        self._source: Final = source
        self._test: Final = None if place is None else place.sound(partial(parse_filter, place.text(), item_var))
        self._batch: Final = batch

    def items(self) -> Iterator[Item]:
        """Read the items anew."""
        passing = self._passing()
        return passing if self._batch is None else self._batched(passing, self._batch)

    def _passing(self) -> Iterator[Item]:
        test = self._test
        for item in self._source.read():
            if test is None or item.place.sound(partial(test, item.value)):
                yield item

    def _batched(self, items: Iterator[Item], batch: _Batch) -> Iterator[Item]:
        """Yield lists of items; the place of the first one stands for the list."""
        for some in batches_of(items, batch.count, batch.bytes_max, lambda item: item.value):
            yield Item(some[0].place, [item.value for item in some])
