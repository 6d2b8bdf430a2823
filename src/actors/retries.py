"""When children run again. Waits go by the monotonic clock, so that a wall clock that jumps moves none of them."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from math import ceil
from typing import Final

from actors.directory import Tenure
from actors.messages import RetryDue
from actors.runtime import Ref, Runtime
from events.backoff import retry_delay_us
from events.facts import ChildLimits
from events.state import ChildState, ParentState

_MICROSECOND: Final = 1e-6
_NO_LIMITS: Final = ChildLimits.model_construct()


class Retries:
    """One parent's children that are to run again: those that wait, and those whose wait is over.

    Only after a restart is a wait taken from the wall clock: what is left of it, but never more than the whole wait.
    """

    def __init__(self, ref: Ref, runtime: Runtime, tenure: Tenure) -> None:
        self._ref = ref
        self._runtime = runtime
        self._waits: list[tuple[float, str]] = []
        self._due_at = tenure.waits
        self._due: dict[str, None] = {}
        self.fresh: list[str] | None = None
        """Those whose wait is over since somebody looked here, for whoever sets a list; see `Backlog`."""

    def begin(self, state: ParentState) -> None:
        """Take over what waits by the record."""
        known = dict(self._due_at)
        self._due_at.clear()
        for child_id, not_before in state.requeued.items():
            if child_id in known:  # an actor before us timed it
                self._due_at[child_id] = known[child_id]  # if it is over, it is so for the next one as well
                left = known[child_id] - self._runtime.monotonic()
                self.wait(child_id, ceil(left / _MICROSECOND))
            else:
                self.wait(child_id, self._left_by_the_wall_clock(state.children[child_id], not_before))

    def _left_by_the_wall_clock(self, child: ChildState, not_before: int) -> int:
        limits = (child.prepared and child.prepared.limits) or _NO_LIMITS
        whole = retry_delay_us(limits, max(0, child.failures - 1))
        return min(max(0, not_before - self._runtime.now()), whole)

    def wait(self, child_id: str, wait_us: int) -> None:
        """Let a child run again after a wait, in microseconds."""
        if wait_us <= 0:
            self._let_go(child_id)
            return
        seconds = wait_us * _MICROSECOND
        due_at = self._due_at[child_id] = self._runtime.monotonic() + seconds
        heapq.heappush(self._waits, (due_at, child_id))
        self._runtime.tell_later(seconds, self._ref, RetryDue)

    def drop(self, child_id: str) -> None:
        """Forget a child that was started or has ended."""
        if not (self._due or self._due_at):
            return
        self._due.pop(child_id, None)
        self._due_at.pop(child_id, None)

    def due(self) -> Collection[str]:
        """Return the children whose wait is over, the one that has been so for longest first."""
        now = self._runtime.monotonic()
        while self._waits and self._waits[0][0] <= now:
            due_at, child_id = heapq.heappop(self._waits)
            if self._due_at.get(child_id) == due_at:  # else it was dropped, or waits anew
                self._let_go(child_id)
        return self._due.keys()

    def _let_go(self, child_id: str) -> None:
        self._due[child_id] = None
        if self.fresh is not None:
            self.fresh.append(child_id)
