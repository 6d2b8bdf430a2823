"""The table of the campaign adds up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.table import COLUMNS, Tally

ROOT = Path(__file__).parents[2]


def test_counts_of_a_scenario_add_up_and_are_printed_once(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "from tests.faults.table import print_table, tally\n"
        "def pytest_terminal_summary(terminalreporter, config):\n"
        "    print_table(terminalreporter, config)\n"
        "    print_table(terminalreporter, config)\n"
    )
    (tmp_path / "test_it.py").write_text(
        "def test_a(tally): tally('b', rounds=1, lost=0)\n"
        "def test_b(tally): tally('b', rounds=1_000)\n"
        "def test_c(tally): tally('a', faults=2)\n"
    )
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        argv, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    heading, line, *rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert heading.count("|") == line.count("|") == len(COLUMNS) + 2
    blank = "  |"
    assert rows == [f"| a |  | 2 |{blank * 6}", f"| b | 1,001 |{blank * 2} 0 |{blank * 4}"]


def test_a_column_that_there_is_not_is_refused(tally: Tally) -> None:
    with pytest.raises(AssertionError, match="losses"):
        tally("a", losses=1)
