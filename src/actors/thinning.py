"""Thins out what attempts say of their progress before it reaches the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from actors.executors.work import AttemptKey, Progress

PROGRESS_SECONDS: Final = 1.0
"""How far apart two facts about the progress of one attempt are, at least."""


class Thinning:
    """Keeps the latest that each attempt said, and lets it through once the one before is old enough."""

    def __init__(self) -> None:
        self._waiting: dict[AttemptKey, Progress] = {}
        self._told_at: dict[AttemptKey, float] = {}

    def offer(self, said: Mapping[AttemptKey, Progress]) -> None:
        """Take what was said."""
        self._waiting.update(said)

    def take(self, now: float) -> dict[AttemptKey, Progress]:
        """Return what is to be put on record at `now`, in seconds of the monotonic clock."""
        if not self._waiting:
            return {}
        ripe = [key for key in self._waiting if now - self._told_at.get(key, -PROGRESS_SECONDS) >= PROGRESS_SECONDS]
        for key in ripe:
            self._told_at[key] = now
        return {key: self._waiting.pop(key) for key in ripe}

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        """Drop attempts that are over."""
        if not (self._waiting or self._told_at):
            return
        for key in keys:
            self._waiting.pop(key, None)
            self._told_at.pop(key, None)
