"""Fair parts of slots: all of them, strictly by priority, in proportion to weight, and nobody is forgotten."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fair_parts import Wish, fair_parts

WISHES = st.lists(
    st.builds(
        Wish,
        wanted=st.integers(0, 40),
        weight=st.one_of(st.integers(1, 4), st.integers(1, 1_000)),
        priority=st.integers(-2, 2),
        had=st.floats(0, 10),
    ),
    max_size=12,
)
SLOTS = st.integers(1, 60)


def by_priority(wishes: list[Wish]) -> list[list[int]]:
    """Return the numbers of those who want something, the highest priority first."""
    order = sorted((n for n, wish in enumerate(wishes) if wish.wanted), key=lambda n: -wishes[n].priority)
    return [list(group) for _, group in groupby(order, key=lambda n: wishes[n].priority)]


def exact_parts(slots: int, wishes: list[Wish]) -> list[float]:
    """Return what each would get if slots could be cut, by halving the interval in which the level lies."""
    low, high = 0.0, 1e6
    for _ in range(100):
        level = (low + high) / 2
        if sum(max(1.0, min(wish.wanted, wish.weight * level)) for wish in wishes) < slots:
            low = level
        else:
            high = level
    return [max(1.0, min(wish.wanted, wish.weight * low)) for wish in wishes]


@given(SLOTS, WISHES)
def test_no_slot_is_left_while_somebody_wants_one_and_nobody_gets_more_than_wanted(
    slots: int, wishes: list[Wish]
) -> None:
    parts = fair_parts(slots, wishes).slots
    assert sum(parts) == min(slots, sum(wish.wanted for wish in wishes))
    assert all(0 <= part <= wish.wanted for part, wish in zip(parts, wishes, strict=True))


@given(SLOTS, WISHES)
def test_a_lower_priority_gets_only_what_the_higher_ones_leave(slots: int, wishes: list[Wish]) -> None:
    parts = fair_parts(slots, wishes).slots
    left = slots
    for members in by_priority(wishes):
        wanted, given_to = sum(wishes[n].wanted for n in members), sum(parts[n] for n in members)
        assert given_to == min(left, wanted)
        left -= given_to


@given(SLOTS, WISHES)
def test_within_a_priority_parts_are_less_than_one_slot_from_the_proportional_ones(
    slots: int, wishes: list[Wish]
) -> None:
    parts, turns = fair_parts(slots, wishes)
    left = slots
    for members in by_priority(wishes):
        equals = [wishes[n] for n in members]
        if 0 < left < len(members):
            assert turns
            assert sorted(parts[n] for n in members) == [0] * (len(members) - left) + [1] * left
            served = [wishes[n].had for n in members if parts[n]]
            assert max(served) <= min(wishes[n].had for n in members if not parts[n]), "who has had least is first"
        elif 0 < left < sum(wish.wanted for wish in equals):
            assert all(parts[n] >= 1 for n in members), "nobody starves"
            for number, exact in zip(members, exact_parts(left, equals), strict=True):
                assert abs(parts[number] - exact) < 1 + 1e-6
        left -= sum(parts[n] for n in members)


@given(SLOTS, WISHES)
def test_nobody_changes_places_where_there_are_slots_enough_for_all_or_for_none(slots: int, wishes: list[Wish]) -> None:
    left, cut = slots, False
    for members in by_priority(wishes):
        cut = cut or 0 < left < len(members)
        left -= min(left, sum(wishes[n].wanted for n in members))
    assert fair_parts(slots, wishes).turns == cut


@pytest.mark.parametrize(
    ("slots", "wishes", "parts"),
    [
        (8, [], []),
        (8, [Wish(100)], [8]),
        (8, [Wish(100), Wish(100)], [4, 4]),
        (8, [Wish(100, 3), Wish(100, 1)], [6, 2]),
        (8, [Wish(100, 3), Wish(100, 1), Wish(1, 100)], [5, 2, 1]),
        (8, [Wish(2), Wish(100)], [2, 6]),
        (8, [Wish(100, 1_000), Wish(100), Wish(100)], [6, 1, 1]),
        (8, [Wish(100), Wish(3, priority=1)], [5, 3]),
        (8, [Wish(100, 1_000), Wish(100, priority=1)], [0, 8]),
        (1, [Wish(5, had=2.0), Wish(5, had=1.0)], [0, 1]),
        (3, [Wish(5), Wish(5), Wish(0), Wish(5)], [1, 1, 0, 1]),
        (10**5, [Wish(10**18), Wish(10**18, 3)], [25_000, 75_000]),
    ],
)
def test_some_parts(slots: int, wishes: list[Wish], parts: list[int]) -> None:
    assert fair_parts(slots, wishes).slots == parts


@given(st.integers(1, 4), st.lists(st.integers(1, 5), min_size=2, max_size=7))
def test_over_many_turns_the_time_in_a_slot_is_in_proportion_to_weight(slots: int, weights: list[int]) -> None:
    had, turns = [0.0] * len(weights), Counter[int]()
    rounds = 150
    for _ in range(rounds):
        wishes = [Wish(9, weight, had=past) for weight, past in zip(weights, had, strict=True)]
        parts = fair_parts(slots, wishes).slots
        for number, part in enumerate(parts):
            had[number] += min(part, 1) / weights[number]
            turns[number] += bool(part)
    assert all(turns[number] > 0 for number in range(len(weights)))
    if slots < len(weights) and max(weights) * slots <= sum(weights):
        for number, weight in enumerate(weights):
            assert abs(turns[number] - rounds * slots * weight / sum(weights)) <= max(weights) + 1
