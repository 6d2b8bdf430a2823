"""Limits by key that hold over all parents of one orchestrator: how many children run at a time, and start a second.

A child that names a key takes a place of that key before its start goes on record, and gives it back once its end is
on record. Who holds what is derived from the parents' states whenever one of them begins or reads news, so that no
death of an actor, no conflict and no failed append leaves a place taken, or lets one too many start.

Parents whose children wait for a key stand in line. When there is room, the first one is told, takes what it can use
and passes the rest on. Whatever message gets lost, each looks again once a second.

Tokens of starts that did not come on record are not given back.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Final
from weakref import WeakValueDictionary

from actors.buckets import Bucket, ThrottleRule
from actors.messages import KeyFree
from actors.runtime import Ref, Runtime, tell

TIMER_SECONDS_MAX: Final = 3_600.0
"""The longest timer; whoever waits longer is called in between, for nothing."""


class Throttles:
    """All keys of one orchestrator. Only parents' actors use it, which all live on one lane."""

    def __init__(self, rules: Iterable[ThrottleRule], runtime: Runtime) -> None:
        self._rules = tuple(rules)
        self._runtime = runtime
        self._buckets: WeakValueDictionary[tuple[int, str], Bucket] = WeakValueDictionary()
        """Those that somebody holds, waits for or has children for, and those that are warm."""
        self._warm: list[tuple[float, int, Bucket]] = []
        """What was started of late, by the time until which that matters."""
        self._numbers = count()
        self._held: dict[str, dict[str, Sequence[Bucket]]] = {}
        """By parent and child."""
        self._lines: dict[str, dict[Bucket, None]] = {}
        """By parent, the buckets for which it stands in line."""

    def buckets(self, keys: Iterable[str]) -> tuple[Bucket, ...]:
        """Return what limits a child with these keys."""
        found: list[Bucket] = []
        for key in dict.fromkeys(keys):
            for number, rule in enumerate(self._rules):
                if rule.fits(key):
                    bucket = self._buckets.get((number, key))
                    if bucket is None:
                        bucket = self._buckets[number, key] = Bucket(rule)
                    found.append(bucket)
        return tuple(found)

    # Places

    def take(self, parent_id: str, child_id: str, buckets: Sequence[Bucket]) -> None:
        """Take a place, and a token, of each bucket for a child that is about to be started."""
        now = self._runtime.monotonic()
        for bucket in buckets:
            self._warm_until(bucket.take_token(now), bucket, now)
        self._hold(parent_id, child_id, buckets)

    def give(self, parent_id: str, child_id: str) -> None:
        """Give back what a child held."""
        held = self._held.get(parent_id)
        if held is None:
            return
        buckets = held.pop(child_id, ())
        if not held:
            del self._held[parent_id]
        for bucket in buckets:
            bucket.running -= 1
            self.call(bucket)

    def reset(self, parent_id: str, running: Mapping[str, Sequence[Bucket]]) -> None:
        """Make what a parent holds what its running children hold by the record."""
        for child_id in [child_id for child_id in self._held.get(parent_id, ()) if child_id not in running]:
            self.give(parent_id, child_id)
        for child_id, buckets in running.items():
            self._hold(parent_id, child_id, buckets)

    def leave(self, parent_id: str) -> None:
        """Give back everything that a parent held, and its places in line: nobody works on it here any more."""
        self.reset(parent_id, {})
        for bucket in list(self._lines.get(parent_id, ())):
            self.wait_no_more(bucket, parent_id)
            bucket.call_at = None  # it may have been the one to be called
            self.call(bucket)

    def used_until(self, buckets: Iterable[Bucket], at: float) -> None:
        """Reckon that all tokens were used up at a time (monotonic): another process may have started children."""
        now = self._runtime.monotonic()
        for bucket in buckets:
            self._warm_until(bucket.empty_at(at), bucket, now)

    def _hold(self, parent_id: str, child_id: str, buckets: Sequence[Bucket]) -> None:
        held = self._held.setdefault(parent_id, {})
        if child_id not in held:
            held[child_id] = buckets
            for bucket in buckets:
                bucket.running += 1

    def _warm_until(self, until: float, bucket: Bucket, now: float) -> None:
        """Keep a bucket in mind for as long as its latest start matters."""
        if until > now:
            heapq.heappush(self._warm, (until, next(self._numbers), bucket))
        while self._warm and self._warm[0][0] <= now:
            heapq.heappop(self._warm)

    # Standing in line

    def wait(self, bucket: Bucket, parent_id: str, ref: Ref) -> None:
        """Let a parent stand in line, in the place that it has already."""
        bucket.waiting[parent_id] = ref
        self._lines.setdefault(parent_id, {})[bucket] = None
        self.call(bucket)

    def wait_no_more(self, bucket: Bucket, parent_id: str) -> None:
        """Take a parent out of the line."""
        bucket.waiting.pop(parent_id, None)
        line = self._lines.get(parent_id)
        if line is not None:
            line.pop(bucket, None)
            if not line:
                del self._lines[parent_id]

    def call(self, bucket: Bucket) -> None:
        """Tell the first one in line that there is room, or see to it that it is told once there is."""
        now = self._runtime.monotonic()
        while bucket.waiting:
            wait = bucket.wait_seconds(now)
            if wait is None:
                return  # whoever gives a place back calls
            parent_id, ref = next(iter(bucket.waiting.items()))
            if wait > 0.0:
                self._call_later(bucket, ref, now, min(wait, TIMER_SECONDS_MAX))
                return
            self.wait_no_more(bucket, parent_id)
            if tell(ref, KeyFree(bucket)):
                return  # it passes on what it does not use

    def _call_later(self, bucket: Bucket, ref: Ref, now: float, wait_seconds: float) -> None:
        if bucket.call_at is None or bucket.call_at <= now:  # else there is a timer, or it was lost and we look again
            bucket.call_at = now + wait_seconds
            self._runtime.tell_later(wait_seconds, ref, KeyFree(bucket))
