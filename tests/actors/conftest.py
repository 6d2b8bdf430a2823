"""Fixtures of the actors' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.actors.crew import Crew


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew()
    yield made
    assert made.stage.deaths == [], "the supervisor itself lives on"
