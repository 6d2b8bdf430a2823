"""Fixtures of the actors' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.actors.crew import Crew
from tests.actors.service_set import Counting, Set


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew()
    yield made
    assert made.stage.deaths == [], "the supervisor itself lives on"


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def scene(counting: Counting) -> Set:
    return Set(counting)
