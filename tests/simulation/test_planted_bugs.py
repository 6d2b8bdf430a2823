"""Proof that the simulator can see: bugs planted in the source are found, each within a thousand seeds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.all_planted import BUGS
from tests.simulation.world import World

ROOT = Path(__file__).resolve().parents[2]
SEEDS_MAX = 1_000
PAGE = ROOT / "docs" / "reliability" / "simulation.md"


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, object]]:
    """Hunt all bugs, each in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.hunt", "--seeds", str(SEEDS_MAX)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["bug"]: line for line in lines}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str, found: dict[str, dict[str, object]]) -> None:
    assert found[name]["seed"] is not None, f"{BUGS[name].what}: not found in {SEEDS_MAX:,} seeds"


def test_without_a_bug_nothing_is_found() -> None:
    for seed in range(20):
        World(seed).live()


def test_there_are_enough_of_them() -> None:
    assert len(BUGS) >= 74


def test_the_table_in_the_documentation_has_every_bug() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name: what for name, what in rows if name in BUGS}
    assert documented == {name: bug.what for name, bug in BUGS.items()}
