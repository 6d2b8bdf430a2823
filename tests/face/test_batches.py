"""Cutting a stream of items into batches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.payload import encode_payload
from orchestrator import UsageError, batches

ITEMS = st.lists(st.integers() | st.text(max_size=8) | st.none() | st.lists(st.integers(), max_size=3), max_size=40)


def size(item: object) -> int:
    return len(encode_payload(item, what="it", bytes_max=10**6))


@given(ITEMS, st.integers(1, 6) | st.none(), st.integers(1, 40) | st.none())
def test_batches_hold_all_items_in_order_and_no_more_than_they_may(
    items: list[Any], most: int | None, bytes_max: int | None
) -> None:
    if most is None and bytes_max is None:
        return
    found = list(batches(items, count=most, bytes_max=bytes_max))
    assert [item for batch in found for item in batch] == items
    for number, batch in enumerate(found):
        following = found[number + 1] if number + 1 < len(found) else None
        held = sum(map(size, batch))
        assert 1 <= len(batch) <= (most or len(batch))
        assert bytes_max is None or held <= bytes_max or len(batch) == 1
        full = len(batch) == most or (
            following is not None and bytes_max is not None and held + size(following[0]) > bytes_max
        )
        assert full or following is None


def test_items_are_taken_as_batches_are_asked_for() -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    assert list(islice(batches(endless(), count=3), 2)) == [[0, 1, 2], [3, 4, 5]]
    assert len(taken) == 6


def test_a_large_item_is_a_batch_of_its_own() -> None:
    assert list(batches(["a", "x" * 50, "b", "c"], bytes_max=10)) == [["a"], ["x" * 50], ["b", "c"]]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({}, "needs a count, bytes_max, or both"),
        ({"count": 0}, "count is a whole number from 1, not 0"),
        ({"count": -1}, "not -1"),
        ({"count": True}, "not True"),
        ({"count": 1.5}, "not 1.5"),
        ({"count": 1, "bytes_max": 0}, "bytes_max is a whole number from 1, not 0"),
        ({"bytes_max": "64k"}, "not '64k'"),
    ],
)
def test_what_makes_no_batches_is_refused_at_once(bad: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        batches([1], **bad)


@pytest.mark.parametrize("items", [5, "text", b"bytes", None])
def test_what_holds_no_items_is_refused_at_once(items: Any) -> None:
    with pytest.raises(UsageError, match="takes an iterable of items"):
        batches(items, count=1)


def test_an_item_that_is_no_json_is_refused_where_its_size_counts() -> None:
    assert list(batches([{1}], count=1)) == [[{1}]]
    with pytest.raises(UsageError, match="item 1 is of type set"):
        list(batches([1, {2}], bytes_max=5))
