"""The actor that other people's actors may tell: start this, cancel that. It never blocks and never waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, ClassVar, NamedTuple

import pykka
from pykka._actor import ActorInbox
from pykka._envelope import Envelope

from actors.messages import Claim, Request
from actors.runtime import OnDeath, Runtime, RuntimeActor, logger, tell
from events.commands import Cancel, CancelChild, Command, Pause, Redrive, Resume
from events.errors import ClosedError, LimitExceededError, OrchestratorError, RunHaltedError, UsageError
from events.limits import Limits
from events.state import ParentState
from orchestrator.changes import change_command
from orchestrator.definition import Parallel
from orchestrator.messages import (
    CancelRun,
    PauseRun,
    RedriveRun,
    ResumeRun,
    RunHalted,
    RunRefused,
    StartRun,
    UpdateRun,
)
from orchestrator.selection import selection

Answered = StartRun | RedriveRun
"""Messages whose sender is told what comes of them."""

Begin = Callable[[str, Claim | Request, "Future[ParentState]", Any], None]
"""Hands something on to a run's actor, with its reply and whom to tell when the run is decided."""


class EntranceActor(RuntimeActor):
    """Turns public messages into what parents are asked."""

    lane: ClassVar[str] = "entrance"

    def __init__(
        self,
        runtime: Runtime,
        on_death: OnDeath,
        create: Callable[[str, Parallel], tuple[Command, ...]],
        begin: Begin,
        limits: Limits,
    ) -> None:
        self._waiting = _BoundedInbox(runtime.inbox(self), limits.requests_waiting_max)
        super().__init__(runtime, on_death)
        self._create = create
        self._begin = begin
        self._limits = limits
        self._handed_on: Answered | None = None
        """The latest that was asked and handed on, or refused: its reply tells what comes of it."""

    def _create_actor_inbox(self) -> ActorInbox:  # type: ignore[override]  # as in RuntimeActor
        return self._waiting

    def on_receive(self, message: Any) -> None:
        """Handle one message; anything else is a mistake of the sender and is passed over."""
        self._waiting.taken()
        if isinstance(message, StartRun | RedriveRun):
            self._answer(message)
        elif isinstance(message, CancelRun | PauseRun | ResumeRun | UpdateRun):
            self._control(message)

    def _answer(self, message: Answered) -> None:
        """Start a run, or run children of it again; whoever asked is told what comes of it."""
        reply: Future[ParentState] = Future()
        reply.add_done_callback(partial(_report, message))
        try:
            _check_text(message.id, "id")
            if isinstance(message, StartRun):
                _check_start(message)
                claim = Claim(self._create(message.id, message.parallel), attach=True, reply=reply)
            else:
                claim = Claim((), attach=True, reply=reply, then=(self._redrive(message),))
            self._begin(message.id, claim, reply, message.reply_to)
        except OrchestratorError as error:
            _refuse(message, error)
        self._handed_on = message

    def _redrive(self, message: RedriveRun) -> Command:
        _check_text(message.reason, "reason")
        _check_reply_to(message)
        chosen = selection(message.outcomes, message.ids)
        token = self.runtime.new_id()
        return Redrive(
            at=self.runtime.now(),
            reason=message.reason,
            outcomes=chosen.outcomes,
            child_ids=chosen.ids,
            token=token,
        )

    def _control(self, message: CancelRun | PauseRun | ResumeRun | UpdateRun) -> None:
        reply: Future[ParentState] = Future()
        try:
            _check_text(message.id, "id")
            reply.add_done_callback(partial(_warn, message))
            self._begin(message.id, self._asked(message, reply), reply, None)
        except OrchestratorError as error:
            logger.warning("a %s was refused: %s", type(message).__name__, error)

    def _asked(
        self, message: CancelRun | PauseRun | ResumeRun | UpdateRun, reply: Future[ParentState]
    ) -> Claim | Request:
        """Return what a run's actor is asked. What needs somebody to work on the run is a claim."""
        now = self.runtime.now()
        if isinstance(message, ResumeRun):
            return Claim((), attach=True, reply=reply, then=(Resume(at=now),))
        if isinstance(message, UpdateRun):
            return Request((change_command(message._asdict(), self._limits, now),), reply)
        _check_text(message.reason, "reason")
        if isinstance(message, PauseRun):
            return Request((Pause(at=now, reason=message.reason),), reply)
        if message.child is not None:
            _check_text(message.child, "child")
            return Request((CancelChild(at=now, child_id=message.child, reason=message.reason),), reply)
        return Claim((), attach=True, reply=reply, then=(Cancel(at=now, reason=message.reason),))

    def reject(self, message: Any) -> None:
        """Tell whoever asked for a run, and was not heard to the end, that nothing came of it."""
        if isinstance(message, Answered) and message is not self._handed_on:
            _refuse(message, RunHaltedError("the entrance failed over it; try again"))

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
        """Take a message. A StartRun or RedriveRun too many is answered with RunRefused.

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
        if not isinstance(envelope.message, Answered):
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


def _report(message: Answered, reply: Future[ParentState]) -> None:
    error = reply.exception()
    if isinstance(error, ClosedError):  # whether anything is on record, the next one finds out
        tell(message.reply_to, RunHalted(message.id, str(error)))
    elif error is not None:
        _refuse(message, error)


def _warn(message: NamedTuple, reply: Future[ParentState]) -> None:
    """Log that nothing came of a message that nobody is told the outcome of."""
    error = reply.exception()
    if error is not None and not isinstance(error, ClosedError):
        logger.warning("a %s was refused: %s", type(message).__name__, error)


def _check_start(message: StartRun) -> None:
    if not isinstance(message.parallel, Parallel):
        raise UsageError(f"StartRun: parallel is a Parallel, not {type(message.parallel).__name__}")
    _check_reply_to(message)


def _check_reply_to(message: Answered) -> None:
    if not isinstance(message.reply_to, pykka.ActorRef):
        kind = type(message.reply_to).__name__
        raise UsageError(f"{type(message).__name__}: reply_to is a reference to an actor, not {kind}")


def _check_text(text: object, what: str) -> None:
    if not isinstance(text, str) or not text.isprintable():
        raise UsageError(f"a message to Orchestrator.ref has a {what} that is no printable text: {text!r}"[:200])


def _refuse(message: Answered, error: BaseException) -> None:
    """Tell who asked, where there is somebody: what a message holds is the sender's affair."""
    if isinstance(message.reply_to, pykka.ActorRef):
        tell(message.reply_to, RunRefused(message.id, str(error) or type(error).__name__))
    else:
        logger.warning("a %s was refused: %s", type(message).__name__, error)
