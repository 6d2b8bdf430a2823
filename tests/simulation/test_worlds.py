"""Machines with much of one thing: on those of keys, of nests and of views nothing is broken, either."""

from __future__ import annotations

import pytest

from tests.simulation.campaign import play
from tests.simulation.worlds import WORLDS


@pytest.mark.parametrize("first", range(0, 60, 30))
@pytest.mark.parametrize("kind", ["keys", "nests", "views"])
def test_no_seed_breaks_a_promise(kind: str, first: int) -> None:
    for seed in range(first, first + 30):
        play(seed, WORLDS[kind]).dismantle()
