"""Annotations: what is given and returned comes back as what it was, or is refused."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NamedTuple, TypeVar, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from actors.executors.calling import call_task
from actors.executors.conversion import Conversion, conversion_of, same
from actors.executors.signature import TaskSignature
from events.errors import InvalidPayloadError
from events.payload import decode_payload, encode_payload

if TYPE_CHECKING:
    Missing = Any  # an annotation that cannot be found when the code runs

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Weekday(enum.IntEnum):
    MONDAY = 1
    SUNDAY = 7


class Point(NamedTuple):
    x: int
    when: date


class Options(TypedDict):
    depth: int
    mask: bytes


@dataclass
class Digest:
    raw: bytes
    at: datetime
    tags: set[str] = field(default_factory=set)


class Inner(BaseModel):
    amount: Decimal
    span: timedelta


class Report(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    id: UUID
    inner: Inner | None = None
    points: tuple[Point, ...] = ()
    raw: bytes = b""
    renamed: int = Field(default=0, alias="otherName")


class Box(BaseModel, Generic[T]):
    content: T


def through(annotation: Any, value: Any) -> Any:
    """Take a value to its text on record and back."""
    conversion = conversion_of(annotation)
    assert conversion is not None
    text = encode_payload(conversion.to_json(value, "it"), what="it", bytes_max=10**9)
    return conversion.from_json(decode_payload(text), "it")


INTEGERS = st.integers(-(2**70), 2**70)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
DATETIMES = st.datetimes(
    timezones=st.none()
    | st.builds(
        timezone,
        st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
            lambda span: timedelta(minutes=span // timedelta(minutes=1))
        ),
    )
)
SPANS = st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000))
DATES = st.dates()
POINTS = st.builds(Point, INTEGERS, DATES)
DIGESTS = st.builds(Digest, st.binary(max_size=20), DATETIMES, st.sets(TEXTS, max_size=3))
INNERS = st.builds(Inner, amount=DECIMALS, span=SPANS)
REPORTS = st.builds(
    Report,
    id=st.uuids(),
    inner=st.none() | INNERS,
    points=st.lists(POINTS, max_size=3).map(tuple),
    raw=st.binary(max_size=9),
    otherName=INTEGERS,
)

KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, INTEGERS),
    (float, FLOATS),
    (str, TEXTS),
    (bool, st.booleans()),
    (None, st.none()),
    (int | None, st.none() | INTEGERS),
    (int | str | float | None, st.none() | INTEGERS | TEXTS | FLOATS),
    (datetime, DATETIMES),
    (date, DATES),
    (time, st.times()),
    (timedelta, SPANS),
    (UUID, st.uuids()),
    (Decimal, DECIMALS),
    (bytes, st.binary(max_size=50)),
    (Path, st.just(Path("a/b"))),
    (Colour, st.sampled_from(Colour)),
    (Weekday, st.sampled_from(Weekday)),
    (Literal["a", 3], st.sampled_from(["a", 3])),
    (set[int], st.sets(INTEGERS, max_size=5)),
    (frozenset[date], st.frozensets(DATES, max_size=5)),
    (tuple[int, str, bytes], st.tuples(INTEGERS, TEXTS, st.binary(max_size=5))),
    (tuple[Decimal, ...], st.lists(DECIMALS, max_size=4).map(tuple)),
    (list[datetime], st.lists(DATETIMES, max_size=4)),
    (dict[int, bytes], st.dictionaries(INTEGERS, st.binary(max_size=5), max_size=4)),
    (dict[date, list[UUID]], st.dictionaries(DATES, st.lists(st.uuids(), max_size=2), max_size=3)),
    (Point, POINTS),
    (Options, st.fixed_dictionaries({"depth": INTEGERS, "mask": st.binary(max_size=5)})),
    (Digest, DIGESTS),
    (list[Digest], st.lists(DIGESTS, max_size=3)),
    (Inner, INNERS),
    (Report, REPORTS),
    (Box[datetime], st.builds(Box[datetime], content=DATETIMES)),
    (dict[str, Report | None], st.dictionaries(TEXTS, st.none() | REPORTS, max_size=2)),
    (date | timedelta, DATES | SPANS),
    (Annotated[int, Field(ge=0)], st.integers(0, 100)),
]


@pytest.mark.parametrize(("annotation", "values"), KINDS, ids=lambda part: str(part)[:40])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_is_returned_comes_back_as_what_it_was(
    annotation: Any, values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    value = data.draw(values)
    assert same(through(annotation, value), value)


REFUSED: list[tuple[Any, Any]] = [
    (int, "1"),
    (int, True),
    (int, 1.0),
    (int, None),
    (str, b"a"),
    (float, "1"),
    (float, True),
    (bool, 1),
    (list, (1, 2)),
    (dict, [1]),
    (None, 0),
    (int | None, "1"),
    (datetime, "2026-01-01T00:00:00"),
    (datetime, date(2026, 1, 1)),
    (set[int], [1]),
    (tuple[int, ...], [1]),
    (Colour, "red"),
    (UUID, "00000000-0000-0000-0000-000000000000"),
    (Decimal, Decimal("NaN")),
    (Decimal, Decimal("Infinity")),
    (list[float], [math.nan]),
    (tuple[float, ...], (math.inf,)),
    (list[str], ["\ud800"]),
    (Digest, {"raw": b"", "at": datetime(2026, 1, 1, tzinfo=UTC)}),
    (Annotated[int, Field(ge=0)], -1),
    (list[Any] | date, [{1, 2}]),
    (set[int] | list[int], {1, 2}),
    (str | Decimal, Decimal("1.5")),
    (dict[tuple[int, int], int], {(1, 2): 3}),
]


@pytest.mark.parametrize(("annotation", "value"), REFUSED, ids=lambda part: str(part)[:40])
def test_what_does_not_fit_or_would_not_come_back_is_refused(annotation: Any, value: Any) -> None:
    with pytest.raises(InvalidPayloadError, match="it"):
        through(annotation, value)


class Base(BaseModel):
    x: int


class Derived(Base):
    y: int = 0


def test_what_would_lose_a_part_is_refused() -> None:
    with pytest.raises(InvalidPayloadError, match="would not be read back as it is: its annotation is Base"):
        through(Base, Derived(x=1, y=2))
    assert through(Derived, Derived(x=1, y=2)) == Derived(x=1, y=2)


def test_bytes_that_a_model_would_garble_say_what_to_do() -> None:
    class Garbled(BaseModel):
        raw: bytes

    assert through(Garbled, Garbled(raw=b"text")).raw == b"text"
    with pytest.raises(InvalidPayloadError, match="ser_json_bytes"):
        through(Garbled, Garbled(raw=b"\xff"))


def test_a_time_in_a_zone_comes_back_at_the_same_offset() -> None:
    twice = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    back = through(datetime, twice)
    assert back.astimezone(UTC) == twice.astimezone(UTC)
    assert back.utcoffset() == timedelta(hours=1)


class Opaque:
    pass


@dataclass
class Unfinished:
    part: Missing


@pytest.mark.parametrize(
    "annotation",
    [
        Any,
        object,
        T,
        Opaque,
        list[Opaque],
        Unfinished,
        list[Unfinished],
        Callable[[], int],
        Iterable[int],
        Iterator[str],
        list[Iterable[int]],
        3,
    ],
    ids=str,
)
def test_what_pydantic_cannot_tell_counts_as_no_annotation(annotation: Any) -> None:
    assert conversion_of(annotation) is None


def test_a_message_says_what_where_and_why() -> None:
    conversion = conversion_of(dict[str, list[int]])
    assert conversion is not None
    with pytest.raises(InvalidPayloadError) as caught:
        conversion.to_json({"a": [1, "b", "c"]}, "output of child 'x'")
    assert str(caught.value) == (
        "output of child 'x' at a[1] does not fit its annotation dict[str, list[int]]: "
        "must be a whole number (and 1 more)"
    )


@settings(max_examples=200, deadline=None)
@given(
    annotation=st.sampled_from([int, str, bool, float, None, list, dict, int | None, str | float, list | dict]),
    value=st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS | st.lists(INTEGERS) | st.dictionaries(TEXTS, INTEGERS),
)
def test_the_quick_way_accepts_nothing_that_the_long_way_refuses(annotation: Any, value: Any) -> None:
    quick = conversion_of(annotation)
    assert quick is not None
    outcomes = []
    for conversion in (quick, Conversion(annotation, frozenset())):
        try:
            outcomes.append(json.dumps(conversion.to_json(value, "it")))
        except InvalidPayloadError:
            outcomes.append("refused")
    assert outcomes[0] == outcomes[1]


# Tasks


def call(function: Callable[..., Any], given: Any) -> Any:
    text = encode_payload(given, what="input", bytes_max=10**6)
    signature = TaskSignature(function, "work")
    return decode_payload(call_task(signature, text, what="child 'a'", bytes_max=10**6))


def test_arguments_reach_the_task_as_their_types() -> None:
    seen: list[Any] = []

    def work(when: datetime, digest: Digest, plain: Any = None, *, count: int = 1, **more: Decimal) -> list[date]:
        seen.extend((when, digest, plain, count, more))
        return [when.date()]

    given = {
        "when": "2026-11-24T10:00:00Z",
        "digest": {"raw": "_w==", "at": "2026-01-01T00:00:00", "tags": ["x"]},
        "plain": [1],
        "other": "1.50",
    }
    assert call(work, given) == ["2026-11-24"]
    digest = Digest(b"\xff", datetime.fromisoformat("2026-01-01"), {"x"})  # a time without a zone
    assert seen == [datetime(2026, 11, 24, 10, tzinfo=UTC), digest, [1], 1, {"other": Decimal("1.50")}]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "input of child 'a': task 'work' needs 'x' (it takes 'x', 'y')"),
        ({"x": 1, "z": 2, "w": 3}, "input of child 'a': task 'work' has no argument 'w', 'z' (it takes 'x', 'y')"),
        ({"z": 2}, "task 'work' has no argument 'z' and needs 'x'"),
        ({"x": "1"}, "input of child 'a': argument 'x' of task 'work' does not fit its annotation int"),
        ("1", "argument 'x' of task 'work' does not fit its annotation int"),
        (None, "task 'work' needs 'x'"),
    ],
)
def test_an_input_that_does_not_fit_says_child_task_and_argument(given: Any, message: str) -> None:
    def work(x: int, y: str = "") -> None: ...

    with pytest.raises(InvalidPayloadError) as caught:
        call(work, given)
    assert message in str(caught.value)


def test_an_input_that_is_no_dict_is_the_only_argument() -> None:
    def work(x: date) -> str:
        return x.isoformat()

    def nothing() -> int:
        return 1

    def named(*, x: int) -> int:
        return x

    assert call(work, "2026-01-01") == "2026-01-01"
    assert call(nothing, None) == 1
    with pytest.raises(InvalidPayloadError, match="takes arguments by name"):
        call(named, 1)


def test_a_result_that_does_not_fit_fails_and_says_so() -> None:
    def work(value: Any) -> dict[str, int]:
        return cast("dict[str, int]", value)

    assert call(work, {"value": {"a": 1}}) == {"a": 1}
    with pytest.raises(
        InvalidPayloadError, match=r"output of child 'a' at a does not fit its annotation dict\[str, int\]"
    ):
        call(work, {"value": {"a": "b"}})


def test_a_coroutine_is_typed_by_what_it_gives() -> None:
    async def work(when: date) -> timedelta:
        return timedelta(days=when.day)

    assert call(work, {"when": "2026-01-03"}) == "P3D"


def test_annotations_that_cannot_be_found_count_as_none() -> None:
    def work(x: Missing, y: int) -> Missing:
        return [x, y]

    assert call(work, {"x": {"a": 1}, "y": 2}) == [{"a": 1}, 2]
    with pytest.raises(InvalidPayloadError, match="argument 'y'"):
        call(work, {"x": 1, "y": "2"})
