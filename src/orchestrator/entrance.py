"""The actor that other people's actors may tell: start this, cancel that. It never blocks and never waits."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, ClassVar

from actors.messages import Claim
from actors.runtime import OnDeath, Runtime, RuntimeActor, tell
from events.commands import Cancel, Command
from events.errors import OrchestratorError
from events.state import ParentState
from orchestrator.definition import Parallel
from orchestrator.messages import CancelRun, RunRefused, StartRun


class EntranceActor(RuntimeActor):
    """Turns public messages into claims on parents."""

    lane: ClassVar[str] = "entrance"

    def __init__(
        self,
        runtime: Runtime,
        on_death: OnDeath,
        create: Callable[[str, Parallel], tuple[Command, ...]],
        begin: Callable[[str, Claim, Any], None],
    ) -> None:
        super().__init__(runtime, on_death)
        self._create = create
        self._begin = begin

    def on_receive(self, message: Any) -> None:
        """Handle one message; anything else is a mistake of the sender and is passed over."""
        if isinstance(message, StartRun):
            self._start(message)
        elif isinstance(message, CancelRun):
            then = (Cancel(at=self.runtime.now(), reason=message.reason),)
            self._begin(message.id, Claim((), attach=True, reply=Future(), then=then), None)

    def _start(self, message: StartRun) -> None:
        reply: Future[ParentState] = Future()
        reply.add_done_callback(partial(_report, message))
        try:
            commands = self._create(message.id, message.parallel)
            self._begin(message.id, Claim(commands, attach=True, reply=reply), message.reply_to)
        except OrchestratorError as error:
            tell(message.reply_to, RunRefused(message.id, str(error)))


def _report(message: StartRun, reply: Future[ParentState]) -> None:
    error = reply.exception()
    if error is not None:
        tell(message.reply_to, RunRefused(message.id, str(error)))
