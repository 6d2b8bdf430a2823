"""Handing attempts to sleeping threads, without waking more of them than it takes.

To wake a thread costs more than to run a tiny task, and under the interpreter's lock a second thread does not make
tiny tasks end any sooner. So while tasks have been tiny of late, a hand-out wakes one thread, which works through
all of it; should that thread get stuck in a task that is not tiny after all, a look a moment later wakes the rest.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from enum import Enum, auto
from queue import SimpleQueue
from typing import Final, Generic, TypeVar

T = TypeVar("T")

TINY_SECONDS: Final = 100e-6
"""Below this, a task is not worth a thread of its own."""
LOOK_SECONDS: Final = 0.004
"""How long a hand-out may lie before all threads are woken for it."""
_WEIGHT: Final = 0.25
"""Of the latest task in the running mean."""


class Call(Enum):
    """What a sleeping taker is woken for."""

    LOOK = auto()
    GO_HOME = auto()


class HandOut(Generic[T]):
    """A queue for many takers that knows how long its things take."""

    def __init__(self) -> None:
        self._things: deque[T] = deque()
        self._calls: SimpleQueue[Call] = SimpleQueue()
        self._typical_seconds = 1.0

    @property
    def tiny(self) -> bool:
        """Whether things have been tiny of late."""
        return self._typical_seconds < TINY_SECONDS

    def put(self, things: Iterable[T]) -> bool:
        """Hand out things; say whether somebody should `look` in a while, since not every taker was woken."""
        before = len(self._things)
        self._things.extend(things)
        fresh = len(self._things) - before
        if fresh > 1 and self.tiny:
            self._calls.put(Call.LOOK)
            return True
        for _ in range(fresh):
            self._calls.put(Call.LOOK)
        return False

    def look(self) -> None:
        """Wake a taker for everything that still lies here."""
        for _ in range(len(self._things)):
            self._calls.put(Call.LOOK)

    def take(self) -> T | None:
        """Wait for a thing and take it; None for a taker that is sent home."""
        while True:
            try:
                return self._things.popleft()
            except IndexError:
                if self._calls.get() is Call.GO_HOME:
                    return None

    def took(self, started: float) -> None:
        """Note that a thing taken at `started` (`time.perf_counter`) is done."""
        typical = self._typical_seconds
        self._typical_seconds = typical + _WEIGHT * (time.perf_counter() - started - typical)

    def send_home(self, takers: int) -> None:
        """Let so many takers end, once nothing lies here any more."""
        for _ in range(takers):
            self._calls.put(Call.GO_HOME)
