"""User data as JSON text: what is read back is what was given, or it is refused with the place where it goes wrong."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, namedtuple
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.errors import InvalidPayloadError, LimitExceededError, StoreDamagedError, UsageError
from events.payload import decode_payload, encode_payload

ANY_TEXT = st.text(st.characters(), max_size=8)  # lone surrogates included
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**4000) + 1, 10**4000 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=20,
)


def encode(value: Any, bytes_max: int = 1_000_000) -> str:
    return encode_payload(value, what="input of child 'a'", bytes_max=bytes_max)


def strict(value: Any) -> Any:
    """Return a value with every type told apart: 1, 1.0, True and "1" differ, and so do 0.0 and -0.0."""
    if isinstance(value, dict):
        return [(key, strict(item)) for key, item in value.items()]
    if isinstance(value, list):
        return ["list", *(strict(item) for item in value)]
    return type(value).__name__, repr(value)


def kind(value: object) -> str:
    """Name a case by its type: not everything here can be printed."""
    return type(value).__name__


@given(value=VALUES)
@settings(max_examples=300, deadline=None, print_blob=True)
def test_what_is_read_back_is_what_was_given_or_it_is_refused(value: Any) -> None:
    try:
        text = encode(value)
    except InvalidPayloadError as error:
        assert "two surrogates" in str(error)  # noqa: PT017 - the only reason there can be
        return
    assert text.isascii()
    assert strict(decode_payload(text)) == strict(value)
    assert encode(decode_payload(text)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (-0.0, "-0.0"),
        (1e308, "1e+308"),
        (5e-324, "5e-324"),
        (0.1, "0.1"),
        ("é\n", '"\\u00e9\\n"'),
        ("\ud800", '"\\ud800"'),
        ("\udc00\ud800", '"\\udc00\\ud800"'),
        ([], "[]"),
        ({}, "{}"),
        ({"": {"b": [1, None]}}, '{"":{"b":[1,null]}}'),
        ({"b": 1, "a": 2}, '{"b":1,"a":2}'),
        ({"_type_": "os:system", "_data_": "true"}, '{"_type_":"os:system","_data_":"true"}'),
        ({"v": 2}, '{"v":2}'),
    ],
    ids=kind,
)
def test_values_and_their_text(value: Any, text: str) -> None:
    assert encode(value) == text
    assert strict(decode_payload(text)) == strict(value)


def test_tuples_become_lists() -> None:
    assert decode_payload(encode(((1, ()), {"a": (2,)}))) == [[1, []], {"a": [2]}]


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    LOW = 1


class Text(str):
    __slots__ = ()


class Hostile:
    def __repr__(self) -> str:
        raise SystemExit("repr")

    def __hash__(self) -> int:
        return 1


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "input of child 'a' is nan, which JSON cannot hold"),
        ([1, float("inf")], r"at \[1\] is inf"),
        ({"a": [{"b": float("-inf")}]}, r"at a\[0\]\.b is -inf"),
        ({1, 2}, "is of type set"),
        (frozenset(), "is of type frozenset"),
        (b"a", "is of type bytes"),
        (1j, "is of type complex"),
        (object(), "is of type object"),
        (Hostile(), "is of type Hostile"),
        (Decimal(1), "is of type Decimal"),
        (datetime(2026, 1, 1, tzinfo=UTC), "is of type datetime"),
        (Colour.RED, "is of type Colour"),
        (Level.LOW, "is of type Level"),
        (Text("a"), "is of type Text"),
        (Point(1, 2), "is of type Point"),
        (Counter("a"), "is of type Counter"),
        (OrderedDict(a=1), "is of type OrderedDict"),
        (range(3), "is of type range"),
        (iter(()), "is of type tuple_iterator"),
        ({1: "a"}, "has a key of type int; JSON keys are strings"),
        ({10**5000: "a"}, "has a key of type int"),
        ({"a": {None: 1}}, "at a has a key of type NoneType"),
        ({True: 1}, "has a key of type bool"),
        ({("a", "b"): 1}, "has a key of type tuple"),
        ({Text("a"): 1}, "has a key of type Text"),
        ({Hostile(): 1}, "has a key of type Hostile"),
        ([10**4000], r"at \[0\] is an integer of more than 4000 digits"),
        (-(10**5000), "is an integer of more than 4000 digits"),
        ("\ud83d\ude00", "two surrogates"),
        ({"\ud83d\ude00": 1}, "two surrogates"),
    ],
    ids=kind,
)
def test_what_json_cannot_hold_is_refused_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(InvalidPayloadError, match=message) as caught:
        encode(value)
    assert str(caught.value).startswith("input of child 'a'")
    assert isinstance(caught.value, UsageError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("value", [10**4000 - 1, -(10**4000) + 1, 2**12_001, 10**3_999], ids=kind)
def test_integers_up_to_four_thousand_digits_come_back(value: int) -> None:
    assert decode_payload(encode(value)) == value


def nested(depth: int, *, in_dicts: bool) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = {"a": value} if in_dicts else [value]
    return value


@pytest.mark.parametrize("in_dicts", [True, False])
def test_depth_has_a_limit(in_dicts: bool) -> None:
    fits = nested(200, in_dicts=in_dicts)
    assert decode_payload(encode(fits)) == fits
    for depth in (201, 5_000):
        with pytest.raises(InvalidPayloadError, match="nested more than 200 levels deep"):
            encode(nested(depth, in_dicts=in_dicts))


def test_what_holds_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidPayloadError, match="nested more than"):
        encode(circle)


def test_size_has_a_limit_in_bytes_of_json_text() -> None:
    assert encode("a" * 98, bytes_max=100) == '"' + "a" * 98 + '"'
    with pytest.raises(LimitExceededError, match="101 bytes as JSON, more than the limit payload_bytes_max of 100"):
        encode("a" * 99, bytes_max=100)
    with pytest.raises(LimitExceededError, match="has 602 bytes"):
        encode("é" * 100, bytes_max=600)


def test_any_json_reader_can_read_it() -> None:
    value = {"a": [1, 2.5, None, True, "\u2028\0"], "b": {"c": []}}
    assert json.loads(encode(value), parse_constant=pytest.fail) == value


def test_a_value_of_more_values_than_bytes_are_allowed_is_refused_before_it_is_written() -> None:
    with pytest.raises(LimitExceededError, match=r"^input of child 'a' has 199 bytes as JSON"):
        encode([0] * 99, bytes_max=100)
    with pytest.raises(LimitExceededError, match=r"has more values than fit into the limit .* of 100 bytes"):
        encode([0] * 100, bytes_max=100)
    with pytest.raises(LimitExceededError, match="has more values"):
        encode({"a": [0] * 99, "b": 0}, bytes_max=100)


def test_what_holds_the_same_value_very_often_is_refused_soon() -> None:
    value: list[Any] = [0] * 10
    for _ in range(40):
        value = [value] * 10
    with pytest.raises(LimitExceededError, match="has more values"):
        encode(value, bytes_max=1_000)


def test_that_holds_however_much_is_allowed_and_wherever_it_lies() -> None:
    """What came before is not looked at again: but where it lies deeper than then."""
    wide: list[Any] = [1] * 70
    for _ in range(150):
        wide = [wide, wide]
    with pytest.raises(LimitExceededError, match="more values than fit"):
        encode(wide, bytes_max=10**12)
    deep: list[Any] = [0] * 70
    for _ in range(150):
        deep = [deep]
    assert json.loads(encode([deep, deep])) == [deep, deep]
    below: list[Any] = [deep]
    for _ in range(60):
        below = [below]
    with pytest.raises(InvalidPayloadError, match="more than 200 levels"):
        encode([deep, below])
    again = [*range(100)]
    assert json.loads(encode({"a": again, "b": [again, {"c": again}]})) == {"a": again, "b": [again, {"c": again}]}
    with pytest.raises(LimitExceededError):
        encode([again, again], bytes_max=150)


@pytest.mark.parametrize("text", ["", "{", "nonsense", "[1,]", "[" * 100_000])
def test_a_text_on_record_that_is_no_json_is_damage(text: str) -> None:
    with pytest.raises(StoreDamagedError, match="on record is no JSON: "):
        decode_payload(text)
