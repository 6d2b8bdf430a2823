"""Bugs to plant in the limits by key, for machines whose children have keys."""

from __future__ import annotations

from typing import Final

from tests.simulation.planted import Bug, bug

THROTTLES: Final[dict[str, Bug]] = {
    "key-not-taken": bug(
        "a child that starts takes no place of its keys",
        "actors.throttles",
        "        self._hold(parent_id, child_id, buckets)\n\n    def give",
        "\n    def give",
        world="keys",
    ),
    "key-not-given-back": bug(
        "a child that ended keeps its places",
        "actors.throttles",
        "            bucket.running -= 1\n",
        "",
        world="keys",
    ),
    "key-held-by-the-gone": bug(
        "what is held is never put right by the record",
        "actors.throttles",
        "        for child_id in [child_id for child_id in self._held.get(parent_id, ()) if child_id not in running]:\n"
        "            self.give(parent_id, child_id)\n",
        "",
        world="keys",
    ),
    "key-free-untold": bug(
        "nobody is told that a key has room again",
        "actors.throttles",
        "            bucket.running -= 1\n            self.call(bucket)\n",
        "            bucket.running -= 1\n",
        world="keys",
    ),
    "key-line-blocked": bug(
        "a parent that has gone keeps its place in line",
        "actors.throttles",
        "            self.wait_no_more(bucket, parent_id)\n            bucket.call_at = None",
        "            bucket.call_at = None",
        world="keys",
    ),
    "key-passed-on-to-nobody": bug(
        "who is told of room and cannot use it tells no other one",
        "actors.groups",
        "            for bucket in offered:\n                self._throttles.call(bucket)\n",
        "            offered.clear()\n",
        world="keys",
    ),
    "rate-not-held": bug(
        "a start uses up no token",
        "actors.buckets",
        "self._next_at = max(self._next_at, now) + 1 / self.rule.per_second",
        "self._next_at = max(self._next_at, now)",
        world="keys",
    ),
    "burst-off-by-one": bug(
        "one more may start at once than the burst says",
        "actors.buckets",
        "floor(self.rule.burst - late + _ROUNDING)",
        "floor(self.rule.burst + 1 - late + _ROUNDING)",
        world="keys",
    ),
    "key-places-off-by-one": bug(
        "one more may run at a time than the limit says",
        "actors.buckets",
        "max(0, self.rule.max_running - self.running)",
        "max(0, self.rule.max_running + 1 - self.running)",
        "actors.buckets",
        "self.running >= self.rule.max_running",
        "self.running > self.rule.max_running",
        world="keys",
    ),
}
