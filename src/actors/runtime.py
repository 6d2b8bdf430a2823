"""What actors run on: clock, ids, chance, spawning and timers are handed in.

`Runtime` is the one seam. `ThreadedRuntime` runs actors on threads; a simulated one runs the same classes under a
seed in one thread. Messages are delivered by `deliver` in both, so that an actor that raises dies the same death.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any, ClassVar, Final, TypeVar

import pykka
from pykka._actor import ActorInbox
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from events.errors import StoreError

logger: Final = logging.getLogger("orchestrator")

_NUMBERS: Final = count(1)
"""Of this process's actors."""

A = TypeVar("A", bound="RuntimeActor")

Ref = pykka.ActorRef[Any]
"""A reference to some actor, ours or somebody else's."""


class Runtime(ABC):
    """Everything an actor may not take from the outside world by itself."""

    random: Random
    """The only source of chance."""

    @abstractmethod
    def now(self) -> int:
        """Return the wall clock's time in microseconds since 1970 (UTC). It may jump."""

    @abstractmethod
    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""

    @abstractmethod
    def new_id(self) -> str:
        """Return an id that no one else has."""

    @abstractmethod
    def inbox(self, actor: RuntimeActor) -> ActorInbox:
        """Return the inbox of a new actor."""

    @abstractmethod
    def begin(self, actor: RuntimeActor) -> None:
        """Make an actor receive its messages from now on."""

    @abstractmethod
    def tell_later(self, delay_seconds: float, ref: pykka.ActorRef[Any], message: Any) -> None:
        """Tell an actor something after a delay, by the monotonic clock. A dead actor is not told."""

    def idle(self, lane: str) -> bool:
        """Whether no message waits on a lane: what somebody there would put off for others to go along may be done now.

        A runtime that does not know says no.
        """
        del lane
        return False

    @abstractmethod
    def give_way(self) -> None:
        """Let threads that were just woken go first."""

    def report(self, actor: RuntimeActor, error: BaseException) -> None:
        """Say that an actor died, for whoever reads the logs."""
        if isinstance(error, StoreError):  # no fault of ours: whoever waits is told, and the run is halted
            logger.info("%s stopped: %s", type(actor).__name__, error)
        else:
            logger.error("%s died: %r", type(actor).__name__, error, exc_info=error)

    def spawn(self, make: Callable[[Runtime], A]) -> pykka.ActorRef[A]:
        """Make an actor and let it begin. It is in no registry: nobody else's `stop_all` can reach it."""
        actor = make(self)
        self.begin(actor)
        ref = actor.actor_ref
        tell(ref, Begin)
        return ref


OnDeath = Callable[["RuntimeActor", BaseException], None]
"""Hears, on the dying actor's thread, who died of what."""


class Begin:
    """The first message of every actor."""


class RuntimeActor(pykka.Actor):
    """An actor that lives on a `Runtime`. Its handlers never block and never run user code."""

    lane: ClassVar[str] = "core"
    """Which thread of a threaded runtime it lives on. Actors of one lane never run at the same time."""

    def __init__(self, runtime: Runtime, on_death: OnDeath) -> None:
        self.runtime = runtime
        self._on_death = on_death
        # What pykka's own does, but for a random name, which takes a call to the system: nobody looks an actor up.
        self.actor_urn = f"{type(self).__name__}-{next(_NUMBERS)}"
        self.actor_inbox = self._create_actor_inbox()
        self.actor_stopped = threading.Event()
        self._actor_ref = pykka.ActorRef(self)

    def _create_actor_inbox(self) -> ActorInbox:  # type: ignore[override]  # pykka's hook is static; ours asks the runtime
        return self.runtime.inbox(self)

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return pykka.ThreadingFuture()

    def _start_actor_loop(self) -> None:
        self.runtime.begin(self)

    def tell_self(self, message: Any) -> None:
        """Handle a message of our own: at once where nothing else waits on the lane, in its turn otherwise."""
        if self.runtime.idle(self.lane):
            self.on_receive(message)
        else:
            tell(self._actor_ref, message)

    def reject(self, message: Any) -> None:
        """Answer a message that came after the actor's death. By default nobody waits for an answer."""

    def die(self, error: BaseException) -> None:
        """Stop for good because of an error, and let the one who watches know."""
        self.actor_stopped.set()
        self._on_death(self, error)
        self.runtime.report(self, error)


def deliver(actor: RuntimeActor, envelope: Envelope[Any]) -> None:
    """Let an actor handle one message. What it raises ends the actor, and nothing else.

    pykka's own loop answers SystemExit and KeyboardInterrupt by stopping every actor of the process; here they
    are a death like any other.
    """
    if actor.actor_stopped.is_set():
        if envelope.reply_to is not None:
            envelope.reply_to.set_exception((pykka.ActorDeadError, pykka.ActorDeadError(f"{actor} is dead"), None))
        else:
            actor.reject(envelope.message)
        return
    message = envelope.message
    try:
        if type(message) is _ActorStop:
            actor._stop()  # noqa: SLF001 - as pykka's loop does
        else:
            actor.on_receive(message)
    except BaseException as error:  # noqa: BLE001 - see above
        if envelope.reply_to is not None:
            envelope.reply_to.set_exception()
        else:
            actor.reject(envelope.message)
        actor.die(error)
    else:
        if envelope.reply_to is not None:
            envelope.reply_to.set(None)


class Address:
    """Where an actor can be reached, whichever incarnation of it is alive. Messages to a dead one are lost."""

    __slots__ = ("ref",)

    def __init__(self) -> None:
        self.ref: pykka.ActorRef[Any] | None = None

    def tell(self, message: Any) -> bool:
        """Tell the actor, and say whether there was one. Where another one has just taken its place, tell that."""
        while (ref := self.ref) is not None:
            if tell(ref, message):
                return True
            if ref is self.ref:
                break
        return False


def tell_stranger(ref: pykka.ActorRef[Any], message: Any) -> bool:
    """Tell an actor that may be somebody else's, and say whether it was alive."""
    try:
        ref.tell(message)
    except pykka.ActorDeadError:
        return False
    return True


def tell(ref: pykka.ActorRef[Any], message: Any) -> bool:
    """Tell one of our own actors, and say whether it was alive."""
    if ref.actor_stopped.is_set():
        return False
    ref.actor_inbox.put(Envelope(message))  # as `ref.tell` does, which takes three times as long
    return True
