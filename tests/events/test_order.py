"""The order of children against plain dicts: every version stays as it was, whatever is done to the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.order import Order

Step = tuple[int, int, str]
"""From which version to go on, at which place (as many as there are: at the end), and who is there."""


@given(steps=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6), st.sampled_from("abcdef"))))
def test_every_version_stays_as_it_was(steps: list[Step]) -> None:
    versions: list[tuple[Order, dict[int, str]]] = [(Order(), {})]
    for version, place, child_id in steps:
        order, model = versions[version % len(versions)]
        where = len(model) if place in model else place
        if where in model:
            continue
        newer = order.opened()
        newer.put(where, child_id)
        versions.append((newer, {**model, where: child_id}))
        for known, expected in versions:
            assert dict(known.items()) == expected
            assert len(known) == len(expected)
            assert [known[at] for at in expected] == list(expected.values())


def test_changes_in_place_are_seen_by_their_own_version_alone() -> None:
    first = Order(["a"])
    one, other = first.opened(), first.opened()
    one.put(1, "b")
    other.put(1, "c")
    one.put(2, "d")
    assert [list(order.items()) for order in (first, one, other)] == [
        [(0, "a")],
        [(0, "a"), (1, "b"), (2, "d")],
        [(0, "a"), (1, "c")],
    ]


def test_an_empty_order_is_the_start_of_many_in_any_thread() -> None:
    """Every run of a process begins with the same one; a list in it would be shared, and never let go."""
    empty = Order()
    first = empty.opened()
    first.put(0, "of one run")
    assert empty._ids == []
    assert dict(empty.opened().items()) == {}


@pytest.mark.parametrize("place", [-1, 1, 2])
def test_where_nobody_is_known_to_be_there_is_nobody(place: int) -> None:
    order = Order(["a"]).opened()
    order.opened().put(1, "b")
    order.put(3, "d")
    assert order[3] == "d"
    with pytest.raises(KeyError):
        order[place]
