"""How slots are shared out among those who want them: strictly by priority, and among equals in proportion to weight.

Within one priority the part of each is the weighted max-min fair one, with at least one slot for everybody: a common
level rises, each has `weight` times the level, but never less than one slot and never more than it wants, until the
slots are used up. (Progressive filling: Bertsekas and Gallager, "Data Networks", 2nd edition 1992, section 6.5.2.)
Parts of slots become whole ones by largest remainders, the method of Hamilton: each part is less than one slot away
from the exact one, and together they are what there is.

Where there are fewer slots than wait in one priority, they take turns: first comes who has had the least time in a
slot for its weight. (Stride scheduling: Waldspurger and Weihl, MIT technical memo TM-528, 1995.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import floor
from typing import Final, NamedTuple

_ROUNDING: Final = 1e-9


class Wish(NamedTuple):
    """What somebody would like to have. Its weight is at least 1."""

    wanted: int
    weight: int = 1
    priority: int = 0
    had: float = 0.0
    """How long it has been in a slot, divided by its weight: who has had least is first where they take turns."""


class Parts(NamedTuple):
    """What each of some wishes gets, in their order."""

    slots: list[int]
    turns: bool
    """Whether somebody gets nothing although others of its priority get something: they should change places."""


def fair_parts(slots: int, wishes: Sequence[Wish]) -> Parts:
    """Share out `slots`. No slot is left while somebody wants one."""
    parts, left, turns = [0] * len(wishes), slots, False
    order = sorted((number for number, wish in enumerate(wishes) if wish.wanted > 0), key=lambda n: -wishes[n].priority)
    for _, equals in groupby(order, key=lambda n: wishes[n].priority):
        members = list(equals)
        wanted = [min(wishes[n].wanted, left) for n in members]
        if sum(wanted) <= left:
            mine = wanted
        elif len(members) > left:
            members.sort(key=lambda n: wishes[n].had)
            mine, turns = [1] * left, True
        else:
            mine = _rounded(left, list(_level(left, wanted, [wishes[n].weight for n in members])), wanted)
        for number, part in zip(members, mine, strict=False):
            parts[number] = part
            left -= part
        if left <= 0:
            break
    return Parts(parts, turns)


def _level(slots: int, wanted: Sequence[int], weights: Sequence[int]) -> Iterator[float]:
    """Yield the exact parts: each wants at least one slot, there is one for each, and together they want too many."""
    level, filled, slope = 0.0, float(len(wanted)), 0
    bends = [(1 / weight, weight) for weight in weights]
    bends += [(most / weight, -weight) for most, weight in zip(wanted, weights, strict=True)]
    for bend, change in sorted(bends):
        if filled >= slots:
            break
        reached = filled + slope * (bend - level)
        if reached >= slots:
            level += (slots - filled) / slope
            break
        level, filled, slope = bend, reached, slope + change
    for most, weight in zip(wanted, weights, strict=True):
        yield max(1.0, min(float(most), weight * level))


def _rounded(slots: int, exact: Sequence[float], wanted: Sequence[int]) -> list[int]:
    """Return whole parts that add up to `slots`, each less than one away from the exact one."""
    whole = [floor(part + _ROUNDING) for part in exact]
    left = slots - sum(whole)
    by_remainder = sorted(range(len(exact)), key=lambda n: whole[n] - exact[n])
    for number in [n for n in by_remainder if whole[n] < wanted[n]][:left]:
        whole[number] += 1
    return whole
