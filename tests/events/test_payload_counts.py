"""How many values a payload may have: each is counted as often as it comes, and the first wrong one is told."""

from __future__ import annotations

from math import nan
from typing import Any

import pytest

from events import payload
from events.errors import InvalidPayloadError, LimitExceededError
from events.payload import check_json, encode_payload


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(payload, "_VALUES_MAX", 5)
    return 5


@pytest.mark.parametrize("value", [1, [1, 2, 3, 4], {"a": 1, "b": 2, "c": 3, "d": 4}, [[1, 2], 3], [[[[1]]]], [[], []]])
def test_as_many_values_as_are_allowed_are_fine(value: Any, few: int) -> None:
    check_json(value, what="it")


@pytest.mark.parametrize("value", [[1, 2, 3, 4, 5], [[1, 2, 3], 4], [[[[[1]]]]], [[1, 1], [1, 1], 1]])
def test_one_more_is_refused(value: Any, few: int) -> None:
    with pytest.raises(LimitExceededError, match=r"^it has more than 5 values$"):
        check_json(value, what="it")


@pytest.mark.parametrize("value", [[nan, 1, 2, 3, 4], [[1, 1], [1, 1], nan]])
def test_too_many_values_are_told_before_those_that_come_after(value: Any, few: int) -> None:
    with pytest.raises(LimitExceededError):
        check_json(value, what="it")


@pytest.mark.parametrize(("value", "path"), [([[1, 2], nan], "[1]"), ([1, 2, 3, nan], "[3]"), ({"a": [nan]}, "a[0]")])
def test_the_last_value_that_is_allowed_is_looked_at(value: Any, path: str, few: int) -> None:
    with pytest.raises(InvalidPayloadError) as caught:
        check_json(value, what="it")
    assert str(caught.value).startswith(f"it at {path} is nan")


def test_a_value_may_be_so_deep_and_no_deeper() -> None:
    value: Any = 1
    for _ in range(200):
        value = [value]
    check_json(value, what="it")
    with pytest.raises(InvalidPayloadError, match=r"^it is nested more than 200 levels deep$"):
        check_json([value], what="it")


def test_what_comes_often_counts_each_time_and_is_looked_at_once() -> None:
    many: Any = [0] * 1_000
    many = [many] * 1_000
    check_json([many] * 60, what="it")
    with pytest.raises(LimitExceededError, match="more than 67,108,864 values"):
        check_json([many] * 70, what="it")


def test_each_value_takes_a_byte_at_least() -> None:
    assert encode_payload([1, 2], what="it", bytes_max=5) == "[1,2]"
    with pytest.raises(LimitExceededError, match="it has 5 bytes as JSON, more than the limit payload_bytes_max of 4"):
        encode_payload([1, 2], what="it", bytes_max=4)
    with pytest.raises(LimitExceededError, match="it has more values than fit into the limit payload_bytes_max of 2 b"):
        encode_payload([1, 2], what="it", bytes_max=2)
