"""Durations: what is understood, what is refused, and what people read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import UsageError
from orchestrator.durations import DURATION_SECONDS_MAX, format_duration, parse_duration


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (30, 30.0),
        (0.25, 0.25),
        ("30", 30.0),
        ("1.5", 1.5),
        ("90s", 90.0),
        ("10m", 600.0),
        ("1h30m", 5_400.0),
        ("1h 30m", 5_400.0),
        (" 2d ", 172_800.0),
        ("500ms", 0.5),
        ("1s500ms", 1.5),
        ("2d3h4m5s6ms", 183_845.006),
        ("1.5h", 5_400.0),
        ("0h30m", 1_800.0),
        (DURATION_SECONDS_MAX, float(DURATION_SECONDS_MAX)),
    ],
)
def test_durations_are_understood(value: str | float, seconds: float) -> None:
    assert parse_duration(value) == pytest.approx(seconds)
    assert type(parse_duration(value)) is float


@pytest.mark.parametrize(
    "value",
    ["", " ", "s", "m10", "10x", "10M", "1:30", "30m1h", "1m1m", "1h30", "-5", "-5s", "+5", "1e3", "1_000", "0x10",
     ".5", "5.", "nan", "inf", "1,5", "٣s", "10 minutes", "1 0s", "5s\0", True, False, None, [], float("nan"),
     float("inf"), -float("inf"), "1d" + " " * 5_000 + "x", timedelta(seconds=1), b"5s"],
)  # fmt: skip
def test_what_is_no_duration_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match=r"^expected a duration such as 90, '90s', '10m' or '1h30m', not "):
        parse_duration(value)


@pytest.mark.parametrize("value", [0, 0.0, -1, -0.5, "0", "0s", "0h0m", -(10**400)])
def test_a_duration_is_longer_than_zero(value: Any) -> None:
    with pytest.raises(UsageError, match="longer than zero"):
        parse_duration(value)


@pytest.mark.parametrize("value", [10**400, 1e300, "9" * 5_000, "9" * 400 + "d", "36501d"])
def test_a_duration_has_a_longest(value: Any) -> None:
    with pytest.raises(UsageError, match="100 years") as refusal:
        parse_duration(value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3.0, "0s"),
        (0.0, "0s"),
        (0.0004, "0s"),
        (0.25, "250ms"),
        (0.9994, "999ms"),
        (0.9996, "1.0s"),
        (4.21, "4.2s"),
        (9.96, "10s"),
        (42.4, "42s"),
        (59.7, "1m 00s"),
        (65, "1m 05s"),
        (3_599.6, "1h 00m"),
        (3_725, "1h 02m"),
        (86_399, "23h 59m"),
        (183_845, "2d 03h"),
        (float("inf"), "?"),
        (float("nan"), "?"),
    ],
)
def test_durations_are_shown(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=0.001, max_value=DURATION_SECONDS_MAX))
def test_what_is_shown_is_understood_and_near(seconds: float) -> None:
    again = parse_duration(format_duration(seconds))
    assert again == pytest.approx(seconds, rel=0.1, abs=0.001)
