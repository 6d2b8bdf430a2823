"""Waiting for facts, with a deadline, instead of sleeping for luck."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event


def until(
    fact: Callable[[], object], *, timeout_seconds: float = 20.0, what: str | Callable[[], str] = "the fact"
) -> None:
    """Poll until `fact` holds. Raises AssertionError, which says what was waited for, after the deadline."""
    deadline = time.monotonic() + timeout_seconds
    never = Event()
    while not fact():
        if time.monotonic() > deadline:
            waited_for = what if isinstance(what, str) else what()
            raise AssertionError(f"waited {timeout_seconds:g} s in vain for {waited_for}")
        never.wait(0.005)
