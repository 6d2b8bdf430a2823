"""Which child of a parent starts next, and how many could.

The highest `priority` comes first; within one, children that are to run again, then the others by index. Children
whose keys have no room are passed over, and are not looked at again before one of the keys may have some.

A parent whose children have no priority, no limited key and are no parents themselves needs none of this: a pointer in
its state says who is next. For any other one a backlog is kept: children that may start, in a *lane* for each set of
keys, a heap of lanes that have room, and for each full bucket a heap of lanes that wait for it. All of it is derived
from the state and made anew with the actor. The work for each child's event is that of a few heaps.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from itertools import count, islice
from typing import NamedTuple

from actors.buckets import Bucket
from actors.retries import Retries
from actors.runtime import Ref, Runtime
from actors.throttles import Throttles
from events.facts import (
    AttemptLost,
    ChildCreated,
    ChildFinished,
    ChildPrepared,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
)
from events.frontier import frontier, startable
from events.state import NESTED_TASK, ParentState

_MICROSECOND = 1e-6

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


class Backlog:
    """One parent's children that may start."""

    def __init__(
        self, parent_id: str, ref: Ref, runtime: Runtime, throttles: Throttles | None, retries: Retries
    ) -> None:
        self._parent_id = parent_id
        self._ref = ref
        self._runtime = runtime
        self._throttles = throttles
        self._retries = retries
        self.plain = True
        """Whether the state alone says who is next."""
        self._known = 0
        """How many children were looked at."""
        self._numbers = count()
        self._clear()

    def _clear(self) -> None:
        self._lanes: dict[tuple[bool, tuple[str, ...]], _Lane] = {}
        self._waiting: dict[str, _Child] = {}
        self._listed: tuple[list[_Listed], list[_Listed]] = ([], [])
        """Heaps of lanes that have room: those of leaves, and those of nested parents."""
        self._parked: dict[Bucket, list[_Listed]] = {}
        self._taken: list[_Child] = []
        self._offered: dict[Bucket, None] = {}
        """Buckets that we were told of, and have to pass on."""
        self._ready = 0
        """How many slots of the pool could be used."""
        self._others_until: float | None = None
        """Until when another process may have started children of this parent, by the monotonic clock."""

    # What is on record

    def begin(self, state: ParentState, *, ours: bool, silent_us: int) -> None:
        """Begin from a state that was just read, `silent_us` after the latest time on record."""
        self._known = state.total
        children = (child.prepared for _, child in state.children.items())
        if any(self._special(prepared) for prepared in children if prepared is not None):
            self._build(state)
            self.reconcile(state, ours=ours)
            if state.started_at is not None and not ours:
                self._others_until = self._runtime.monotonic() - max(0, silent_us) * _MICROSECOND

    def note(self, facts: Sequence[Fact], state: ParentState, *, ours: bool) -> None:
        """Take note of facts that were put on record, and of the state after them."""
        if state.total != self._known:
            self._known = state.total
            if self.plain and any(isinstance(fact, ChildPrepared) and self._special(fact) for fact in facts):
                self._build(state)
                self.reconcile(state, ours=ours)
                return
        if self.plain:
            return
        if not ours and any(isinstance(fact, ChildStarted) for fact in facts):
            self._others_until = self._runtime.monotonic()
        for fact in facts:
            if isinstance(fact, ChildStarted | ChildFinished):
                self._remove(fact.child_id)
            if isinstance(fact, ChildFinished | AttemptLost | ChildRetryScheduled):
                if self._throttles is not None:
                    self._throttles.give(self._parent_id, fact.child_id)
            elif isinstance(fact, ChildCreated):
                self._add_new(state, fact.child_id)
        self._put_back()

    def reconcile(self, state: ParentState, *, ours: bool) -> None:
        """Hold what the children hold that run by the record: what was under way is decided, one way or the other."""
        if self.plain:
            return
        self._put_back()
        if self._throttles is None:
            return
        held: dict[str, Sequence[Bucket]] = {}
        for child_id, _ in state.running.items() if ours else ():
            prepared = state.children[child_id].prepared
            keys = prepared.limits.keys if prepared is not None and prepared.limits is not None else None
            buckets = self._throttles.buckets(keys) if keys else ()
            if buckets:
                held[child_id] = buckets
        self._throttles.reset(self._parent_id, held)

    def _special(self, prepared: ChildPrepared) -> bool:
        limits = prepared.limits
        if limits is None:
            return prepared.task == NESTED_TASK
        keyed = limits.keys and self._throttles is not None and self._throttles.buckets(limits.keys)
        return bool(limits.priority or keyed or prepared.task == NESTED_TASK)

    def _build(self, state: ParentState) -> None:
        self.plain = False
        self._clear()
        for child_id, child in list(state.children.items()):
            if child.phase == "waiting" and child.untouched:
                self._add_new(state, child_id)
        self._retries.fresh = list(self._retries.due())
        self._feed(state)

    # Children

    def _feed(self, state: ParentState) -> None:
        """Take in the children whose wait for another run is over."""
        due, fresh = self._retries.due(), self._retries.fresh
        if not fresh:
            return
        self._retries.fresh = []
        for child_id in fresh:
            if child_id in due and child_id in state.requeued:
                self._add(state, child_id, new=False, turn=next(self._numbers))

    def _add_new(self, state: ParentState, child_id: str) -> None:
        child = state.children[child_id]
        if child.phase == "waiting" and child.untouched:
            self._add(state, child_id, new=True, turn=child.place)

    def _add(self, state: ParentState, child_id: str, *, new: bool, turn: int) -> None:
        prepared = state.children[child_id].prepared
        if prepared is None or child_id in self._waiting:
            return
        limits = prepared.limits
        priority = 0 if limits is None else limits.priority or 0
        lane = self._lane(prepared.task == NESTED_TASK, () if limits is None else limits.keys or ())
        child = self._waiting[child_id] = _Child((-priority, new, turn), child_id, lane)
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

    def _remove(self, child_id: str) -> None:
        child = self._waiting.pop(child_id, None)
        if child is None:
            return
        lane = child.lane
        lane.size -= 1
        self._count(lane)
        if lane.size == 0:
            self._lanes.pop(lane.key, None)

    def _put_back(self) -> None:
        """Let those who were taken for a turn, and whose start is not on record, wait on."""
        taken, self._taken = self._taken, []
        for child in taken:
            child.lane.taken = 0
        for child in taken:
            if self._waiting.get(child.child_id) is child:
                heapq.heappush(child.lane.children, child)
            self._list(child.lane)

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
        self._ready += counted - lane.counted
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

    # What is asked

    def wanted(self, state: ParentState) -> int:
        """Return how many slots the parent could use now, those it uses included."""
        if self.plain:
            return frontier(state, len(self._retries.due())).wanted
        self._feed(state)
        if state.halting or state.paused:
            return state.leaves_running
        return state.leaves_running + max(0, min(state.max_workers - state.running_count, self._ready))

    def may_start(self, state: ParentState, allotment: int) -> bool:
        """Whether some child may be able to start now, with so many slots."""
        if state.running_count >= state.max_workers:
            return False
        return state.leaves_running < allotment or bool(self._listed[True] or self._offered)

    def some(self, state: ParentState, now: int, free: int) -> list[str]:
        """Return up to so many children that may start, where the backlog is a plain one."""
        return list(islice(startable(state, now, self._retries.due()), free))

    def take(self, state: ParentState, leaves: int) -> Next | None:
        """Take the child that is to start next, with so many slots of the pool free. Say next what came of it."""
        if state.halting or state.paused:
            return None
        self._reckon_with_others()
        self._feed(state)
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

    def _reckon_with_others(self) -> None:
        """Where another process worked on the parent before, count as if it had used up every rate until the end."""
        since, self._others_until = self._others_until, None
        if since is not None and self._throttles is not None:
            for lane in self._lanes.values():
                self._throttles.used_until(lane.buckets, since)

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
            self._put_back()
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
