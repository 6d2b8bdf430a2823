"""What the tests of the face share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.face import tasks


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> Iterator[str]:
    """A name that no other test uses, of a gate that stands open once the test is over."""
    name = str(request.node.nodeid)
    yield name
    tasks.GATES[name].set()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "runs.db"
