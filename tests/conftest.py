"""What all tests share: options, and the check that nothing is left behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from tests.support.postgres_server import postgres_server, postgres_url
from tests.support.waiting import until

__all__ = ["postgres_server", "postgres_url"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--crash-rounds", type=int, default=12, help="how often the crash campaign kills a loaded run")
    parser.addoption("--crash-seed", type=int, default=None, help="play one crash campaign again")
    parser.addoption("--fault-rounds", type=int, default=1, help="how much longer than its slice the fault campaign is")
    parser.addoption("--fault-seed", type=int, default=None, help="play one fault campaign again")
    parser.addoption("--power-rounds", type=int, default=24, help="how often the power is cut, for each setting")
    parser.addoption("--power-seed", type=int, default=None, help="play one campaign of power cuts again")
    parser.addoption("--damage-rounds", type=int, default=0, help="how often each damage is done to each kind of page")
    parser.addoption("--view-histories", type=int, default=80, help="of how many crowds of histories views are kept")
    parser.addoption("--damage-seed", type=int, default=None, help="play one campaign of damage again")


def pytest_configure() -> None:
    """Under nohup, ignore hang-ups in a way that whatever is started here does not inherit: it is to hear of them."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Every thread of ours must be gone after each test."""
    before = set(threading.enumerate())

    def left() -> list[str]:
        new = set(threading.enumerate()) - before
        return [thread.name for thread in new if thread.name.startswith("orchestrator-")]

    yield
    until(lambda: not left(), what=lambda: f"threads to end: {left()}")
