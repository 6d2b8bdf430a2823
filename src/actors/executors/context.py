"""What a task can know about the child it runs for."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class CurrentChild:
    """The child that the calling code runs for."""

    id: str
    parent_id: str
    attempt: int
    """1, 2, 3 …"""
    cancelled: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)
    """Set when the attempt is asked to stop."""

    @property
    def key(self) -> str:
        """`parent id/child id`: the same over all attempts, fit as an idempotency key."""
        return f"{self.parent_id}/{self.id}"


CURRENT: Final[ContextVar[CurrentChild | None]] = ContextVar("orchestrator_current_child", default=None)
