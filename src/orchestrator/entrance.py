"""The actor that other people's actors may tell: start this, cancel that. It never blocks and never waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, ClassVar

import pykka
from pykka._actor import ActorInbox
from pykka._envelope import Envelope

from actors.messages import Claim
from actors.runtime import OnDeath, Runtime, RuntimeActor, logger, tell
from events.commands import Cancel, Command
from events.errors import ClosedError, LimitExceededError, OrchestratorError, UsageError
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
        messages_max: int,
    ) -> None:
        self._waiting = _BoundedInbox(runtime.inbox(self), messages_max)
        super().__init__(runtime, on_death)
        self._create = create
        self._begin = begin
        self._answered: StartRun | None = None
        """The latest one that was refused, or handed on to a reply which tells what comes of it."""

    def _create_actor_inbox(self) -> ActorInbox:  # type: ignore[override]  # as in RuntimeActor
        return self._waiting

    def on_receive(self, message: Any) -> None:
        """Handle one message; anything else is a mistake of the sender and is passed over."""
        self._waiting.taken()
        if isinstance(message, StartRun):
            self._start(message)
        elif isinstance(message, CancelRun):
            self._cancel(message)

    def _start(self, message: StartRun) -> None:
        reply: Future[ParentState] = Future()
        reply.add_done_callback(partial(_report, message))
        try:
            _check_start(message)
            commands = self._create(message.id, message.parallel)
            self._begin(message.id, Claim(commands, attach=True, reply=reply), message.reply_to)
        except OrchestratorError as error:
            _refuse(message, error)
        self._answered = message

    def _cancel(self, message: CancelRun) -> None:
        try:
            _check_text(message.id, "id")
            _check_text(message.reason, "reason")
            then = (Cancel(at=self.runtime.now(), reason=message.reason),)
            self._begin(message.id, Claim((), attach=True, reply=Future(), then=then), None)
        except OrchestratorError as error:
            logger.warning("a CancelRun was refused: %s", error)

    def reject(self, message: Any) -> None:
        """Tell who asked that it came to nothing, unless a reply will tell."""
        if isinstance(message, StartRun) and message is not self._answered:
            _refuse(message, UsageError("the actor that takes such messages failed over it; the log says how"))

    def die(self, error: BaseException) -> None:
        """Live on: nothing here can be spoiled, and others hold this very reference."""
        self.runtime.report(self, error)


class _BoundedInbox:
    """An inbox that turns messages away while too many wait: other people's actors may tell without end."""

    def __init__(self, inbox: ActorInbox, messages_max: int) -> None:
        self._inbox = inbox
        self._messages_max = messages_max
        self._lock = threading.Lock()
        self._waiting = 0

    def put(self, envelope: Envelope[Any], /) -> None:
        """Take a message. A StartRun too many is answered with RunRefused.

        Raises:
            LimitExceededError: too many wait, and the message is one that nobody is told the outcome of.
        """
        with self._lock:
            full = self._waiting >= self._messages_max
            self._waiting += not full
        if not full:
            self._inbox.put(envelope)
            return
        most = self._messages_max
        error = LimitExceededError(f"{most:,} messages wait to be taken, which is the limit requests_waiting_max")
        if not isinstance(envelope.message, StartRun):
            raise error
        _refuse(envelope.message, error)

    def taken(self) -> None:
        """Note that one fewer waits."""
        with self._lock:
            self._waiting -= 1

    def get(self) -> Envelope[Any]:
        return self._inbox.get()

    def empty(self) -> bool:
        return self._inbox.empty()


def _report(message: StartRun, reply: Future[ParentState]) -> None:
    error = reply.exception()
    if isinstance(error, ClosedError):  # whether anything is on record, the next one finds out
        tell(message.reply_to, RunHalted(message.id, str(error)))
    elif error is not None:
        _refuse(message, error)


def _check_start(message: StartRun) -> None:
    _check_text(message.id, "id")
    if not isinstance(message.parallel, Parallel):
        raise UsageError(f"StartRun: parallel is a Parallel, not {type(message.parallel).__name__}")
    if not isinstance(message.reply_to, pykka.ActorRef):
        raise UsageError(f"StartRun: reply_to is a reference to an actor, not {type(message.reply_to).__name__}")


def _check_text(text: object, what: str) -> None:
    if not isinstance(text, str) or not text.isprintable():
        raise UsageError(f"a message to Orchestrator.ref has a {what} that is no printable text: {text!r}"[:200])


def _refuse(message: StartRun, error: BaseException) -> None:
    """Tell who asked, where there is somebody: what a message holds is the sender's affair."""
    if isinstance(message.reply_to, pykka.ActorRef):
        tell(message.reply_to, RunRefused(message.id, str(error) or type(error).__name__))
    else:
        logger.warning("a StartRun was refused: %s", error)
