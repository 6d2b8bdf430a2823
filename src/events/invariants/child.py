"""One child as the checks count it, and what its limits let it do.

Written from the words of the contract and the settings, with arithmetic of its own; see decision 0010.
"""

from __future__ import annotations

import json
from typing import Final

from events.errors import InvariantBrokenError
from events.facts import ChildFinished, ChildLimits, ChildPrepared, ChildRetryScheduled
from events.invariants.promises import broken
from events.text_forms import EncryptedText

_PARENT_TASK: Final = "parallel"
_NONE: Final = ChildLimits.model_construct()
_CRASHES_MAX: Final = 3
_YEAR_SECONDS: Final = 31_536_000.0
_SECOND: Final = 1_000_000
_ROUNDING: Final = 1e-9


class CountedChild:
    """A child that has not succeeded."""

    __slots__ = (
        "asked",
        "attempts",
        "before",
        "crashes",
        "created",
        "first_at",
        "index",
        "limits",
        "losses",
        "nested",
        "not_before",
        "outcome",
        "running",
        "slotless",
    )

    def __init__(self, fact: ChildPrepared) -> None:
        self.index = fact.index
        self.limits: ChildLimits | None = fact.limits
        self.nested = fact.task == _PARENT_TASK
        self.created = False
        self.attempts = 0
        self.outcome: str | None = None
        """How it ended, while it is not open."""
        self._anew()

    def _anew(self) -> None:
        self.before = self.attempts
        """How many attempts there were before the latest redrive."""
        self.losses = self.crashes = 0
        self.running = self.asked = self.slotless = False
        self.not_before: int | None = None
        self.first_at: int | None = None

    def redrive(self) -> None:
        """Open the child again; nothing of what it spent counts any more."""
        self.created, self.outcome = True, None
        self._anew()

    @property
    def given(self) -> ChildLimits:
        """Its limits, those of nothing where it has none."""
        return self.limits or _NONE

    def start(self, attempt: int, at: int) -> None:
        """Begin an attempt."""
        self.running, self.attempts = True, attempt
        if self.first_at is None:
            self.first_at = at

    def spent(self, at: int) -> bool:
        """Whether its whole time is over at a moment; a clock from before 1970 says nothing."""
        seconds = self.given.total_timeout_seconds
        if seconds is None or self.first_at is None or self.first_at <= 0:
            return False
        return (at - self.first_at) / _SECOND >= seconds if at > self.first_at else False

    def end_after_loss(self) -> tuple[str, str] | None:
        """Return how it must end that was lost just now, and by which invariant; None where it runs again."""
        if self.asked:
            return "cancelled-child-stays-down", "cancelled"
        if self.given.fail_when_lost:
            return "lost-fails", "failed"
        if self.crashes >= (self.given.crashes_max or _CRASHES_MAX):
            return "crashes-end", "failed"
        return None


def check_retry(child: CountedChild, fact: ChildRetryScheduled) -> None:
    """Raise InvariantBrokenError where a child may not be tried again, or not then."""
    limits = child.given
    attempts_max = limits.max_attempts or 1
    if fact.attempt - child.before - child.losses >= attempts_max:
        raise broken("retry-is-left", f"it has no attempt left of {attempts_max}")
    if fact.not_before < fact.at:
        raise broken("retry-waits", "a retry lies in the future")
    if child.asked:
        raise broken("cancelled-child-stays-down", "the child was asked to stop")
    kinds = _kinds(fact.error)
    encrypted = isinstance(fact.error, EncryptedText)  # then of what type the error was cannot be told
    if kinds.intersection(limits.give_up_on or ()):
        raise broken("retry-is-allowed", "errors of its type are given up")
    if limits.retry_on is not None and kinds.isdisjoint(limits.retry_on) and not encrypted:
        raise broken("retry-is-allowed", "errors of its type are not tried again")
    if child.spent(fact.not_before):
        raise broken("total-time-is-kept", "its whole time will be over by then")
    _check_wait(child, fact)


def _check_wait(child: CountedChild, fact: ChildRetryScheduled) -> None:
    """Hold a wait to the first times the factor to the power of the failures before, less the jitter."""
    limits = child.given
    longest = _YEAR_SECONDS if limits.max_seconds is None else min(limits.max_seconds, _YEAR_SECONDS)
    first, factor = limits.initial_seconds or 0.0, limits.backoff or 2.0
    power = fact.attempt - child.before - child.losses - 1
    try:
        most = min(first * factor**power, longest)
    except OverflowError:
        most = longest if first else 0.0
    least = most * (1 - (limits.jitter or 0.0))
    wait = (fact.not_before - fact.at) / _SECOND
    slack = 1 / _SECOND + most * _ROUNDING
    if not least - slack <= wait <= most + slack:
        raise broken("backoff-is-kept", f"it waits {wait:g} s, which should be {least:g} to {most:g} s")


def _kinds(error: str) -> set[str]:
    """Return the type that an error on record names, and those that it says it is one of."""
    try:
        told = json.loads(error)
    except (ValueError, RecursionError):
        return set()
    if not isinstance(told, dict):
        return set()
    bases = told.get("bases")
    return {name for name in [told.get("type"), *(bases if isinstance(bases, list) else [])] if isinstance(name, str)}


def overdue(child: CountedChild, fact: ChildFinished, *, paused: bool) -> InvariantBrokenError | None:
    """Return what is wrong with the end of a waiting child by one of its clocks, None where nothing is."""
    if isinstance(fact.error, EncryptedText) and fact.outcome == "timed_out" and child.created:
        return None  # which of its clocks it was cannot be told
    named = _kinds(fact.error or "null")
    if fact.outcome != "timed_out" or not named & {"QueueTimedOut", "TotalTimedOut"} or not child.created:
        return broken("ends-at-rest", "the child may still be started")
    if "QueueTimedOut" in named:
        if child.given.queue_timeout_seconds is None or paused:
            return broken("clock-given", "no clock measures how long it waits for a start")
    elif child.given.total_timeout_seconds is None or child.first_at is None:
        return broken("clock-given", "no clock measures its whole time")
    return None
