"""The table of a fault campaign: each scenario adds to a line of its own, and all are printed at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import pytest

Tally = Callable[..., None]
"""`tally(scenario, **counts)`: add to a scenario's line. The names of the counts are those of `COLUMNS`."""

COLUMNS: Final = {
    "rounds": "rounds",
    "faults": "faults injected",
    "acknowledged": "acknowledged facts",
    "lost": "lost",
    "double": "double endings",
    "above_max": "prefixes above max_workers",
    "refused": "refused with a clear error",
    "completed": "runs completed",
}
_TABLE: Final = pytest.StashKey[dict[str, Counter[str]]]()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """Return what adds to a scenario's line of the table."""
    table = request.config.stash.setdefault(_TABLE, {})

    def add(scenario: str, **counts: int) -> None:
        assert set(counts) <= set(COLUMNS), f"no such columns: {sorted(set(counts) - set(COLUMNS))}"
        table.setdefault(scenario, Counter()).update(counts)

    return add


def print_table(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print all lines as one Markdown table, once."""
    table = config.stash.get(_TABLE, {})
    if not table:
        return
    reporter.section("faults")
    reporter.write_line(f"| scenario | {' | '.join(COLUMNS.values())} |")
    reporter.write_line(f"|---|{'---:|' * len(COLUMNS)}")
    for scenario, counts in sorted(table.items()):
        cells = " | ".join(f"{counts[name]:,}" if name in counts else "" for name in COLUMNS)
        reporter.write_line(f"| {scenario} | {cells} |")
    table.clear()
