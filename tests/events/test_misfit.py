"""What pydantic finds is told in plain words: where it is, and what the value must be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from events.misfit import misfit, plain


def even(value: int) -> int:
    if value % 2:
        raise ValueError("is odd")
    return value


class Opaque:
    """A class that pydantic knows nothing of."""


class Inner(BaseModel):
    """A model inside a model."""

    model_config = ConfigDict(strict=True)

    number: int = 0


@dataclass
class Basket:
    """A dataclass inside a model."""

    number: int = 0


class Outer(BaseModel):
    """One field for each thing that may be wrong."""

    model_config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)

    whole: int = 0
    loose: Annotated[int, Field(strict=False)] = 0
    real: float = 0.0
    finite: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    text: str = ""
    flag: bool = False
    pairs: dict[str, int] = {}
    many: list[int] = []
    fixed: tuple[int, ...] = ()
    least: Annotated[int, Field(ge=1)] = 1
    above: Annotated[float, Field(gt=2.5)] = 3.0
    most: Annotated[float, Field(le=1)] = 1.0
    below: Annotated[int, Field(lt=5)] = 1
    many_more: Annotated[int, Field(ge=1_000_000)] = 1_000_000
    inner: Inner = Inner()
    opaque: Opaque | None = None
    word: Literal["a", "b"] = "a"
    day: date | None = None
    raw: Annotated[bytes, Field(min_length=2)] = b"ab"
    name: Annotated[str, Field(min_length=2)] = "ab"
    few: Annotated[list[int], Field(max_length=1)] = []
    pair: Annotated[tuple[int, ...], Field(min_length=2)] = (1, 2)
    unlike: Annotated[set[int], Field(min_length=2)] = {1, 2}
    filled: Annotated[dict[str, int], Field(min_length=1)] = {"a": 1}
    pairwise: Annotated[int, AfterValidator(even)] = 0
    either: Annotated[int, Field(ge=1)] | Annotated[str, Field(min_length=2)] = 1
    bounds: Annotated[int, Field(ge=3)] | Annotated[float, Field(gt=2.5)] | Inner = 3
    same: int | Annotated[int, AfterValidator(even)] = 0
    worded: Literal["a"] | bool = "a"
    known: Annotated[int, AfterValidator(even)] | Annotated[str, AfterValidator(str.lower)] = 0
    held: Opaque | str = ""
    shorter: Annotated[int, Field(lt=5)] | Annotated[float, Field(lt=2.5)] = 0
    endless: Annotated[float, Field(allow_inf_nan=False)] | str = ""
    rows: Annotated[list[int], AfterValidator(list)] | Annotated[int, Field(ge=1)] = 1
    point: Annotated[tuple[int, ...], AfterValidator(tuple)] | Annotated[int, Field(ge=1)] = 1
    text_first: str | Annotated[int, Field(ge=1)] = ""
    even_first: Annotated[int, AfterValidator(even)] | Annotated[int, Field(ge=3)] = 4
    inners: dict[str, Inner] = {}
    listed: int | list[Inner] = 0
    nested: list[list[int] | None] = []


class Loose(BaseModel):
    """A model that takes what can be made to fit."""

    needed: int
    basket: Basket = Basket()


def found(**fields: Any) -> tuple[str, str, Any]:
    with pytest.raises(ValidationError) as caught:
        Outer(**fields)
    return misfit(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("whole", "1", "must be a whole number"),
        ("loose", 2.5, "must be a whole number"),
        ("real", "x", "must be a number"),
        ("finite", float("inf"), "must be a finite number"),
        ("text", 1, "must be a text"),
        ("flag", 1, "must be True or False"),
        ("pairs", 1, "must be a dict"),
        ("many", 1, "must be a list"),
        ("fixed", 1, "must be a tuple"),
        ("least", 0, "must be at least 1"),
        ("above", 2.5, "must be more than 2.5"),
        ("most", 1.5, "must be at most 1"),
        ("below", 5, "must be less than 5"),
        ("many_more", 1, "must be at least 1000000"),
        ("inner", 1, "must be an Inner"),
        ("opaque", 1, "must be an Opaque"),
        ("word", "c", "must be 'a' or 'b'"),
        ("pairwise", 1, "is odd"),
    ],
)
def test_what_a_value_must_be_is_said_in_words_of_ours(name: str, value: object, reason: str) -> None:
    assert found(**{name: value})[:2] == (name, reason)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("day", "soon", "must be a date"),
        ("loose", "x", "must be an integer, unable to parse string as an integer"),
        ("raw", b"a", "must have at least 2 bytes"),
        ("name", "a", "must have at least 2 characters"),
        ("few", [1, 2], "must have at most 1 item after validation, not 2"),
        ("pair", (1,), "must have at least 2 items after validation, not 1"),
        ("unlike", {1}, "must have at least 2 items after validation, not 1"),
        ("filled", {}, "must have at least 1 item after validation, not 0"),
    ],
)
def test_what_pydantic_says_itself_is_said_the_same_way(name: str, value: object, reason: str) -> None:
    assert found(**{name: value})[:2] == (name, reason)


def test_what_is_not_of_the_form_that_is_known_stays_as_it_is_said() -> None:
    assert plain({"type": "other", "msg": "The value should be kept"}) == "The value should be kept"
    assert plain({"type": "other", "msg": "Value should be kept"}) == "must be kept"
    assert plain({"type": "other", "msg": "Value should be an valid entry"}) == "must be an entry"


def test_what_is_not_there_is_missing() -> None:
    with pytest.raises(ValidationError) as caught:
        Loose.model_validate({})
    assert misfit(caught.value)[:2] == ("needed", "is missing")


def test_a_dataclass_is_told_by_its_name() -> None:
    with pytest.raises(ValidationError) as caught:
        Loose.model_validate({"needed": 1, "basket": 1})
    assert misfit(caught.value)[:2] == ("basket", "must be a Basket")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("either", 2.5, "must be a whole number, or a text"),
        ("either", 0, "must be at least 1"),
        ("either", "x", "must have at least 2 characters"),
        ("bounds", 1, "must be at least 3, or more than 2.5"),
        ("bounds", None, "must be a whole number, or a number, or an Inner"),
        ("same", "x", "must be a whole number"),
        ("worded", 3, "must be 'a', or True or False"),
        ("known", 1, "is odd"),
        ("known", [], "must be a whole number, or a text"),
        ("held", 3, "must be an Opaque, or a text"),
        ("shorter", 5, "must be less than 5, or less than 2.5"),
        ("endless", float("inf"), "must be a finite number, or a text"),
        ("rows", "x", "must be a list, or a whole number"),
        ("rows", 0, "must be at least 1"),
        ("point", "x", "must be a tuple, or a whole number"),
        ("point", 0, "must be at least 1"),
        ("opaque", [], "must be an Opaque"),
    ],
)
def test_a_union_says_what_each_of_its_members_wants_but_those_of_other_types(
    name: str, value: object, reason: str
) -> None:
    assert found(**{name: value})[:2] == (name, reason)


@pytest.mark.parametrize(
    ("name", "value", "reason", "kind"),
    [
        ("either", "x", "must have at least 2 characters", "string_too_short"),
        ("text_first", 0, "must be at least 1", "greater_than_equal"),
        ("even_first", 1, "is odd", "value_error"),
    ],
)
def test_what_pydantic_says_comes_with_the_reason_told(name: str, value: object, reason: str, kind: str) -> None:
    place, told, details = found(**{name: value})
    assert (place, told, details["type"]) == (name, reason, kind)
    assert details["input"] == value
    assert "url" not in details


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"inner": {"number": "x"}}, "inner.number"),
        ({"many": [1, "x"]}, "many.1"),
        ({"inners": {"a": {"number": "x"}}}, "inners.a.number"),
        ({"listed": [Inner(), 3]}, "listed"),
        ({"nested": [[1], [1, "x"]]}, "nested.1.1"),
        ({"held": 3}, "held"),
        ({"known": []}, "known"),
    ],
)
def test_a_place_is_told_by_names_and_numbers_alone(fields: dict[str, Any], place: str) -> None:
    assert found(**fields)[0] == place


@pytest.mark.parametrize("name", ["int", "Many", "nullable", "other"])
def test_a_name_that_nobody_knows_is_told_whatever_it_looks_like(name: str) -> None:
    place, _, details = found(**{name: 1})
    assert (place, details["type"]) == (name, "extra_forbidden")


def test_the_first_thing_that_does_not_fit_is_told() -> None:
    place, reason, details = found(whole="x", text=3)
    assert (place, reason) == ("whole", "must be a whole number")
    assert details["input"] == "x"
