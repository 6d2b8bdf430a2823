"""When waiting children run out of time: of that for a start (`queue_timeout`), or of all they have (`total_timeout`).

Waits go by the monotonic clock. Only after a restart, or where we hear late that a child waits, what is left of a wait
is taken from the wall clock, and it is never more than the whole of it. A child that runs is not watched here: its
executor ends the attempt.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

from actors.messages import ExpiryDue
from actors.runtime import Ref, Runtime
from events.backoff import retry_delay_us
from events.commands import Command, ExpireChild
from events.fact_roll import apart
from events.facts import AttemptLost, ChildCreated, ChildLimits, ChildRedriven, ChildRetryScheduled, Fact, Resumed
from events.state import ChildState, ParentState

_MICROSECOND: Final = 1e-6


class _Wait(NamedTuple):
    due_at: float
    child_id: str
    clock: Literal["queue", "total"]
    mark: tuple[int, int]
    """What the child's state says of this wait; a child that says otherwise does not wait so any more."""


class Expiries:
    """One parent's children that wait and may not do so for ever. Costs nothing where no child has such a limit."""

    def __init__(self, ref: Ref, runtime: Runtime) -> None:
        self._ref = ref
        self._runtime = runtime
        self._waits: list[_Wait] = []
        self._ripe: list[_Wait] = []
        """Those whose time is up, and that is not on record yet."""
        self._timer_at = float("inf")

    def begin(self, state: ParentState) -> None:
        """Watch what waits by the record."""
        self._waits.clear()
        self._ripe.clear()
        self._timer_at = float("inf")
        if state.timed:
            self._watch(state, (child_id for child_id, _ in state.children.items()), self._runtime.now())

    def note(self, facts: Sequence[Fact], state: ParentState, ago_seconds: float | None) -> None:
        """Watch what waits since these facts, which were decided so long ago by the monotonic clock, where we know."""
        if not state.timed:
            return
        if any(isinstance(fact, Resumed) for fact in apart(facts)):
            self.begin(state)
            return
        waiting = (ChildCreated, ChildRetryScheduled, AttemptLost, ChildRedriven)
        ids = dict.fromkeys(fact.child_id for fact in facts if isinstance(fact, waiting))
        if ids:
            now = self._runtime.now() if ago_seconds is None else facts[-1].at + int(ago_seconds / _MICROSECOND)
            self._watch(state, ids, now)

    def due(self, state: ParentState, now: int) -> list[Command]:
        """Return the commands that end those whose time is up."""
        if not self._waits and not self._ripe:
            return []
        monotonic = self._runtime.monotonic()
        while self._waits and self._waits[0].due_at <= monotonic:
            self._ripe.append(heapq.heappop(self._waits))
        self._ripe = [wait for wait in self._ripe if _waits_on(wait, state)]  # until that is over on record
        self._set_timer(monotonic)
        return [ExpireChild(at=now, child_id=wait.child_id, clock=wait.clock) for wait in self._ripe]

    def _watch(self, state: ParentState, child_ids: Iterable[str], now: int) -> None:
        monotonic = self._runtime.monotonic()
        for child_id in child_ids:
            child = state.children[child_id]
            limits = None if child.prepared is None else child.prepared.limits
            if limits is None or child.phase != "waiting":
                continue
            queue, total = limits.queue_timeout_seconds, limits.total_timeout_seconds
            if queue is not None and not state.paused:
                to_come = min(max(0, (state.requeued.get(child_id) or 0) - now), _wait_us(limits, child))
                left = _left(queue, now - max(child.since, state.resumed_at)) + to_come * _MICROSECOND
                self._push(monotonic, child_id, "queue", child, state, left)
            if total is not None and child.first_at:
                self._push(monotonic, child_id, "total", child, state, _left(total, now - child.first_at))
        self._set_timer(monotonic)

    def _push(
        self,
        now: float,
        child_id: str,
        clock: Literal["queue", "total"],
        child: ChildState,
        state: ParentState,
        left: float,
    ) -> None:
        heapq.heappush(self._waits, _Wait(now + left, child_id, clock, _mark(clock, child, state)))

    def _set_timer(self, now: float) -> None:
        """See to it that we look again when the next one is due."""
        if not self._waits:
            return
        due_at = self._waits[0].due_at
        if due_at < self._timer_at or self._timer_at <= now:
            self._timer_at = due_at
            self._runtime.tell_later(max(0.0, due_at - now), self._ref, ExpiryDue)


def _waits_on(wait: _Wait, state: ParentState) -> bool:
    child = state.children.get(wait.child_id)
    return child is not None and child.phase == "waiting" and wait.mark == _mark(wait.clock, child, state)


def _mark(clock: str, child: ChildState, state: ParentState) -> tuple[int, int]:
    return (child.since, state.resumed_at) if clock == "queue" else (child.first_at, child.again)


def _left(limit_seconds: float, elapsed_us: int) -> float:
    """Return the seconds that are left of a limit: the whole of it at most, whatever the wall clock says."""
    return max(0.0, limit_seconds - max(0, elapsed_us) * _MICROSECOND)


def _wait_us(limits: ChildLimits, child: ChildState) -> int:
    """Return the longest wait for a retry that a child can be in."""
    return retry_delay_us(limits, max(0, child.failures - 1))
