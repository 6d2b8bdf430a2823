"""Spans of time as people write and read them: "90s", "1h30m", "1m 05s"."""

from __future__ import annotations

import re
from math import isfinite
from typing import Final

from events.errors import UsageError

DURATION_SECONDS_MAX: Final = 100 * 365 * 86_400
"""Longest duration: a hundred years. Beyond it timers and dates overflow, and nobody means it."""

_SECONDS: Final = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_PARTS: Final = re.compile("".join(rf"(?:(?P<{unit}>{_NUMBER})\s*{unit}\s*)?" for unit in _SECONDS))
_PLAIN: Final = re.compile(_NUMBER)


def parse_duration(value: str | int | float) -> float:
    """Return a duration in seconds: a number (of seconds), or text such as "90s", "10m", "1h30m", "500ms", "2d".

    Units stand once each, from the largest to the smallest; a number without a unit means seconds.

    Raises:
        UsageError: it is no duration, is not above zero, or is longer than `DURATION_SECONDS_MAX`.
    """
    seconds = _seconds(value)
    if seconds is None or not isfinite(seconds):
        raise UsageError(f"expected a duration such as 90, '90s', '10m' or '1h30m', not {_shown(value)}")
    if seconds <= 0:
        raise UsageError(f"a duration must be longer than zero, not {_shown(value)}")
    if seconds > DURATION_SECONDS_MAX:
        raise UsageError(f"a duration of {_shown(value)} is longer than the 100 years allowed")
    return seconds


def _seconds(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        # An integer too large for a float is too long all the same; clamped, it is refused for what it is.
        return float(max(-1, min(value, DURATION_SECONDS_MAX + 1))) if isinstance(value, int) else value
    if not isinstance(value, str):
        return None
    text = value.strip()
    if _PLAIN.fullmatch(text):
        return _bounded(text)
    found = _PARTS.fullmatch(text)
    if found is None or not text:
        return None
    return sum(_bounded(number) * _SECONDS[unit] for unit, number in found.groupdict().items() if number)


def _bounded(number: str) -> float:
    """Return the number, a huge one as one second more than is allowed."""
    return min(float(number), DURATION_SECONDS_MAX + 1.0)


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) > 10**20:
        return "an integer of more than 20 digits"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def format_duration(seconds: float) -> str:
    """Return a duration as people read it: "250ms", "4.2s", "42s", "1m 05s", "1h 02m", "2d 03h".

    A negative one (a clock was set back) is shown as "0s", one without end or meaning as "?".
    """
    if not isfinite(seconds):
        return "?"
    if seconds < 0.0005:
        return "0s"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3_600:
        return _pair(whole, 60, "m", 1, "s")
    if whole < 86_400:
        return _pair(whole, 3_600, "h", 60, "m")
    return _pair(whole, 86_400, "d", 3_600, "h")


def _pair(seconds: int, large: int, large_name: str, small: int, small_name: str) -> str:
    """Return two neighbouring units; what is below the smaller one is dropped, so that no unit overflows."""
    return f"{seconds // large}{large_name} {seconds % large // small:02d}{small_name}"
