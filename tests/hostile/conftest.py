"""What the hostile tests share: a command line in a folder of its own, and a profile for long runs.

`pytest tests/hostile --hypothesis-profile hostile-long` tries a hundred times as much.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.cli.driver import CommandLine

settings.register_profile("hostile-long", max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[CommandLine]:
    folder = tmp_path / "here"
    folder.mkdir()
    with CommandLine(folder) as line:
        yield line
