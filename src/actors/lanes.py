"""Children that may start, in lanes: one for each set of keys, so that a key that is full costs one look, not many.

There is a heap of the lanes that have room, and for each full bucket a heap of the lanes that wait for it. A lane that
waits is not looked at before the bucket may have room; then the best lane of the parent that is first in line is let
through. Where other parents wait for the same bucket, a lane stands in line again after it had its share of the room.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from itertools import count
from typing import NamedTuple

from actors.buckets import Bucket
from actors.runtime import Ref, Runtime
from actors.throttles import Throttles

Rank = tuple[int, bool, int]
"""The smallest one starts first: priority turned round, whether the child is new, and its turn."""


class Next(NamedTuple):
    """A child that may start."""

    child_id: str
    nested: bool


class _Lane:
    """Children that need the same: the same keys, and a slot or none."""

    __slots__ = ("buckets", "children", "counted", "credit", "key", "nested", "parked", "rank", "size", "taken")

    def __init__(self, key: tuple[bool, tuple[str, ...]], buckets: Sequence[Bucket]) -> None:
        self.key = key
        self.nested = key[0]
        self.buckets = buckets
        self.children: list[_Child] = []
        """A heap. Those who are no longer in the backlog are dropped when they come up."""
        self.size = 0
        """How many of them may start by the record, those that a turn has taken included."""
        self.taken = 0
        """How many a turn has taken."""
        self.counted = 0
        """How many of them count as wanting a slot."""
        self.credit = 0
        """How many may start before the lane stands in line again."""
        self.rank: Rank | None = None
        """The rank under which the lane stands in a heap of lanes, if it does."""
        self.parked: Bucket | None = None
        """The full bucket it waits for, if it does."""


class _Child(NamedTuple):
    """A child that may start."""

    rank: Rank
    child_id: str
    lane: _Lane


_Listed = tuple[Rank, int, _Lane]


class Lanes:
    """One parent's lanes. A child enters and leaves by the record; in between a turn may take it."""

    def __init__(self, parent_id: str, ref: Ref, runtime: Runtime, throttles: Throttles | None) -> None:
        self._parent_id = parent_id
        self._ref = ref
        self._runtime = runtime
        self._throttles = throttles
        self._numbers = count()
        self._lanes: dict[tuple[bool, tuple[str, ...]], _Lane] = {}
        self._waiting: dict[str, _Child] = {}
        self._listed: tuple[list[_Listed], list[_Listed]] = ([], [])
        """Heaps of lanes that have room: those of leaves, and those of nested parents."""
        self._parked: dict[Bucket, list[_Listed]] = {}
        self._taken: list[_Child] = []
        self._offered: dict[Bucket, None] = {}
        """Buckets that we were told of, and have to pass on."""
        self.ready = 0
        """How many slots of the pool could be used."""

    @property
    def restless(self) -> bool:
        """Whether something is to be done though there may be no slot: nested children, or a bucket to pass on."""
        return bool(self._listed[True] or self._offered)

    # Children

    def add(self, child_id: str, rank: Rank, keys: tuple[str, ...], *, nested: bool) -> None:
        """Let a child wait for its start, unless it does so already."""
        if child_id in self._waiting:
            return
        lane = self._lane(nested, keys)
        child = self._waiting[child_id] = _Child(rank, child_id, lane)
        lane.size += 1
        heapq.heappush(lane.children, child)
        self._list(lane)

    def _lane(self, nested: bool, keys: tuple[str, ...]) -> _Lane:
        lane = self._lanes.get((nested, keys))
        if lane is None:
            buckets = () if self._throttles is None else self._throttles.buckets(keys)
            key = (nested, keys if buckets else ())
            lane = self._lanes.get(key) or _Lane(key, buckets)
            self._lanes[key] = lane
        return lane

    def remove(self, child_id: str) -> None:
        """Let a child wait no more: it was started, or has ended."""
        child = self._waiting.pop(child_id, None)
        if child is None:
            return
        lane = child.lane
        lane.size -= 1
        self._count(lane)
        if lane.size == 0:
            self._lanes.pop(lane.key, None)

    def put_back(self) -> None:
        """Let those who were taken for a turn, and whose start is not on record, wait on."""
        taken, self._taken = self._taken, []
        for child in taken:
            child.lane.taken = 0
        for child in taken:
            if self._waiting.get(child.child_id) is child:
                heapq.heappush(child.lane.children, child)
            self._list(child.lane)

    def take(self, leaves: int) -> Next | None:
        """Take the child that is to start next, with so many slots of the pool free. Say next what came of it."""
        leaf = self._first(nested=False) if leaves > 0 else None
        lane = self._first(nested=True)
        if lane is None or (leaf is not None and leaf.children[0] < lane.children[0]):
            lane = leaf
        if lane is None:
            return None
        child = heapq.heappop(lane.children)
        self._taken.append(child)
        lane.taken += 1
        return Next(child.child_id, lane.nested)

    def settle(self, *, started: bool) -> None:
        """Say whether the child taken last is to be started; if so its keys are taken, before that is on record."""
        child = self._taken[-1]
        lane = child.lane
        if started and lane.buckets and self._throttles is not None:
            self._throttles.take(self._parent_id, child.child_id, lane.buckets)
        lane.credit -= 1
        if lane.credit <= 0 and lane.buckets:
            lane.rank = None  # it stands in line again
        self._list(lane)
        self._use_room(lane.buckets)

    def end_turn(self, *, in_vain: bool) -> None:
        """Pass on what others may use; take back what was taken where nothing came of the turn."""
        if in_vain and self._taken:
            self.put_back()
        if self._offered and self._throttles is not None:
            offered, self._offered = self._offered, {}
            for bucket in offered:
                self._throttles.call(bucket)

    def free(self, bucket: Bucket) -> None:
        """Hear that a bucket may have room."""
        bucket.call_at = None
        bucket.waiting.pop(self._parent_id, None)
        self._offered[bucket] = None
        self._use_room((bucket,), called=True)

    def look(self) -> None:
        """Look whether there is room that nobody told us of."""
        self._use_room(list(self._parked))

    def used_until(self, at: float) -> None:
        """Count as if every rate had been used up at a time, by the monotonic clock."""
        for lane in self._lanes.values():
            if self._throttles is not None:
                self._throttles.used_until(lane.buckets, at)

    # Lanes

    def _list(self, lane: _Lane, *, called: bool = False) -> None:
        """Put a lane where it belongs by its first child: among those that have room, or to those that wait.

        One that waits does so until it is `called`, and one that comes anew stands in line behind other parents.
        """
        while lane.children and self._waiting.get(lane.children[0].child_id) is not lane.children[0]:
            heapq.heappop(lane.children)
        rank, parked = (lane.children[0].rank if lane.children else None), lane.parked
        if rank is None:
            parked = None
        elif parked is None or called:
            parked = self._full(lane, in_line=lane.rank is None and not called)
        if (rank, parked) == (lane.rank, lane.parked):
            self._count(lane)
            return
        lane.rank, lane.parked = rank, parked
        self._count(lane)
        if rank is None:
            return
        heap = self._listed[lane.nested] if parked is None else self._parked.setdefault(parked, [])
        heapq.heappush(heap, (rank, next(self._numbers), lane))
        if parked is not None:
            self._wait(parked)

    def _full(self, lane: _Lane, *, in_line: bool) -> Bucket | None:
        """Return a bucket that keeps a lane back."""
        if not lane.buckets:
            return None
        now = self._runtime.monotonic()
        for bucket in lane.buckets:
            if not bucket.room(now) or (in_line and self._others_wait(bucket)):
                return bucket
        return None

    def _others_wait(self, bucket: Bucket) -> bool:
        return len(bucket.waiting) > (self._parent_id in bucket.waiting)

    def _wait(self, bucket: Bucket) -> None:
        if self._throttles is not None:
            self._throttles.wait(bucket, self._parent_id, self._ref)

    def _count(self, lane: _Lane) -> None:
        if lane.nested:
            return
        counted = lane.size
        if lane.buckets:
            now = self._runtime.monotonic()
            room = 0 if lane.parked is not None else max(1, min(bucket.room(now) for bucket in lane.buckets))
            counted = min(lane.size, lane.taken + room)
        self.ready += counted - lane.counted
        lane.counted = counted

    def _first(self, *, nested: bool) -> _Lane | None:
        """Return the lane of the child that is next."""
        heap = self._listed[nested]
        while heap:
            rank, _, lane = heap[0]
            if lane.rank != rank or lane.parked is not None:
                heapq.heappop(heap)  # it stands elsewhere by now
                continue
            self._list(lane)  # the child may have ended, a bucket be full
            if lane.rank == rank and lane.parked is None:
                return lane
            self._use_room(lane.buckets)
        return None

    def _use_room(self, buckets: Iterable[Bucket], *, called: bool = False) -> None:
        """Let the best lane that waits for one of these buckets have its room, if it is our turn; else wait on."""
        for bucket in buckets:
            parked = self._parked.get(bucket, [])
            while parked:
                rank, _, lane = parked[0]
                if lane.parked is not bucket or lane.rank != rank:
                    heapq.heappop(parked)  # it stands elsewhere by now
                    continue
                room = bucket.room(self._runtime.monotonic())
                if not room or (not called and self._others_wait(bucket)):
                    self._wait(bucket)
                    break
                lane.credit = max(1, room // (1 + len(bucket.waiting)))
                lane.rank = lane.parked = None
                self._list(lane, called=True)
                if lane.rank is not None and lane.parked is None:
                    break
            if not parked:
                self._parked.pop(bucket, None)
