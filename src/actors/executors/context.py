"""What a task can know about the child it runs for."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Final


class CurrentChild:
    """The child that the calling code runs for."""

    __slots__ = ("_cancelled", "attempt", "id", "parent_id")

    def __init__(self, child_id: str, parent_id: str, attempt: int) -> None:
        self.id: Final = child_id
        """The child's id."""
        self.parent_id: Final = parent_id
        """The id of the run it belongs to."""
        self.attempt: Final = attempt
        """1, 2, 3 …"""
        self._cancelled: threading.Event | None = None

    @property
    def key(self) -> str:
        """`parent id/child id`: the same over all attempts, fit as an idempotency key."""
        return f"{self.parent_id}/{self.id}"

    @property
    def cancelled(self) -> threading.Event:
        """Set when the attempt is asked to stop. Made when first asked for: most tasks never do."""
        if self._cancelled is None:
            with _LOCK:
                if self._cancelled is None:
                    self._cancelled = threading.Event()
        return self._cancelled

    def __repr__(self) -> str:
        return f"<child {self.key!r}, attempt {self.attempt}>"


_LOCK: Final = threading.Lock()
CURRENT: Final[ContextVar[CurrentChild | None]] = ContextVar("orchestrator_current_child", default=None)
