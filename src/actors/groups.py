"""Children that may start, in groups: one for each set of keys, so that a key that is full costs one look, not many.

There is a heap of the groups that have room, and for each full bucket a heap of the groups that wait for it. A group
that waits is not looked at before the bucket may have room; then the best group of the parent that is first in line is
let through. Where other parents wait for the same bucket, it stands in line again after it had its share of the room.
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


class _Group:
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
        """How many may start before the group stands in line again."""
        self.rank: Rank | None = None
        """The rank under which the group stands in a heap of groups, if it does."""
        self.parked: Bucket | None = None
        """The full bucket it waits for, if it does."""


class Newcomer(NamedTuple):
    """A child that may start from now on."""

    child_id: str
    rank: Rank
    keys: tuple[str, ...]
    nested: bool


class _Child(NamedTuple):
    """A child that may start, in its group."""

    rank: Rank
    child_id: str
    group: _Group


_Listed = tuple[Rank, int, _Group]


class Groups:
    """One parent's groups. A child enters and leaves by the record; in between a turn may take it."""

    def __init__(self, parent_id: str, ref: Ref, runtime: Runtime, throttles: Throttles | None) -> None:
        self._parent_id = parent_id
        self._ref = ref
        self._runtime = runtime
        self._throttles = throttles
        self._numbers = count()
        self._groups: dict[tuple[bool, tuple[str, ...]], _Group] = {}
        self._waiting: dict[str, _Child] = {}
        self._listed: tuple[list[_Listed], list[_Listed]] = ([], [])
        """Heaps of groups that have room: those of leaves, and those of nested parents."""
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

    def add(self, newcomers: Iterable[Newcomer]) -> None:
        """Let children wait for their starts, those that do not do so already."""
        grown: dict[_Group, None] = {}
        for child_id, rank, keys, nested in newcomers:
            if child_id not in self._waiting:
                group = self._group(nested, keys)
                child = self._waiting[child_id] = _Child(rank, child_id, group)
                group.size += 1
                heapq.heappush(group.children, child)
                grown[group] = None
        for group in grown:
            self._list(group)

    def _group(self, nested: bool, keys: tuple[str, ...]) -> _Group:
        group = self._groups.get((nested, keys))
        if group is None:
            buckets = () if self._throttles is None else self._throttles.buckets(keys)
            key = (nested, keys if buckets else ())
            group = self._groups.get(key) or _Group(key, buckets)
            self._groups[key] = group
        return group

    def remove(self, child_id: str) -> None:
        """Let a child wait no more: it was started, or has ended."""
        child = self._waiting.pop(child_id, None)
        if child is None:
            return
        group = child.group
        group.size -= 1
        self._count(group)
        if group.size == 0:
            self._groups.pop(group.key, None)

    def put_back(self) -> None:
        """Let those who were taken for a turn, and whose start is not on record, wait on."""
        taken, self._taken = self._taken, []
        for child in taken:
            child.group.taken = 0
        for child in taken:
            if self._waiting.get(child.child_id) is child:
                heapq.heappush(child.group.children, child)
            self._list(child.group)

    def take(self, leaves: int, places: int) -> Next | None:
        """Take the child that is to start next, with so many slots of the pool free. Say next what came of it.

        `places` is how many may start at most. The last one is not for a nested parent where a leaf comes before it
        that still waits for a slot: a parent that runs one child at a time keeps their order.
        """
        leaf = self._first(nested=False) if leaves > 0 or places <= 1 else None
        group = self._first(nested=True)
        if group is None or (leaf is not None and leaf.children[0] < group.children[0]):
            group = leaf if leaves > 0 else None
        if group is None:
            return None
        child = heapq.heappop(group.children)
        self._taken.append(child)
        group.taken += 1
        return Next(child.child_id, group.nested)

    def settle(self, *, started: bool) -> None:
        """Say whether the child taken last is to be started; if so its keys are taken, before that is on record."""
        child = self._taken[-1]
        group = child.group
        if started and group.buckets and self._throttles is not None:
            self._throttles.take(self._parent_id, child.child_id, group.buckets)
        group.credit -= 1
        if group.credit <= 0 and group.buckets:
            group.rank = None  # it stands in line again
        self._list(group)
        self._use_room(group.buckets)

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
        if self._throttles is not None:
            self._throttles.wait_no_more(bucket, self._parent_id)
        self._offered[bucket] = None
        self._use_room((bucket,), called=True)

    def look(self) -> None:
        """Look whether there is room that nobody told us of."""
        self._use_room(list(self._parked))

    def used_until(self, at: float) -> None:
        """Count as if every rate had been used up at a time, by the monotonic clock."""
        for group in self._groups.values():
            if self._throttles is not None:
                self._throttles.used_until(group.buckets, at)

    # Groups

    def _list(self, group: _Group, *, called: bool = False) -> None:
        """Put a group where it belongs by its first child: among those that have room, or to those that wait.

        One that waits does so until it is `called`, and one that comes anew stands in line behind other parents.
        """
        while group.children and self._waiting.get(group.children[0].child_id) is not group.children[0]:
            heapq.heappop(group.children)
        rank, parked = (group.children[0].rank if group.children else None), group.parked
        if rank is None:
            parked = None
        elif parked is None or called:
            parked = self._full(group, in_line=group.rank is None and not called)
        if (rank, parked) == (group.rank, group.parked):
            self._count(group)
            return
        group.rank, group.parked = rank, parked
        self._count(group)
        if rank is None:
            return
        heap = self._listed[group.nested] if parked is None else self._parked.setdefault(parked, [])
        heapq.heappush(heap, (rank, next(self._numbers), group))
        if parked is not None:
            self._wait(parked)

    def _full(self, group: _Group, *, in_line: bool) -> Bucket | None:
        """Return a bucket that keeps a group back."""
        if not group.buckets:
            return None
        now = self._runtime.monotonic()
        for bucket in group.buckets:
            if not bucket.room(now) or (in_line and self._others_wait(bucket)):
                return bucket
        return None

    def _others_wait(self, bucket: Bucket) -> bool:
        return len(bucket.waiting) > (self._parent_id in bucket.waiting)

    def _wait(self, bucket: Bucket) -> None:
        if self._throttles is not None:
            self._throttles.wait(bucket, self._parent_id, self._ref)

    def _count(self, group: _Group) -> None:
        if group.nested:
            return
        counted = group.size
        if group.buckets:
            now = self._runtime.monotonic()
            room = 0 if group.parked is not None else max(1, min(bucket.room(now) for bucket in group.buckets))
            counted = min(group.size, group.taken + room)
        self.ready += counted - group.counted
        group.counted = counted

    def _first(self, *, nested: bool) -> _Group | None:
        """Return the group of the child that is next."""
        heap = self._listed[nested]
        while heap:
            rank, _, group = heap[0]
            if group.rank != rank or group.parked is not None:
                heapq.heappop(heap)  # it stands elsewhere by now
                continue
            self._list(group)  # the child may have ended, a bucket be full
            if group.rank == rank and group.parked is None:
                return group
            self._use_room(group.buckets)
        return None

    def _use_room(self, buckets: Iterable[Bucket], *, called: bool = False) -> None:
        """Let the best group that waits for one of these buckets have its room, if it is our turn; else wait on."""
        for bucket in buckets:
            parked = self._parked.get(bucket, [])
            while parked:
                rank, _, group = parked[0]
                if group.parked is not bucket or group.rank != rank:
                    heapq.heappop(parked)  # it stands elsewhere by now
                    continue
                room = bucket.room(self._runtime.monotonic())
                if not room or (not called and self._others_wait(bucket)):
                    self._wait(bucket)
                    break
                group.credit = max(1, room // (1 + len(bucket.waiting)))
                group.rank = group.parked = None
                self._list(group, called=True)
                if group.rank is not None and group.parked is None:
                    break
            if not parked:
                self._parked.pop(bucket, None)
