"""The loader: reads parents' histories on a lane of its own, so that a long one holds nobody up."""

from __future__ import annotations

from typing import ClassVar
from weakref import WeakKeyDictionary

from actors.messages import Load, Loaded, LoadedNews, LoadFailed, LoadNews
from actors.runtime import OnDeath, Ref, Runtime, RuntimeActor, tell
from events.log.folding import folded
from events.log.store import EventLog


class Loading:
    """Whether a history is being read right now. What nobody waits for had better be done later."""

    __slots__ = ("under_way",)

    def __init__(self) -> None:
        self.under_way = False


class LoaderActor(RuntimeActor):
    """Folds streams for parents that come to life, and fetches what others appended."""

    lane: ClassVar[str] = "loader"

    def __init__(self, runtime: Runtime, on_death: OnDeath, log: EventLog, loading: Loading) -> None:
        super().__init__(runtime, on_death)
        self._log = log
        self._loading = loading
        self._served_at: WeakKeyDictionary[Ref, float] = WeakKeyDictionary()
        """When each parent was last answered: what it asked before that needs no other answer."""

    def on_receive(self, message: object) -> None:
        """Handle one message."""
        if isinstance(message, Load | LoadNews) and message.asked_at >= self._served_at.get(message.ref, 0.0):
            self._loading.under_way = True
            try:
                answer = self._answer(message)
            finally:
                self._loading.under_way = False
            tell(message.ref, answer)
            self._served_at[message.ref] = self.runtime.monotonic()

    def _answer(self, message: Load | LoadNews) -> Loaded | LoadedNews | LoadFailed:
        try:
            if isinstance(message, Load):
                return self._load(message.parent_id)
            return LoadedNews(list(self._log.read(message.parent_id, after_version=message.after_version)))
        except Exception as error:  # noqa: BLE001 - a history that cannot be read is its own parent's trouble
            return LoadFailed(error)

    def _load(self, parent_id: str) -> Loaded:
        found = folded(self._log, parent_id)
        if not found.state.exists:
            self._log.require_not_dropped(parent_id)
        self._log.require_open(parent_id)
        return Loaded(found.state, found.position, found.at, found.snapshot)
