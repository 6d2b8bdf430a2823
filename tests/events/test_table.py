"""The persistent table against plain dicts: every version stays as it was, whatever is done to the others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from events.evolve import INITIAL
from events.table import Table
from tests.events.scenario import parent

KEYS = st.integers(0, 7)
VALUES = st.integers(0, 99)
Version = tuple[Table[int, int], dict[int, int]]


def same(table: Table[int, int], model: dict[int, int]) -> None:
    """Hold a table against a dict: its content, in order, by every way of reading it."""
    assert list(table.items()) == list(model.items())
    assert list(table) == list(model)
    assert len(table) == len(model)
    for key in range(8):
        assert table.get(key) == model.get(key)
        assert (key in table) == (key in model)


class Versions(RuleBasedStateMachine):
    """Any version may be read or changed at any time; a change makes one more version and leaves all others alone."""

    versions: Bundle[Version] = Bundle("versions")

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Version] = []

    def keep(self, table: Table[int, int], model: dict[int, int]) -> Version:
        self.all.append((table, model))
        return table, model

    @rule(target=versions)
    def empty(self) -> Version:
        return self.keep(Table(), {})

    @rule(target=versions, version=versions, key=KEYS, value=VALUES)
    def set(self, version: Version, key: int, value: int) -> Version:
        table, model = version
        return self.keep(table.set(key, value), {**model, key: value})

    @rule(target=versions, version=versions, items=st.dictionaries(KEYS, VALUES))
    def update(self, version: Version, items: dict[int, int]) -> Version:
        table, model = version
        return self.keep(table.update(items), {**model, **items})

    @rule(target=versions, version=versions, key=KEYS)
    def remove(self, version: Version, key: int) -> Version:
        table, model = version
        return self.keep(table.remove(key), {known: value for known, value in model.items() if known != key})

    @rule(version=versions)
    def read(self, version: Version) -> None:
        same(*version)

    @invariant()
    def the_oldest_and_the_newest_stay_as_they_were(self) -> None:
        for table, model in (*self.all[:2], *self.all[-2:]):
            assert list(table.items()) == list(model.items())

    def teardown(self) -> None:
        for table, model in self.all:
            same(table, model)


TestVersions = Versions.TestCase
TestVersions.settings = settings(max_examples=100, stateful_step_count=40, deadline=None, print_blob=True)


CHANGES = st.lists(st.tuples(KEYS, st.none() | VALUES), max_size=30)


@given(changes=CHANGES, forks=st.lists(st.tuples(st.integers(0, 30), KEYS, VALUES), max_size=5))
@settings(deadline=None, print_blob=True)
def test_old_versions_can_be_gone_on_from(
    changes: list[tuple[int, int | None]], forks: list[tuple[int, int, int]]
) -> None:
    history: list[Version] = [(Table(), {})]
    for key, value in changes:
        table, model = history[-1]
        if value is None:
            history.append((table.remove(key), {known: old for known, old in model.items() if known != key}))
        else:
            history.append((table.set(key, value), {**model, key: value}))
    for at, key, value in forks:
        table, model = history[at % len(history)]
        same(table.set(key, value).remove(key + 1), {k: v for k, v in {**model, key: value}.items() if k != key + 1})
    for table, model in history:
        same(table, model)


def test_a_removed_key_comes_back_in_its_place_in_older_versions() -> None:
    table = Table[str, int]().set("a", 1).set("b", 2).set("c", 3)
    without = table.remove("b")
    again = without.set("b", 4)
    assert list(table.items()) == [("a", 1), ("b", 2), ("c", 3)]
    assert list(without.items()) == [("a", 1), ("c", 3)]
    assert list(again.items()) == [("a", 1), ("c", 3), ("b", 4)]
    assert list(table.set("d", 5)) == ["a", "b", "c", "d"]


def test_a_new_value_does_not_move_its_key_in_older_versions() -> None:
    table = Table[str, int]().set("a", 1).set("b", 2).set("c", 3)
    newest = table.remove("b").set("a", 4)
    assert list(table.items()) == [("a", 1), ("b", 2), ("c", 3)]
    assert list(newest.items()) == [("a", 4), ("c", 3)]


def test_the_empty_table_is_shared_by_all() -> None:
    empty = Table[str, int]()
    first, second = empty.set("a", 1), empty.set("b", 2)
    assert (dict(first.items()), dict(second.items()), len(empty)) == ({"a": 1}, {"b": 2}, 0)
    assert empty.remove("a") is empty
    assert first.remove("b") is first
    for _ in range(3):
        parent("a", "b")
    assert [len(table) for table in (INITIAL.children, INITIAL.order, INITIAL.running, INITIAL.requeued)] == [0] * 4


def test_a_missing_key_is_none_or_an_error() -> None:
    table = Table[str, int]().set("a", 1)
    assert table.get("b") is None
    assert table["a"] == 1
    with pytest.raises(KeyError, match="b"):
        table["b"]
    older, _ = table, table.set("b", 2)
    with pytest.raises(KeyError, match="b"):
        older["b"]


def test_a_chain_of_many_versions_needs_no_copy_to_grow_nor_recursion_to_read() -> None:
    """A hundred thousand versions: were each a copy, or each old read a recursion, this would not end well."""
    first = table = Table[int, int]().set(0, 0)
    count = 100_000
    for number in range(1, count):
        table = table.set(number, number)
        if number % 2:
            table = table.remove(number)
    assert len(table) == count // 2
    assert dict(first.items()) == {0: 0}
    assert first.get(count - 2) is None
    assert len(first.set(1, 1)) == 2
    assert len(table) == count // 2


@pytest.mark.parametrize("gone", ["b", "c", "d"])
def test_what_is_added_after_a_removal_stays_last_in_older_versions(gone: str) -> None:
    table = Table[str, int]()
    for number, key in enumerate("abc"):
        table = table.set(key, number)
    older = table.remove("a").set("d", 3)
    newer = older.remove(gone)
    assert list(older) == ["b", "c", "d"]
    assert list(newer) == [key for key in "bcd" if key != gone]
