"""What a task can know about the child it runs for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from events.errors import LimitExceededError, UsageError

MESSAGE_CHARS_MAX: Final = 1_000
"""Longest message of a heartbeat, in characters."""

OnHeartbeat = Callable[[float | None, str | None], None]
"""Hears, on the task's own thread, of a heartbeat: progress and message, each None where it is not given."""


def _unheard(progress: float | None, message: str | None) -> None:
    """Take a heartbeat that nobody waits for."""


class CurrentChild:
    """The child that the calling code runs for."""

    __slots__ = ("_cancelled", "_on_heartbeat", "attempt", "id", "parent_id")

    def __init__(self, child_id: str, parent_id: str, attempt: int, on_heartbeat: OnHeartbeat = _unheard) -> None:
        self.id: Final = child_id
        """The child's id."""
        self.parent_id: Final = parent_id
        """The id of the run it belongs to."""
        self.attempt: Final = attempt
        """1, 2, 3 …"""
        self._cancelled: threading.Event | None = None
        self._on_heartbeat = on_heartbeat

    def heartbeat(self, progress: float | None = None, message: str | None = None) -> None:
        """Say that the attempt lives and, if given, how far it is: a part from 0 to 1, and a few words.

        Cheap: call it as often as you like. What is shown and recorded of it is thinned out to about one a second.

        Raises:
            UsageError: progress is no number from 0 to 1, or the message is no text.
            LimitExceededError: the message has more than 1,000 characters.
        """
        if progress is not None:
            number = isinstance(progress, int | float) and not isinstance(progress, bool)
            if not number or not 0 <= progress <= 1:
                raise UsageError("heartbeat: progress is a number from 0 to 1")
            progress = float(progress)
        if message is not None:
            if not isinstance(message, str):
                raise UsageError("heartbeat: message is a text")
            if len(message) > MESSAGE_CHARS_MAX:
                raise LimitExceededError(
                    f"heartbeat: a message has at most {MESSAGE_CHARS_MAX:,} characters, not {len(message):,}"
                )
            message = message.encode("utf-8", "replace").decode()  # a file's name, say, may be no Unicode
        self._on_heartbeat(progress, message)

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
