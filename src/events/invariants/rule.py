"""The status rule once more, written from the words of the contract's section 2 and from nothing else.

It shares no code with `events.strategy`: counts are taken from how each child stands, and percentages are worked
out in decimals. This is the one exception to the rule that a status is computed in one place; decision 0010 says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal, localcontext
from functools import lru_cache
from typing import Literal, NamedTuple

from events.strategy import Status, Strategy

Standing = Literal["untouched", "open", "good", "bad"]
"""How a child stands: never started; started, and open; succeeded; ended otherwise for good."""


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


def situation(standings: Sequence[Standing], *, more_may_come: bool = False) -> Situation:
    """Return the situation of children that stand so, with nothing decided and nothing requested."""
    good, bad = standings.count("good"), standings.count("bad")
    return Situation(len(standings), good, bad, good + bad + standings.count("open") > 0, more_may_come)


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
    with localcontext() as context:
        context.prec = 400  # enough for the smallest float to the last digit
        share = Decimal(repr(percent)) * total / 100
        return int(share.to_integral_value(ROUND_CEILING))


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
    with localcontext() as context:
        context.prec = 400
        return Decimal(bad) * 100 > Decimal(repr(percent)) * of
