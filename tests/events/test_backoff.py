"""How long a child waits before it runs again, however often it has failed."""

from __future__ import annotations

import hashlib

import pytest

from events.backoff import jitter_draw, retry_delay_us
from events.facts import ChildLimits

SECOND = 1_000_000
YEAR = 365 * 86_400 * SECOND


@pytest.mark.parametrize(
    ("limits", "failures", "wait"),
    [
        (ChildLimits(), 0, 0),
        (ChildLimits(), 3, 0),
        (ChildLimits(initial_seconds=3), 0, 3 * SECOND),
        (ChildLimits(initial_seconds=3), 1, 6 * SECOND),
        (ChildLimits(initial_seconds=3), 3, 24 * SECOND),
        (ChildLimits(initial_seconds=3, backoff=1.5), 2, 6_750_000),
        (ChildLimits(initial_seconds=3, max_seconds=10), 1, 6 * SECOND),
        (ChildLimits(initial_seconds=3, max_seconds=10), 2, 10 * SECOND),
        (ChildLimits(initial_seconds=30, max_seconds=10), 0, 10 * SECOND),
        (ChildLimits(initial_seconds=1, max_seconds=1e9), 60, YEAR),
        (ChildLimits(initial_seconds=1e-6), 0, 1),
        (ChildLimits(initial_seconds=1e-7), 0, 0),
    ],
)
def test_each_failure_multiplies_the_wait_up_to_the_longest(limits: ChildLimits, failures: int, wait: int) -> None:
    assert retry_delay_us(limits, failures) == wait


def test_a_wait_that_has_reached_the_longest_costs_no_more_to_compute_however_often_the_child_failed() -> None:
    limits = ChildLimits(initial_seconds=1, max_seconds=10)
    assert retry_delay_us(limits, 10**15) == 10 * SECOND


def test_the_draw_takes_its_part_off_the_jitter_and_nothing_where_there_is_none() -> None:
    jittery = ChildLimits(initial_seconds=8, jitter=0.5)
    assert [retry_delay_us(jittery, 0, draw) for draw in (0.0, 0.5, 1.0)] == [8 * SECOND, 6 * SECOND, 4 * SECOND]
    assert retry_delay_us(jittery, 0) == 8 * SECOND
    assert retry_delay_us(ChildLimits(initial_seconds=8), 0, 0.5) == 8 * SECOND


@pytest.mark.parametrize(("child_id", "text"), [("a", b"7:2:a"), ("\ud800", b"7:2:\xed\xa0\x80")])
def test_the_draw_is_the_same_for_ever(child_id: str, text: bytes) -> None:
    whole = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
    assert jitter_draw(7, child_id, 2) == whole / 2**64
