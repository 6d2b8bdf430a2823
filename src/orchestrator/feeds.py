"""The runs that one orchestrator feeds: at most one source for each."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import TYPE_CHECKING

from actors.observers import Observers
from actors.runtime import logger
from orchestrator.definition import Parallel

if TYPE_CHECKING:
    from orchestrator.engine import Engine
    from orchestrator.feed import Feed


class Feeds:
    """What is fed, by run id."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._feeds: dict[str, Feed] = {}
        self._leaving: list[Feed] = []
        """Feeds that are over, of which a thread may still be in a source's own code."""

    def begin(self, parent_id: str, parallel: Parallel, observers: Observers) -> None:
        """Feed a run that is on record. Where that is done here already, or the run is over, this source is closed."""
        from orchestrator.feed import Feed  # few runs need what pulls children

        latest = observers.latest
        over = latest is not None and (latest[0].halting or latest[0].membership_closed)
        with self._lock:
            self._leaving = [feed for feed in self._leaving if feed.alive]
            fed = self._feeds.get(parent_id)
            if fed is None and not over:
                feed = Feed(self._engine, parent_id, parallel, observers, lambda: self._leave(parent_id))
                self._feeds[parent_id] = feed
                feed.begin()
                return
        if (fed is None or fed.source is not parallel.children) and isinstance(parallel.children, Generator):
            parallel.children.close()

    def feeds(self, parent_id: str) -> bool:
        """Whether a run is fed here."""
        return parent_id in self._feeds

    def stop(self) -> None:
        """Feed no more; do not wait for that."""
        with self._lock:
            feeds = list(self._feeds.values())
        for feed in feeds:
            feed.stop()

    def join(self, seconds: float) -> None:
        """Wait until all sources have let go of their threads. One that does not is left to itself, with a warning."""
        deadline = self._engine.runtime.monotonic() + seconds
        with self._lock:
            feeds = [*self._feeds.values(), *self._leaving]
        for feed in feeds:
            if not feed.join(max(0.0, deadline - self._engine.runtime.monotonic())):
                logger.warning("a source of children does not end when it is asked to; its thread is abandoned")

    def _leave(self, parent_id: str) -> None:
        with self._lock:
            feed = self._feeds.pop(parent_id, None)
            if feed is not None:
                self._leaving.append(feed)
