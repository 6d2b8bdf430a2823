"""How long a child waits before it is run again: exponential backoff up to a maximum, a year at most."""

from __future__ import annotations

from typing import Final

from events.facts import ChildLimits

_YEAR_SECONDS: Final = 86_400.0 * 365


def retry_delay_us(limits: ChildLimits, failures: int) -> int:
    """Return the wait, in microseconds, before a child runs again that had failed `failures` times before this time."""
    seconds = limits.initial_seconds or 0.0
    most = _YEAR_SECONDS if limits.max_seconds is None else min(limits.max_seconds, _YEAR_SECONDS)
    factor = limits.backoff or 2.0
    for _ in range(failures):
        if seconds >= most:
            break
        seconds *= factor
    return int(min(seconds, most) * 1_000_000)
