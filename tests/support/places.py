"""Where the tests of the face keep their runs: in memory, in a file, or in PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

EVERYWHERE = ["memory", "sqlite", "postgres"]
LASTING = ["sqlite", "postgres"]


def place_of(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the place that a fixture's parameter names, where there is no store yet."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return "memory:" if request.param == "memory" else str(tmp_path / "runs.db")
