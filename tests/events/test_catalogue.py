"""The stored form of the facts: it is for ever, comes back bit by bit, and leads nowhere but to the catalogue."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Final, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import facts as facts_module
from events.catalogue import DEFAULT_CATALOGUE, PLAIN, TYPES, UPCASTERS, Catalogue, type_name
from events.errors import StoreDamagedError, StoreVersionError
from events.facts import (
    ChildCreated,
    Fact,
    ParentFact,
    ParentSettled,
)
from tests.events.generated import any_facts, facts_of
from tests.events.golden import AT, GOLDEN

# The stored format is for ever


@pytest.mark.parametrize(("fact", "text"), GOLDEN)
def test_the_stored_bytes_are_these_for_ever(fact: Fact, text: str) -> None:
    """Never change an expectation here: stores out there hold these bytes. A new form is a new version."""
    name, data = DEFAULT_CATALOGUE.encode(fact)
    assert (name, data) == (type(fact).__name__, text.encode())
    assert DEFAULT_CATALOGUE.decode(name, text.encode()) == fact


def test_every_type_has_golden_bytes_and_the_catalogue_is_the_closed_union() -> None:
    union = set(get_args(get_args(ParentFact)[0]))
    defined = {kind for kind in vars(facts_module).values() if isinstance(kind, type) and issubclass(kind, Fact)}
    assert union == set(TYPES.values()) == {type(fact) for fact, _ in GOLDEN} == defined - {Fact}
    assert all(type_name(fact) == type(fact).__name__ for fact, _ in GOLDEN)
    assert [name for name, kind in TYPES.items() if name != kind.__name__] == []


# Round trips


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_fact_comes_back_bit_by_bit(name: str) -> None:
    @given(fact=facts_of(name))
    @settings(max_examples=60, deadline=None, print_blob=True)
    def check(fact: Fact) -> None:
        stored, data = DEFAULT_CATALOGUE.encode(fact)
        back = DEFAULT_CATALOGUE.decode(stored, data)
        assert stored == name
        assert back == fact
        assert type(back) is type(fact)
        assert DEFAULT_CATALOGUE.encode(back) == (stored, data)
        assert json.loads(data)["at"] == fact.at, "any JSON reader can read it"

    check()


@pytest.mark.parametrize(("fact", "text"), GOLDEN)
def test_the_shorter_way_to_read_is_there_for_what_it_reads_alike(fact: Fact, text: str) -> None:
    name, data = type(fact).__name__, text.encode()
    assert data.startswith(PLAIN)
    shorter = DEFAULT_CATALOGUE.plain(name)
    assert shorter is not None
    assert shorter(data) == DEFAULT_CATALOGUE.decode(name, data) == fact


def test_a_type_that_changed_is_read_the_long_way() -> None:
    changed = Catalogue(upcasters={"ChildCreated": (lambda fields: fields,)})
    assert {name for name in TYPES if changed.plain(name) is None} == {"ChildCreated"}


def test_a_subclass_of_a_fact_cannot_be_stored() -> None:
    class Richer(ChildCreated):
        more: str

    with pytest.raises(KeyError):
        DEFAULT_CATALOGUE.encode(Richer(at=AT, child_id="a", more="lost on the way"))


# Damage


@pytest.mark.parametrize(
    "name", ["", "childcreated", "ChildCreated ", "events.facts:ChildCreated", "os:system", "Fact", "ChildPaused"]
)
def test_an_unknown_name_is_damage_and_imports_nothing(name: str) -> None:
    modules = set(sys.modules)
    with pytest.raises(StoreDamagedError, match="unknown event type"):
        DEFAULT_CATALOGUE.decode(name, b'{"at":1,"child_id":"a"}')
    assert set(sys.modules) == modules


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"at":1}',
        b'{"at":1,"child_id":"a"',
        b'{"at":1,"child_id":"a"}x',
        b'{"at":1,"child_id":5}',
        b'{"at":1,"child_id":null}',
        b'{"at":"1","child_id":"a"}',
        b'{"at":1.5,"child_id":"a"}',
        b'{"at":true,"child_id":"a"}',
        b'{"at":1,"child_id":"a","more":1}',
        b'{"at":1,"child_id":"\xff"}',
        b'{"at":1,"child_id":"\\ud800"}',
        b'{"at":1,"child_id":"a\n"}',
        b'{"at":NaN,"child_id":"a"}',
        b"\xef\xbb\xbf" + b'{"at":1,"child_id":"a"}',
        '{"at":1,"child_id":"a"}'.encode("utf-16"),
        b"\x00" * 100,
        b"[" * 100_000,
        b'{"v":' + b"[" * 100_000,
        b'{"at":' + b"9" * 10_000 + b',"child_id":"a"}',
    ],
)
def test_bytes_that_are_no_such_fact_are_damage(data: bytes) -> None:
    with pytest.raises(StoreDamagedError, match=r"^unreadable ChildCreated: .") as caught:
        DEFAULT_CATALOGUE.decode("ChildCreated", data)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 300


@given(name=st.sampled_from(sorted(TYPES)), data=st.binary(max_size=60))
@settings(deadline=None, print_blob=True)
def test_garbage_is_damage_or_a_fact_and_nothing_else(name: str, data: bytes) -> None:
    try:
        DEFAULT_CATALOGUE.decode(name, data)
    except (StoreDamagedError, StoreVersionError):
        return


@given(fact=any_facts(), data=st.data())
@settings(deadline=None, print_blob=True)
def test_a_flipped_bit_is_damage_or_another_fact_and_nothing_else(fact: Fact, data: st.DataObject) -> None:
    """That the fact is another one is for the hash chain to find."""
    name, stored = DEFAULT_CATALOGUE.encode(fact)
    bit = data.draw(st.integers(0, len(stored) * 8 - 1))
    flipped = bytearray(stored)
    flipped[bit // 8] ^= 1 << bit % 8
    try:
        assert isinstance(DEFAULT_CATALOGUE.decode(name, bytes(flipped)), Fact)
    except (StoreDamagedError, StoreVersionError):
        return


# Versions


def test_a_newer_version_is_told_from_damage() -> None:
    with pytest.raises(StoreVersionError, match="ChildCreated has version 2; this release knows up to 1"):
        DEFAULT_CATALOGUE.decode("ChildCreated", b'{"v":2,"at":1,"who":"a"}')
    assert DEFAULT_CATALOGUE.decode("ChildCreated", b'{"v":1,"at":1,"child_id":"a"}') == ChildCreated(
        at=1, child_id="a"
    )


@pytest.mark.parametrize("version", [b"0", b"-1", b"true", b"1.0", b'"2"', b"null", b"[]"])
def test_a_version_that_is_no_number_is_damage(version: bytes) -> None:
    with pytest.raises(StoreDamagedError, match="its version is"):
        DEFAULT_CATALOGUE.decode("ChildCreated", b'{"v":%b,"at":1,"child_id":"a"}' % version)


def renamed(fields: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had `child`, version 2 calls it `name`."""
    return {**{name: value for name, value in fields.items() if name != "child"}, "name": fields["child"]}


def prefixed(fields: dict[str, Any]) -> dict[str, Any]:
    """Version 2 had `name`, version 3 has it as `child_id`, with a prefix."""
    return {"at": fields["at"], "child_id": "child-" + fields["name"]}


GROWN = Catalogue(TYPES, {"ChildCreated": (renamed, prefixed)})


@pytest.mark.parametrize(
    ("data", "child_id"),
    [
        (b'{"at":7,"child":"a"}', "child-a"),
        (b'{"v":1,"at":7,"child":"a"}', "child-a"),
        (b'{"v":2,"at":7,"name":"a"}', "child-a"),
        (b'{"v":3,"at":7,"child_id":"a"}', "a"),
        ('{"v":2,"at":7,"name":"é🐙\\u0000\\n"}'.encode(), "child-é🐙\0\n"),
    ],
)
def test_older_versions_pass_through_their_upcasters(data: bytes, child_id: str) -> None:
    assert GROWN.decode("ChildCreated", data) == ChildCreated(at=7, child_id=child_id)


def test_a_type_that_has_changed_stores_its_version() -> None:
    fact = ChildCreated(at=7, child_id="a")
    assert GROWN.encode(fact) == ("ChildCreated", b'{"v":3,"at":7,"child_id":"a"}')
    assert GROWN.decode(*GROWN.encode(fact)) == fact
    untouched = ParentSettled(at=7)
    assert GROWN.encode(untouched) == DEFAULT_CATALOGUE.encode(untouched)


@pytest.mark.parametrize(
    "data",
    [
        b'{"at":7}',
        b'{"v":2,"at":7}',
        b'{"v":2,"at":7,"name":5}',
        b'{"v":3,"at":7,"name":"a"}',
        b"[1]",
        b"7",
        b"{",
        b'{"v":2,"at":7,"name":"\\ud800"}',
        b'{"v":2,"at":NaN,"name":"a"}',
        '{"v":2}'.encode("utf-16"),
    ],
)
def test_what_an_upcaster_cannot_read_is_damage(data: bytes) -> None:
    with pytest.raises(StoreDamagedError, match="unreadable ChildCreated"):
        GROWN.decode("ChildCreated", data)


def test_a_version_beyond_the_upcasters_is_a_newer_release() -> None:
    with pytest.raises(StoreVersionError, match="version 4; this release knows up to 3"):
        GROWN.decode("ChildCreated", b'{"v":4}')


def test_every_upcaster_of_this_release_is_for_a_type_of_this_release() -> None:
    steps: list[Callable[[dict[str, Any]], dict[str, Any]]] = [step for chain in UPCASTERS.values() for step in chain]
    assert set(UPCASTERS) <= set(TYPES)
    assert all(callable(step) for step in steps)


ONCE: Final = Catalogue(TYPES, {"ChildCreated": (lambda fields: {"at": fields["at"], "child_id": fields["child"]},)})


def test_a_type_that_has_changed_once_reads_both_of_its_versions() -> None:
    fact = ChildCreated(at=7, child_id="a")
    assert ONCE.encode(fact) == ("ChildCreated", b'{"v":2,"at":7,"child_id":"a"}')
    assert ONCE.decode(*ONCE.encode(fact)) == fact
    assert ONCE.decode("ChildCreated", b'{"at":7,"child":"a"}') == fact


# What is said of damage


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("ChildStarted", b'{"at":1,"child_id":"a","attempt":0}', r"attempt: Input should be .* or equal to 1"),
        ("ChildStarted", b'{"at":1}', "child_id: Field required"),
        ("ChildPrepared", b'{"at":1,"child_id":"a","index":0,"task":"t","limits":{"backoff":0}}', "input: Field"),
        (
            "ChildPrepared",
            b'{"at":1,"child_id":"a","index":0,"task":"t","input":"","limits":{"backoff":0}}',
            r"limits\.backoff: Input",
        ),
        ("ChildStarted", b"7", "Input should be an object"),
    ],
)
def test_the_first_field_that_is_wrong_is_named(name: str, data: bytes, said: str) -> None:
    with pytest.raises(StoreDamagedError, match=f"^unreadable {name}: {said}"):
        DEFAULT_CATALOGUE.decode(name, data)


@pytest.mark.parametrize(
    ("error", "said"),
    [(ValueError("one\ntwo"), "one"), (ValueError(), "ValueError"), (TypeError("x"), "x"), (LookupError(), "Look")],
)
def test_what_an_upcaster_raises_is_told_in_one_line(error: Exception, said: str) -> None:
    def wrong(_: dict[str, Any]) -> dict[str, Any]:
        raise error

    with pytest.raises(StoreDamagedError, match=f"^unreadable ChildCreated: {said}") as caught:
        Catalogue(TYPES, {"ChildCreated": (wrong,)}).decode("ChildCreated", b'{"at":7}')
    assert "two" not in str(caught.value)
    assert caught.value.__cause__ is error


# Facts themselves


@pytest.mark.parametrize("fact", [fact for fact, _ in GOLDEN])
def test_facts_are_frozen_and_closed(fact: Fact) -> None:
    for name in type(fact).model_fields:
        with pytest.raises(ValueError, match="frozen"):
            setattr(fact, name, getattr(fact, name))
    with pytest.raises(ValueError, match=r"[Ee]xtra"):
        type(fact).model_validate({**fact.model_dump(), "more": 1})
    with pytest.raises(ValueError, match="valid integer"):
        type(fact).model_validate({**fact.model_dump(), "at": 1.5})
