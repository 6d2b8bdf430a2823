"""The actor that other people's actors may tell: start this, cancel that. It never blocks and never waits."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, ClassVar

import pykka

from actors.messages import Claim
from actors.runtime import OnDeath, Runtime, RuntimeActor, logger, tell
from events.commands import Cancel, Command
from events.errors import ClosedError, OrchestratorError
from events.state import ParentState
from orchestrator.definition import Parallel
from orchestrator.messages import CancelRun, RunHalted, RunRefused, StartRun


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
        self._under_way: StartRun | None = None
        """What was asked and is not yet handed on."""

    def on_receive(self, message: Any) -> None:
        """Handle one message; anything else is a mistake of the sender and is passed over."""
        if isinstance(message, StartRun):
            self._under_way = message
            self._start(message)
        elif isinstance(message, CancelRun):
            self._cancel(message)

    def _start(self, message: StartRun) -> None:
        reply: Future[ParentState] = Future()
        reply.add_done_callback(partial(_report, message))
        try:
            commands = self._create(message.id, message.parallel)
            self._begin(message.id, Claim(commands, attach=True, reply=reply), message.reply_to)
        except OrchestratorError as error:
            _refuse(message, error)
        self._under_way = None  # whatever comes of it now, the reply tells

    def _cancel(self, message: CancelRun) -> None:
        then = (Cancel(at=self.runtime.now(), reason=message.reason),)
        try:
            self._begin(message.id, Claim((), attach=True, reply=Future(), then=then), None)
        except OrchestratorError as error:
            logger.warning("run %r was not cancelled: %s", message.id, error)

    def die(self, error: BaseException) -> None:
        """Live on: nothing here can be spoiled, and others hold this very reference. Whoever asked is told."""
        message, self._under_way = self._under_way, None
        if message is not None:
            _refuse(message, error)
        self.mourn(error)


def _report(message: StartRun, reply: Future[ParentState]) -> None:
    error = reply.exception()
    if isinstance(error, ClosedError):  # whether anything is on record, the next one finds out
        tell(message.reply_to, RunHalted(message.id, str(error)))
    elif error is not None:
        _refuse(message, error)


def _refuse(message: StartRun, error: BaseException) -> None:
    """Tell who asked, where there is somebody: what a message holds is the sender's affair."""
    if isinstance(message.reply_to, pykka.ActorRef):
        tell(message.reply_to, RunRefused(message.id, str(error) or type(error).__name__))
