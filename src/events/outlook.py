"""What can still decide a parent that is not decided: how many successes, or how many that end otherwise."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Final, NamedTuple

from events.state import ParentState
from events.strategy import Strategy, Tally

_SECOND_US: Final = 1_000_000
_LAST_MOMENT: Final = 253_402_300_799_999_999
"""The last microsecond of all calendars, in the year 9999: what is due after it is never due."""


class Outlook(NamedTuple):
    """What a parent that is not decided waits for."""

    missing: int
    """How many more children must succeed."""
    needs_closing: bool
    """Whether it can only succeed once no more children can be added."""
    failures_left: int | None
    """With how many further children that end without success, and none that succeeds before them, it fails.

    None where no number of them can make it fail as long as children may be added.
    """
    deadline_at: int | None
    """When its own time is up, in microseconds since 1970; None where it has no limit."""


def outlook(state: ParentState) -> Outlook:
    """Return what can still decide a parent that is not decided."""
    tally, strategy = state.tally, state.strategy
    return Outlook(
        missing=max(0, strategy.required(tally.total) - tally.succeeded),
        needs_closing=tally.open_membership and strategy.waits_for_membership(),
        failures_left=failures_left(strategy, tally),
        deadline_at=_deadline(state),
    )


def _deadline(state: ParentState) -> int | None:
    if state.deadline_from is None or state.timeout_seconds is None:
        return None
    due = state.deadline_from + round(state.timeout_seconds * _SECOND_US)
    return due if due <= _LAST_MOMENT else None


def failures_left(strategy: Strategy, tally: Tally) -> int | None:
    """Return how many more children have to end without success for the parent to fail; at least 1, None for never."""
    found = [*_out_of_reach_in(strategy, tally), *_too_many_in(strategy, tally)]
    return max(1, min(found)) if found else None


def _out_of_reach_in(strategy: Strategy, tally: Tally) -> list[int]:
    """Return when the children that are left can no longer bring what is required."""
    if tally.open_membership and strategy.kind != "all":
        return []
    return [tally.total - tally.failed - strategy.required(tally.total) + 1]


def _too_many_in(strategy: Strategy, tally: Tally) -> list[int]:
    """Return when a threshold's limit of failures is exceeded."""
    if strategy.max_failures is not None:
        return [strategy.max_failures - tally.failed + 1]
    if strategy.max_failures_percent is None:
        return []
    part = Fraction(str(strategy.max_failures_percent)) / 100
    if strategy.min_finished is None:
        return [] if tally.open_membership else [floor(part * tally.total) + 1 - tally.failed]
    if part == 1:
        return []  # more than all of them cannot fail
    ended = tally.succeeded + tally.failed
    return [max(strategy.min_finished - ended, floor((part * ended - tally.failed) / (1 - part)) + 1)]
