"""An executor that runs nothing, and notes what it was asked."""

from __future__ import annotations

from collections.abc import Iterable

from actors.executors.work import AttemptKey, Done, Hear, Work, hear_nothing


class NotingExecutor:
    """Notes works, stops and what may be forgotten; `done` is the latest callback."""

    def __init__(self) -> None:
        self.works: list[Work] = []
        self.stops: list[tuple[AttemptKey, str]] = []
        self.forgotten: list[AttemptKey] = []
        self.done: Done | None = None

    def submit(self, work: Iterable[Work], done: Done, hear: Hear = hear_nothing) -> None:
        """Note works."""
        self.works += work
        self.done = done

    def cancel(self, keys: Iterable[AttemptKey], *, reason: str) -> None:
        """Note who was asked to stop, and why."""
        self.stops += [(key, reason) for key in keys]

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        """Note what may be forgotten."""
        self.forgotten += keys

    def close(self, *, grace_seconds: float) -> None:
        """Do nothing."""
