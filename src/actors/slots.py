"""A parent's side of the pool: its allotment of slots, and the names of the workers in them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from actors.messages import Allotment, Share
from actors.runtime import Ref


class Slots:
    """How many children may run, and which worker names are free."""

    def __init__(self) -> None:
        self.allotment = 0
        """How many children may be running."""
        self._seen = 0
        self._sequence = 0
        self._said: tuple[int, ...] | None = None
        self._free: list[int] = []
        self._next = 1
        self._names: dict[str, int] = {}

    def allot(self, allotment: Allotment) -> None:
        """Take note of an allotment; an older one that comes late is of no account."""
        if allotment.number > self._seen:
            self._seen = allotment.number
            self.allotment = allotment.slots

    def share(
        self,
        parent_id: str,
        ref: Ref,
        wanted: int,
        used: int,
        handed: int,
        *,
        again: bool,
        weight: int = 1,
        priority: int = 0,
    ) -> Share | None:
        """Return what to tell the pool, or None where it knows. What is not wanted is given up by saying so."""
        self.allotment = min(self.allotment, wanted)
        said = (wanted, self._seen, max(0, used - self.allotment), weight, priority)
        if said == self._said and not again:
            return None
        self._said = said
        self._sequence += 1
        held, seen, sequence = self.allotment, self._seen, self._sequence
        return Share(parent_id, ref, wanted, used, held, seen, handed, sequence, again, weight, priority)

    def take_worker(self, child_id: str) -> str:
        """Name the worker of a child that starts: the lowest number that is free."""
        if self._free:
            number = heapq.heappop(self._free)
        else:
            number, self._next = self._next, self._next + 1
        self._names[child_id] = number
        return str(number)

    def give_back(self, child_id: str) -> None:
        """Free the worker of a child that runs no more."""
        number = self._names.pop(child_id, None)
        if number is not None:
            heapq.heappush(self._free, number)

    def reset_workers(self, running: Iterable[tuple[str, str]]) -> None:
        """Begin anew from the children that run and their workers' names."""
        self._names = {child_id: int(worker) for child_id, worker in running if worker.isdecimal()}
        self._next = max(self._names.values(), default=0) + 1
        used = set(self._names.values())
        self._free = [number for number in range(1, self._next) if number not in used]
