"""The status rule once more, written from the words of the contract's section 2 and from nothing else.

It shares no code with `events.strategy`: percentages are read as decimals and worked out in whole numbers. This is
the one exception to the rule that a status is computed in one place; decision 0010 says why.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from events.strategy import Status, Strategy


class Situation(NamedTuple):
    """Everything that the rule speaks of, as numbers of children and yes or no."""

    total: int
    good: int
    bad: int
    touched: bool
    more_may_come: bool = False
    cancelled: bool = False
    out_of_time: bool = False
    already: Status | None = None


def contract_status(strategy: Strategy, now: Situation) -> Status:
    """Return the status that the contract's six rules give."""
    if now.already is not None:
        return now.already
    if now.cancelled:
        return "cancelled"
    if now.out_of_time:
        return "timed_out"
    needed = successes_needed(strategy, now.total)
    if now.good >= needed and not (now.more_may_come and _success_waits(strategy)):
        return "succeeded"
    if _cannot_succeed(strategy, now, needed) or _too_many_failures(strategy, now):
        return "failed"
    return "running" if now.touched else "pending"


def successes_needed(strategy: Strategy, total: int) -> int:
    """Return n for `all`, 1 for `any`, k for a count, ceil(n * p / 100) for a percentage."""
    if strategy.kind == "all":
        return total
    if strategy.kind == "any":
        return 1
    if strategy.count is not None:
        return strategy.count
    return _percent_of(strategy.percent, total)


@lru_cache(maxsize=1024)
def _percent_of(percent: float | None, total: int) -> int:
    part, whole = _share(percent)
    return -(-part * total // whole)  # rounded up


def _success_waits(strategy: Strategy) -> bool:
    return strategy.kind == "all" or (strategy.kind == "threshold" and strategy.count is None)


def _cannot_succeed(strategy: Strategy, now: Situation, needed: int) -> bool:
    if now.more_may_come:
        return strategy.kind == "all" and now.bad > 0
    still_open = now.total - now.good - now.bad
    return now.good + still_open < needed


def _too_many_failures(strategy: Strategy, now: Situation) -> bool:
    if strategy.max_failures is not None:
        return now.bad > strategy.max_failures
    if strategy.max_failures_percent is None:
        return False
    if strategy.min_finished is None:  # of all children, which must be known
        return not now.more_may_come and _exceeds(now.bad, strategy.max_failures_percent, now.total)
    ended = now.good + now.bad
    return ended >= strategy.min_finished and _exceeds(now.bad, strategy.max_failures_percent, ended)


def _exceeds(bad: int, percent: float, of: int) -> bool:
    part, whole = _share(percent)
    return bad * whole > part * of


def _share(percent: float | None) -> tuple[int, int]:
    """Return a percentage, exactly as it is written, as one whole number over another."""
    part, hundredth = Decimal(repr(percent)).as_integer_ratio()
    return part, hundredth * 100
