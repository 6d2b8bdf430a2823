"""The strategies that the tests of the status rule go through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from typing import Final, NamedTuple, get_args

from events.strategy import ALL, ANY, OnDecided, Outcome, Strategy

CHILDREN_MAX: Final = 6
CHILDREN: Final = tuple(range(CHILDREN_MAX + 1))
ON_DECIDED: Final[tuple[OnDecided, ...]] = get_args(OnDecided)
PERCENTS: Final = (0.5, 16.7, 33.3, 50.0, 66.7, 80.0, 100.0)
BAD: Final[tuple[Outcome, ...]] = ("failed", "timed_out", "cancelled")


def plain_strategies(n: int) -> Iterator[Strategy]:
    """Yield every strategy without a failure limit that says something else about n children."""
    yield ALL
    yield ANY
    for count in range(1, n + 2):
        yield Strategy(kind="threshold", count=count)
    for percent in PERCENTS:
        yield Strategy(kind="threshold", percent=percent)


class FailureLimit(NamedTuple):
    max_failures: int | None = None
    max_failures_percent: float | None = None
    min_finished: int | None = None


def failure_limits(n: int) -> Iterator[FailureLimit]:
    for count in sorted({0, 1, 2, max(0, n - 1), n}):
        yield FailureLimit(max_failures=count)
    for percent, least in product((0.0, 16.7, 34.0, 50.0, 100.0), (None, 1, 2, 4, 7)):
        yield FailureLimit(max_failures_percent=percent, min_finished=least)


def with_failure_limits(thresholds: Iterable[Strategy], n: int) -> Iterator[Strategy]:
    for plain, limit in product(thresholds, failure_limits(n)):
        yield Strategy(kind="threshold", count=plain.count, percent=plain.percent, **limit._asdict())


@cache
def strategies(n: int) -> tuple[Strategy, ...]:
    """Return every strategy for n children, and every threshold together with every failure limit."""
    plain = list(plain_strategies(n))
    return (*plain, *with_failure_limits((one for one in plain if one.kind == "threshold"), n))


@cache
def fewer_strategies(n: int) -> tuple[Strategy, ...]:
    """Return every strategy for n children; the failure limits only with a low, a middle and a high threshold."""
    counts = [Strategy(kind="threshold", count=count) for count in sorted({1, (n + 1) // 2 or 1, n + 1})]
    percents = [Strategy(kind="threshold", percent=percent) for percent in (33.3, 80.0)]
    return (*plain_strategies(n), *with_failure_limits((*counts, *percents), n))
