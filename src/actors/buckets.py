"""One key under one limit: how many children run, and when the next ones may start.

The rate is that of a token bucket, kept as one time: the generic cell rate algorithm of ITU-T Recommendation I.371,
"virtual scheduling". It goes by the monotonic clock. In any span of time no more children start than `per_second`
times the span, plus `burst`.
"""

from __future__ import annotations

from collections import OrderedDict
from math import floor, inf
from typing import Final, NamedTuple

from actors.runtime import Ref

_ROUNDING: Final = 1e-6
_UNLIMITED: Final = 2**62


class ThrottleRule(NamedTuple):
    """At most so many at a time, and so many a second, for each key that fits."""

    key: str
    """A key, or the beginning of some and a `*`: each of those keys is limited by itself."""
    max_running: int | None = None
    per_second: float | None = None
    burst: int = 1
    """How many may start at once after a pause."""

    def fits(self, key: str) -> bool:
        """Whether a key is limited by this rule."""
        return key.startswith(self.key[:-1]) if self.key.endswith("*") else key == self.key


class Bucket:
    """One key under one rule."""

    __slots__ = ("__weakref__", "_next_at", "call_at", "rule", "running", "waiting")

    def __init__(self, rule: ThrottleRule) -> None:
        self.rule = rule
        self.running = 0
        self.waiting: OrderedDict[str, Ref] = OrderedDict()
        """Parents that wait for room, the one that has waited for longest first."""
        self.call_at: float | None = None
        """When the first of them is to be called, where a timer was set."""
        self._next_at = -inf
        """When the next token would come if tokens came one by one: each start moves it on."""

    def room(self, now: float) -> int:
        """Return how many more may start now."""
        room = _UNLIMITED if self.rule.max_running is None else max(0, self.rule.max_running - self.running)
        if self.rule.per_second is None:
            return room
        late = max(0.0, self._next_at - now) * self.rule.per_second
        return min(room, max(0, floor(self.rule.burst - late + _ROUNDING)))

    def wait_seconds(self, now: float) -> float | None:
        """Return after how many seconds there is room, 0 where there is; None where one has to end first."""
        if self.rule.max_running is not None and self.running >= self.rule.max_running:
            return None
        if self.rule.per_second is None or self.room(now):
            return 0.0
        return max(0.0, self._next_at - (self.rule.burst - 1) / self.rule.per_second - now)

    def take_token(self, now: float) -> float:
        """Note a start; return until when it matters."""
        if self.rule.per_second is not None:
            self._next_at = max(self._next_at, now) + 1 / self.rule.per_second
        return self._next_at

    def empty_at(self, at: float) -> float:
        """Have no more tokens than if the bucket was empty at a time; return until when that matters."""
        if self.rule.per_second is not None:
            self._next_at = max(self._next_at, at + self.rule.burst / self.rule.per_second)
        return self._next_at
