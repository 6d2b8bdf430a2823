"""Who waits for slots, best first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final

Rank = tuple[int, bool, float, float, int]
"""The smallest one is served first."""

_STALE_MAX: Final = 64


class Hungry:
    """A queue by rank. Ranks may change; entries that no longer hold are dropped when they come up."""

    def __init__(self) -> None:
        self._ranks: dict[str, Rank] = {}
        self._heap: list[tuple[Rank, str]] = []

    def __len__(self) -> int:
        return len(self._ranks)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ranks)

    def put(self, parent_id: str, rank: Rank) -> None:
        """Let a parent wait, or change its rank."""
        if self._ranks.get(parent_id) == rank:
            return
        self._ranks[parent_id] = rank
        heapq.heappush(self._heap, (rank, parent_id))
        if len(self._heap) > 2 * len(self._ranks) + _STALE_MAX:
            self._heap = [(known, waiting) for waiting, known in self._ranks.items()]
            heapq.heapify(self._heap)

    def discard(self, parent_id: str) -> None:
        """Let a parent wait no more."""
        self._ranks.pop(parent_id, None)

    def pop(self) -> str:
        """Take out the parent that is to be served first. Somebody must be waiting."""
        while True:
            rank, parent_id = heapq.heappop(self._heap)
            if self._ranks.get(parent_id) == rank:
                del self._ranks[parent_id]
                return parent_id
