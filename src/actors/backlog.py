"""Which child of a parent starts next, and how many could.

The highest `priority` comes first; within one, children that are to run again, then the others by index. Children
whose keys have no room are passed over, and are not looked at again before one of the keys may have some.

A parent whose children have no priority, no limited key and are no parents themselves needs none of this: a pointer in
its state says who is next. For any other one the children that may start are kept in groups (see `actors.groups`). All
of it is derived from the state and made anew with the actor. The work for each child's event is that of a few heaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count, islice
from typing import Final

from actors.buckets import Bucket
from actors.groups import Groups, Newcomer, Next
from actors.retries import Retries
from actors.runtime import Ref, Runtime
from actors.throttles import Throttles
from events.child_specs import ChildSpec
from events.fact_roll import work_in
from events.facts import (
    AttemptLost,
    ChildCreated,
    ChildFinished,
    ChildPrepared,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
)
from events.frontier import startable, wanted
from events.state import NESTED_TASK, ChildWork, ParentState

_MICROSECOND: Final = 1e-6


class Backlog:
    """One parent's children that may start."""

    def __init__(
        self, parent_id: str, ref: Ref, runtime: Runtime, throttles: Throttles | None, retries: Retries
    ) -> None:
        self._parent_id = parent_id
        self._runtime = runtime
        self._throttles = throttles
        self._retries = retries
        self.plain = True
        """Whether the state alone says who is next."""
        self._known = 0
        """How many children were looked at."""
        self._numbers = count()
        self._groups = Groups(parent_id, ref, runtime, throttles)
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
            if self.plain and self._any_special(facts):
                self._build(state)
                self.reconcile(state, ours=ours)
                return
        if self.plain:
            return
        if not ours and any(isinstance(fact, ChildStarted) for fact in facts):
            self._others_until = self._runtime.monotonic()
        created: list[str] = []
        for fact in facts:
            if isinstance(fact, ChildStarted | ChildFinished):
                self._groups.remove(fact.child_id)
            if isinstance(fact, ChildFinished | AttemptLost | ChildRetryScheduled):
                if self._throttles is not None:
                    self._throttles.give(self._parent_id, fact.child_id)
            elif isinstance(fact, ChildCreated):
                created.append(fact.child_id)
        self._add_new(state, created)
        self._groups.put_back()

    def reconcile(self, state: ParentState, *, ours: bool) -> None:
        """Hold what the children hold that run by the record: what was under way is decided, one way or the other."""
        if self.plain:
            return
        if self._throttles is not None:
            held: dict[str, Sequence[Bucket]] = {}
            for child_id, _ in state.running.items() if ours else ():
                prepared = state.children[child_id].prepared
                keys = prepared.limits.keys if prepared is not None and prepared.limits is not None else None
                buckets = self._throttles.buckets(keys) if keys else ()
                if buckets:
                    held[child_id] = buckets
            self._throttles.reset(self._parent_id, held)
        self._groups.put_back()

    def _any_special(self, facts: Sequence[Fact]) -> bool:
        return any(
            self._special(each) for each in work_in(facts) if each.limits is not None or each.task == NESTED_TASK
        )

    def _special(self, prepared: ChildPrepared | ChildSpec | ChildWork) -> bool:
        limits = prepared.limits
        if limits is None:
            return prepared.task == NESTED_TASK
        keyed = limits.keys and self._throttles is not None and self._throttles.buckets(limits.keys)
        return bool(limits.priority or keyed or prepared.task == NESTED_TASK)

    def _build(self, state: ParentState) -> None:
        self.plain = False
        self._add_new(state, [child_id for child_id, child in state.children.items() if child.untouched])
        self._retries.fresh = list(self._retries.due())
        self._feed(state)

    # Children

    def _feed(self, state: ParentState) -> None:
        """Take in the children whose wait for another run is over."""
        due, fresh = self._retries.due(), self._retries.fresh
        if fresh:
            self._retries.fresh = []
            self._groups.add([self._newcomer(state, child_id, new=False) for child_id in fresh if child_id in due])

    def _add_new(self, state: ParentState, child_ids: Iterable[str]) -> None:
        """Take in children that were never started, and may be."""
        self._groups.add(
            [
                self._newcomer(state, child_id, new=True)
                for child_id in child_ids
                if (child := state.children[child_id]).phase == "waiting" and child.untouched
            ]
        )

    def _newcomer(self, state: ParentState, child_id: str, *, new: bool) -> Newcomer:
        child = state.children[child_id]
        prepared = child.prepared
        limits = None if prepared is None else prepared.limits
        rank = (-(0 if limits is None else limits.priority or 0), new, child.place if new else next(self._numbers))
        return Newcomer(child_id, rank, () if limits is None else limits.keys or (), child.nested)

    # What is asked

    def wanted(self, state: ParentState) -> int:
        """Return how many slots the parent could use now, those it uses included."""
        if self.plain:
            return wanted(state, len(self._retries.due()))
        self._feed(state)
        if state.halting or state.paused:
            return state.leaves_running
        return state.leaves_running + max(0, min(state.max_workers - state.running_count, self._groups.ready))

    def plain_after(self, facts: Sequence[Fact], state: ParentState) -> bool:
        """Whether the state alone says who is next, facts that are yet to come on record included."""
        return self.plain and (state.total == self._known or not self._any_special(facts))

    def may_start(self, state: ParentState, allotment: int) -> bool:
        """Whether some child may be able to start now, with so many slots."""
        if state.running_count >= state.max_workers:
            return False
        return state.leaves_running < allotment or self._groups.restless

    def some(self, state: ParentState, now: int, free: int) -> list[str]:
        """Return up to so many children that may start, where the backlog is a plain one."""
        return list(islice(startable(state, now, self._retries.due()), free))

    def take(self, state: ParentState, leaves: int, places: int) -> Next | None:
        """Take the child that is to start next: see `Groups.take`. Say next what came of it."""
        if state.halting or state.paused:
            return None
        if self._others_until is not None:
            self._groups.used_until(self._others_until)
            self._others_until = None
        self._feed(state)
        return self._groups.take(leaves, places)

    def settle(self, *, started: bool) -> None:
        """Say whether the child taken last is to be started; if so its keys are taken, before that is on record."""
        self._groups.settle(started=started)

    def end_turn(self, *, in_vain: bool) -> None:
        """Pass on what others may use; take back what was taken where nothing came of the turn."""
        self._groups.end_turn(in_vain=in_vain)

    def free(self, bucket: Bucket) -> None:
        """Hear that a bucket may have room."""
        self._groups.free(bucket)

    def look(self) -> None:
        """Look whether there is room that nobody told us of."""
        self._groups.look()
