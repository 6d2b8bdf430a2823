"""A parent's rule in plain words."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from events.strategy import Strategy, Tally


def rule_words(strategy: Strategy, tally: Tally) -> str:
    """Return what must come true for the parent to succeed: `at least 4 of its 5 children succeed`."""
    words = _success_words(strategy, tally)
    limit = _limit_words(strategy, tally) if tally.total or tally.open_membership else ""
    return f"{words}, and that {limit}" if limit else words


def _success_words(strategy: Strategy, tally: Tally) -> str:
    required = strategy.required(tally.total)
    percent = strategy.kind == "threshold" and strategy.count is None
    if not tally.open_membership and (tally.total, required) == (1, 1):
        return "its only child succeeds"
    if not tally.total and (percent or strategy.kind == "all"):
        least = f"at least {number(strategy.percent or 0)}%" if percent else "all"
        return f"{least} of its children succeed (there are none{' so far' if tally.open_membership else ''})"
    children = f"its {many(tally.total, 'child', 'children')}"
    if tally.open_membership:
        children = f"its children ({tally.total:,} so far)"
    if strategy.kind == "all":
        return f"all of {children} succeed"
    verb = "succeeds" if required == 1 else "succeed"
    if percent:
        return f"at least {number(strategy.percent or 0)}%, which is {required:,} of {children}, {verb}"
    return f"at least {required:,} of {children} {verb}"


def _limit_words(strategy: Strategy, tally: Tally) -> str:
    if strategy.max_failures is not None:
        verb = "ends" if strategy.max_failures == 1 else "end"
        return f"no more than {strategy.max_failures:,} {verb} without success"
    if strategy.max_failures_percent is None:
        return ""
    percent = number(strategy.max_failures_percent)
    if strategy.min_finished is not None:
        have = "has" if strategy.min_finished == 1 else "have"
        return (
            f"no more than {percent}% of those that have ended did so without success,"
            f" judged once {strategy.min_finished:,} {have} ended"
        )
    if tally.open_membership:
        return f"no more than {percent}% of all end without success, judged once it is known how many there are"
    most = floor(Fraction(str(strategy.max_failures_percent)) * tally.total / 100)
    return f"no more than {percent}% of them, which is {most:,}, end without success"


def many(count: int, one: str, more: str) -> str:
    """Return `1 child`, `1,200 children`."""
    return f"{count:,} {one if count == 1 else more}"


def number(value: float) -> str:
    """Return a number as people write it: 80, 33.3."""
    return f"{value:.15g}"
