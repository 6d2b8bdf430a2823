"""What the campaign of damage shares: how long it goes on, its seed, and the table at the end.

`--damage-rounds N` says how often each kind of damage is done to each kind of page, `--damage-seed S` plays it again.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Final

import pytest

OUTCOMES: Final = ("refused", "found", "harmless", "tail lost")
Table = dict[tuple[str, str], Counter[str]]
_TABLE: Final = pytest.StashKey[Table]()


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    """Return the table of what became of damaged stores: by kind of page and kind of damage."""
    return request.config.stash.setdefault(_TABLE, {})


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """Return how often each kind of damage is done to each kind of page."""
    number: int = request.config.getoption("--damage-rounds")
    return number


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Return the campaign's seed. It is printed where a test fails."""
    given = request.config.getoption("--damage-seed")
    seed: int = random.SystemRandom().randrange(10**6) if given is None else given
    print(f"--damage-seed {seed} --damage-rounds {request.config.getoption('--damage-rounds')}")
    return seed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table = config.stash.get(_TABLE, {})
    if not table:
        return
    terminalreporter.section("damage")
    terminalreporter.write_line("| what | damage | runs | refused at opening | found | harmless | tail lost |")
    terminalreporter.write_line("|---|---|---:|---:|---:|---:|---:|")
    for (kind, harm), counts in sorted(table.items()):
        cells = " | ".join(f"{number:,}" for number in (counts.total(), *(counts[name] for name in OUTCOMES)))
        terminalreporter.write_line(f"| {kind} | {harm} | {cells} |")
    total: Counter[str] = sum(table.values(), Counter())
    cells = " | ".join(f"{number:,}" for number in (total.total(), *(total[name] for name in OUTCOMES)))
    terminalreporter.write_line(f"| all | all | {cells} |")
