"""What the scenarios of the fault campaign share: how long it goes on, its seed, and the table at the end.

`--fault-rounds N` multiplies what is done, `--fault-seed S` plays a campaign again (as far as an operating system can).
"""

from __future__ import annotations

import random

import pytest

from tests.faults.table import Tally, print_table, tally

__all__ = ["Tally", "tally"]


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """Return by how much the campaign is longer than its everyday slice: 1 is the slice."""
    number: int = request.config.getoption("--fault-rounds")
    return number


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Return the one source of chance of a test. Its seed is printed where the test fails."""
    given = request.config.getoption("--fault-seed")
    seed = random.SystemRandom().randrange(10**6) if given is None else given
    print(f"--fault-seed {seed} --fault-rounds {request.config.getoption('--fault-rounds')}")
    return random.Random(seed)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    print_table(terminalreporter, config)
