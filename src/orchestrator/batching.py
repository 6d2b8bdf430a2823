"""Many small items in one child: `batches` cuts a stream of items into lists, lazily."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from events.errors import UsageError
from events.limits import DEFAULT_LIMITS
from events.payload import Json, encode_payload
from orchestrator import given

T = TypeVar("T")


def batches(items: Iterable[T], *, count: int | None = None, bytes_max: int | None = None) -> Iterator[list[T]]:
    """Yield the items in lists of at most `count` items, and at most `bytes_max` bytes of their JSON texts together.

    Items are taken as lists are asked for, so this is fit for streams without end. An item larger than `bytes_max` is
    a list of its own. With `bytes_max`, items are JSON values.

    Raises:
        UsageError: neither is given, or one is no whole number from 1; at once. An item that is no JSON value, or
            larger than the limit `payload_bytes_max`; when its turn comes.
    """
    if count is None and bytes_max is None:
        raise UsageError("batches needs a count, bytes_max, or both")
    for name, value in (("count", count), ("bytes_max", bytes_max)):
        if value is not None and (type(value) is not int or value < 1):
            raise UsageError(f"batches: {name} is a whole number from 1, not {given.shown_value(value)}")
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise UsageError(f"batches takes an iterable of items, not {given.shown_value(items)}")
    return batches_of(items, count, bytes_max, lambda item: item)


def batches_of(
    items: Iterable[T], count: int | None, bytes_max: int | None, value_of: Callable[[T], Json]
) -> Iterator[list[T]]:
    """Do what `batches` does, unchecked; `value_of` gives the value whose JSON text is measured."""
    batch: list[T] = []
    held = 0
    for number, item in enumerate(items):
        size = 0 if bytes_max is None else _size(value_of(item), number)
        if batch and bytes_max is not None and held + size > bytes_max:
            yield batch
            batch, held = [], 0
        batch.append(item)
        held += size
        if len(batch) == count:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _size(item: object, number: int) -> int:
    return len(encode_payload(item, what=f"item {number}", bytes_max=DEFAULT_LIMITS.payload_bytes_max))
