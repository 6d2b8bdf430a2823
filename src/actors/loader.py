"""The loader: reads parents' histories on a lane of its own, so that a long one holds nobody up."""

from __future__ import annotations

from typing import ClassVar

from actors.messages import Load, Loaded, LoadedNews, LoadFailed, LoadNews
from actors.runtime import OnDeath, Runtime, RuntimeActor, tell
from events.evolve import INITIAL, evolve
from events.log.store import EventLog


class LoaderActor(RuntimeActor):
    """Folds streams for parents that come to life, and fetches what others appended."""

    lane: ClassVar[str] = "loader"

    def __init__(self, runtime: Runtime, on_death: OnDeath, log: EventLog) -> None:
        super().__init__(runtime, on_death)
        self._log = log

    def on_receive(self, message: object) -> None:
        """Handle one message. A history that cannot be read is its own parent's trouble, and nobody else's."""
        try:
            if isinstance(message, Load):
                tell(message.ref, self._load(message.parent_id))
            elif isinstance(message, LoadNews):
                records = list(self._log.read(message.parent_id, after_version=message.after_version))
                tell(message.ref, LoadedNews(records))
        except Exception as error:  # noqa: BLE001 - so that it stays with that parent
            if isinstance(message, Load | LoadNews):
                tell(message.ref, LoadFailed(error))

    def _load(self, parent_id: str) -> Loaded:
        state, position, at = INITIAL, 0, 0
        for record in self._log.read(parent_id):
            state = evolve(state, record.fact)
            position, at = record.position, max(at, record.fact.at)
        return Loaded(state, position, at)
