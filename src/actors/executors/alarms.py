"""Calls to be made later: one thread, begun when first needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Final

from actors.waiting import WAIT_SECONDS_MAX

_NEVER: Final = float("inf")


class Alarms:
    """Makes calls when their time has come, by the monotonic clock. A call must be quick and must not raise.

    There are as many at a time as attempts run, so the soonest is found by a look at all of them, and one that is
    cleared leaves nothing behind.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._due: dict[Hashable, tuple[float, Callable[[], object]]] = {}
        self._awake_at = _NEVER
        self._thread: threading.Thread | None = None
        self._closed = False

    def set(self, name: Hashable, delay_seconds: float, call: Callable[[], object]) -> bool:
        """Make a call in so many seconds, unless one of this name is set already. False where no thread can be had."""
        due = time.monotonic() + delay_seconds
        with self._condition:
            self._due.setdefault(name, (due, call))
            if self._thread is None:
                thread = threading.Thread(target=self._watch, name="orchestrator-alarms", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    self._due.pop(name, None)
                    return False
                self._thread = thread
            elif due < self._awake_at:
                self._condition.notify()
        return True

    def clear(self, name: Hashable) -> None:
        """Do not make the call of this name."""
        self._due.pop(name, None)

    def close(self) -> None:
        """Make no more calls, and end the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        if self._thread is not None:
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
                ripe = [name for name, (due, _) in tuple(self._due.items()) if due <= now]
                calls = [found[1] for name in ripe if (found := self._due.pop(name, None)) is not None]
                if calls:
                    return calls
                self._awake_at = min((due for due, _ in tuple(self._due.values())), default=_NEVER)
                self._condition.wait(min(self._awake_at - now, WAIT_SECONDS_MAX))
            return None
