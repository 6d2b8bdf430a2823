"""Who wants to know about one parent: callers that wait, actors to be told, listeners. Outlives the parent's actor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from actors.hearing import EndedChild, Hearing, Listener
from actors.runtime import Ref, tell_stranger
from events.state import ParentState
from events.views import Counts, counts

Ready = Callable[[ParentState], bool]
"""Whether a state is the one that is waited for. Called on an actor's thread: it must be quick."""


class ParentFinished(NamedTuple):
    """To an engine's actor: a parent is decided. `status` is final; `counts` are those of that moment."""

    parent_id: str
    status: str
    why: str
    counts: Counts
    position: int


class RunHalted(NamedTuple):
    """To an engine's actor: nobody works on a run here any more, undecided as it is. Mend the cause, then resume it."""

    parent_id: str
    reason: str


class Observers:
    """The latest state of one parent, for any thread to read, and everybody who waits for the next one."""

    def __init__(self, parent_id: str, hearing: Callable[[str, Listener], Hearing]) -> None:
        self.parent_id = parent_id
        self._hearing = hearing
        self.latest: tuple[ParentState, int] | None = None
        """State and position, both on record; None until the parent was read."""
        self.told = 0
        """How many endings of children listeners were told, or are about to be: at least all those in `latest`."""
        self.halted: BaseException | None = None
        """Why nobody works on the parent here any more, where that is so."""
        self._lock = threading.Lock()
        self._waiting: list[tuple[Ready, threading.Event]] = []
        self._listeners: list[Hearing] = []
        self._to_tell: list[Ref] = []

    @property
    def listening(self) -> bool:
        """Whether anybody wants to hear of single children."""
        return any(not listener.over for listener in self._listeners)

    def publish(self, state: ParentState, position: int, ended: Sequence[EndedChild] = ()) -> bool:
        """Let everybody know of a state that is on record; say whether that has woken anybody."""
        self.told += len(ended)
        self.latest = (state, position)
        for listener in tuple(self._listeners):
            listener.put(ended)
        if state.decision is not None and self._to_tell:
            self._tell_actors(state, position)
        return self._wake()

    def halt(self, error: BaseException) -> None:
        """Let everybody know that the parent is not worked on any more here."""
        self.halted = error
        with self._lock:
            refs, self._to_tell = self._to_tell, []
        for ref in refs:
            tell_stranger(ref, RunHalted(self.parent_id, str(error)))
        for listener in tuple(self._listeners):
            listener.put(())
        self._wake()

    def look_again(self) -> None:
        """Let those who wait ask once more: what they wait for may rest on more than the state."""
        self._wake()

    def _wake(self) -> bool:
        """Wake those whose wait is over; the others sleep on, since to wake a thread is dear. Say if there were any."""
        woken = False
        for waiter in tuple(self._waiting):
            if self._over(waiter[0]):
                waiter[1].set()
                woken = True
        return woken

    def _over(self, ready: Ready) -> bool:
        latest = self.latest
        return self.halted is not None or (latest is not None and ready(latest[0]))

    def _tell_actors(self, state: ParentState, position: int) -> None:
        with self._lock:
            refs, self._to_tell = self._to_tell, []
        decision = state.decision
        if decision is not None:
            message = ParentFinished(self.parent_id, decision.status, decision.why, counts(state), position)
            for ref in refs:
                tell_stranger(ref, message)

    def tell_when_decided(self, ref: Ref) -> None:
        """Tell an actor `ParentFinished` once, as soon as the parent is decided; at once where it is."""
        with self._lock:
            self._to_tell.append(ref)
        if self.latest is not None and self.latest[0].decision is not None:
            self._tell_actors(*self.latest)

    def listen(self, listener: Listener) -> None:
        """Add a listener."""
        self._listeners = [*self._listeners, self._hearing(self.parent_id, listener)]

    def wait(self, ready: Ready, timeout_seconds: float | None) -> ParentState | None:
        """Wait until the state is `ready`, the parent is halted, or the time is up; return the state if it is ready."""
        waiter = (ready, threading.Event())
        with self._lock:
            self._waiting = [*self._waiting, waiter]
        try:
            if not self._over(ready):  # asked after enlisting, so that nothing slips through between
                waiter[1].wait(timeout_seconds)
        finally:
            with self._lock:
                self._waiting = [other for other in self._waiting if other is not waiter]
        latest = self.latest
        return latest[0] if latest is not None and ready(latest[0]) else None
