"""The crash campaign reports into the table of the fault campaign."""

from __future__ import annotations

import pytest

from tests.faults.table import print_table, tally

__all__ = ["tally"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    print_table(terminalreporter, config)
