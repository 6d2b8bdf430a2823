"""The snapshotter: writes snapshots down on a lane of its own, so that a large one holds nobody up."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from actors.messages import Snap
from actors.runtime import OnDeath, Runtime, RuntimeActor, logger
from events.errors import OrchestratorError
from events.log.store import EventLog
from events.snapshot import parts


class SnapshotterActor(RuntimeActor):
    """Keeps what it is told to. Nobody waits for it: what comes to nothing is made up for by the next snapshot."""

    lane: ClassVar[str] = "snapshots"

    def __init__(self, runtime: Runtime, on_death: OnDeath, log: EventLog, closing: Callable[[], bool]) -> None:
        """Keep snapshots of parents in `log`, until `closing` says that the orchestrator is about to end."""
        super().__init__(runtime, on_death)
        self._log = log
        self._closing = closing

    def on_receive(self, message: object) -> None:
        """Handle one message."""
        if isinstance(message, Snap):
            try:
                self._keep(message)
            except OrchestratorError as error:  # the store's trouble, which whoever appends meets as well, or its size
                logger.info("run %r: no snapshot of version %d: %s", message.parent_id, message.state.version, error)

    def die(self, error: BaseException) -> None:
        """Live on: there is nothing here that could be spoiled."""
        self.runtime.report(self, error)

    def _keep(self, snap: Snap) -> None:
        body: list[bytes] = []
        for part in parts(snap.state):
            if self._closing() and not snap.state.settled:
                return  # whoever closes should not have to wait for it
            body.append(part)
        self._log.snapshots.keep(snap.parent_id, snap.state, snap.position, snap.at, body)
