"""How long a child waits before it runs again, however often it has failed."""

from __future__ import annotations

import pytest

from events.backoff import retry_delay_us
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
