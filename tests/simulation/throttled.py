"""Machines whose children have keys: limits hold over all parents, whatever dies, conflicts or gets lost."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from actors.buckets import Bucket, ThrottleRule
from actors.throttles import Throttles
from events.facts import AttemptLost, ChildFinished, ChildLimits, ChildRetryScheduled, ChildStarted
from events.log import Batch, Verdict, Written
from tests.simulation.process import Process
from tests.simulation.world import World

KEYS: Final = ("host:x", "host:y", "disk", "nobody's")
RULES: Final = (
    ThrottleRule("host:*", max_running=2, per_second=1.5, burst=2),
    ThrottleRule("disk", max_running=1),
    ThrottleRule("d*", per_second=1.0),
)
SECOND_US: Final = 1_000_000


def bounds(key: str) -> list[ThrottleRule]:
    """Return the rules that limit a key."""
    return [rule for rule in RULES if rule.fits(key)]


class ThrottledWorld(World):
    """A machine on which most children have keys, and none is a parent itself."""

    throttles = RULES

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.keys: dict[tuple[str, str], tuple[str, ...]] = {}
        self.running: defaultdict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
        """By process and key."""
        self.starts: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._give_keys(random.Random(seed))
        self.watcher.onlookers.append(self.look_at)

    def _give_keys(self, chance: random.Random) -> None:
        for name, asked in self.parents.items():
            children = []
            for spec in asked.children:
                keys = tuple(chance.sample(KEYS, chance.choice((0, 1, 1, 2))))
                self.keys[name, spec.child_id] = keys
                limits = (spec.limits or ChildLimits()).model_copy(update={"keys": keys or None})
                leaf = {"task": "simulated", "input": "{}", "limits": limits}
                children.append(spec.model_copy(update=leaf))
            self.parents[name] = replace(asked, children=tuple(children))

    def look_at(self, owner: str, batches: Sequence[Batch], verdicts: Sequence[Verdict]) -> None:
        """Hold what is put on record to the limits."""
        for batch, verdict in zip(batches, verdicts, strict=True):
            if isinstance(verdict, Written):
                for name, data in batch.rows:
                    self._take(owner, batch.parent_id, self.disk.catalogue.decode(name, data))

    def _take(self, owner: str, parent_id: str, fact: object) -> None:
        if isinstance(fact, ChildStarted) and fact.worker != "engine":
            for key in self.keys.get((parent_id, fact.child_id), ()):
                self.running[owner, key].add((parent_id, fact.child_id))
                self.starts[owner, key].append(fact.at)
                for rule in bounds(key):
                    self._judge(owner, key, rule)
        elif isinstance(fact, ChildFinished | AttemptLost | ChildRetryScheduled):
            for members in self.running.values():
                members.discard((parent_id, fact.child_id))

    def _judge(self, owner: str, key: str, rule: ThrottleRule) -> None:
        running = len(self.running[owner, key])
        if rule.max_running is not None and running > rule.max_running:
            self.watcher.break_promise("throttled-together", f"{owner}: {running} of {key} run")
        if rule.per_second is not None and self.calm:
            latest = self.starts[owner, key]
            window = [at for at in latest if at > latest[-1] - SECOND_US]
            if len(window) > rule.burst + rule.per_second:
                self.watcher.break_promise("throttled-rate", f"{owner}: {len(window)} of {key} start in a second")

    def _look_for_idleness(self) -> None:
        super()._look_for_idleness()
        for process in self.processes:
            for bucket in buckets_of(process):
                now = process.runtime.monotonic()
                if (
                    bucket.waiting
                    and bucket.room(now)
                    and not (bucket.call_at is not None and bucket.call_at > now - 0.001)
                ):
                    self.watcher.break_promise("no-key-idles", f"{process.name}: {bucket.rule.key} has room")

    def _left(self) -> str | None:
        left = super()._left()
        for process in self.processes if left is None else ():
            held = throttles_of(process)._held
            if held:
                return f"{process.name}: keys are held for {held}"
            if throttles_of(process)._lines or any(bucket.running for bucket in buckets_of(process)):
                return f"{process.name}: somebody who is gone is still counted"
        return left


def throttles_of(process: Process) -> Throttles:
    """Return the keys of a process."""
    throttles = process.system._surroundings.throttles
    assert throttles is not None
    return throttles


def buckets_of(process: Process) -> list[Bucket]:
    """Return what is counted of each key."""
    return list(throttles_of(process)._buckets.values())
