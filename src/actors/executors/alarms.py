"""Calls to be made later: one thread, begun when first needed."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Hashable
from itertools import count
from typing import Final, NamedTuple

from actors.waiting import WAIT_SECONDS_MAX

_NEVER: Final = float("inf")
_CLEARED_MAX: Final = 64
"""So many that were cleared may lie among those that are set, beside as many as there are of these."""


class _Alarm(NamedTuple):
    due: float
    number: int
    name: Hashable
    call: Callable[[], object]


class Alarms:
    """Makes calls when their time has come, by the monotonic clock. A call must be quick and must not raise.

    They lie in a heap. One that is cleared stays in it for a while and is passed over; where those become many, the
    heap is built anew.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._due: dict[Hashable, _Alarm] = {}
        self._heap: list[_Alarm] = []
        self._numbers = count()
        self._awake_at = _NEVER
        self._thread: threading.Thread | None = None
        self._closed = False

    def set(self, name: Hashable, delay_seconds: float, call: Callable[[], object]) -> bool:
        """Make a call in so many seconds, unless one of this name is set already. False where no thread can be had."""
        alarm = _Alarm(time.monotonic() + delay_seconds, next(self._numbers), name, call)
        with self._condition:
            if self._due.setdefault(name, alarm) is not alarm:
                return True
            heapq.heappush(self._heap, alarm)
            if self._thread is None:
                thread = threading.Thread(target=self._watch, name="orchestrator-alarms", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    self._due.pop(name, None)
                    return False
                self._thread = thread
            elif alarm.due < self._awake_at:
                self._condition.notify()
            if len(self._heap) > 2 * len(self._due) + _CLEARED_MAX:
                self._heap = list(self._due.copy().values())
                heapq.heapify(self._heap)
        return True

    def clear(self, name: Hashable) -> None:
        """Do not make the call of this name."""
        self._due.pop(name, None)

    def close(self) -> None:
        """Make no more calls, and end the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        while (calls := self._next()) is not None:
            for call in calls:
                call()

    def _next(self) -> list[Callable[[], object]] | None:
        """Wait for the next calls to be made; None once closed."""
        with self._condition:
            while not self._closed:
                now = time.monotonic()
                calls = []
                while self._heap and (self._heap[0].due <= now or not self._is_set(self._heap[0])):
                    alarm = heapq.heappop(self._heap)
                    if self._is_set(alarm) and self._due.pop(alarm.name, None) is alarm:
                        calls.append(alarm.call)
                if calls:
                    return calls
                self._awake_at = self._heap[0].due if self._heap else _NEVER
                self._condition.wait(min(self._awake_at - now, WAIT_SECONDS_MAX))
            return None

    def _is_set(self, alarm: _Alarm) -> bool:
        return self._due.get(alarm.name) is alarm
