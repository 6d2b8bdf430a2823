"""The attempts of one executor that runs Python functions: what it was given, what is open, and how each one ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

from actors.executors.attempt import CLOSED, Attempt
from actors.executors.watch import Watch
from actors.executors.work import AttemptKey, Done, Ending, Hear, Work

A = TypeVar("A", bound=Attempt)


class Roll(Generic[A]):
    """Every attempt that was submitted and is not forgotten, once. Thread-safe, as one key is submitted by one thread.

    `make` makes an attempt of what was submitted; `watch` has its clocks, which stop as it ends.
    """

    def __init__(self, make: Callable[[Work, Done, Hear], A], watch: Watch[A]) -> None:
        self._make = make
        self._watch = watch
        self._known: dict[AttemptKey, A] = {}
        self.open: Final[dict[AttemptKey, A]] = {}
        """Those that have no ending."""
        self.closing = False
        """Whether the executor takes nothing more."""
        self.all_ended: Final = threading.Event()
        """Set once closing has begun and nothing is open any more."""

    def enter(self, work: Iterable[Work], done: Done, hear: Hear) -> list[A]:
        """Return attempts at what is new; what is known reports to these from now on, its ending at once."""
        fresh: list[A] = []
        for item in work:
            known = self._known.get(item.key)
            if known is not None:
                known.submitted_again(done, hear)
                continue
            self._known[item.key] = self.open[item.key] = attempt = self._make(item, done, hear)
            fresh.append(attempt)
        return fresh

    def ask_to_stop(self, keys: Iterable[AttemptKey], reason: str, insist: Callable[[A], None]) -> None:
        """Ask attempts to stop. One that has not begun ends at once; on one that has not ended in its grace, insist."""
        for key in keys:
            attempt = self.open.get(key)
            if attempt is None:
                continue
            attempt.ask_to_stop(reason)
            if attempt.started:
                self._watch.stop_within(attempt, attempt.grace_seconds, insist)
            else:
                self.end(attempt, attempt.cancelled())

    def ask_all_to_stop(self) -> None:
        """Ask every attempt to stop, now that closing has begun. What has not begun ends at once."""
        for attempt in list(self.open.values()):
            attempt.child.cancelled.set()
            if not attempt.started:
                self.end(attempt, CLOSED)
        self.note_if_all_ended()

    def end(self, attempt: A, ending: Ending) -> bool:
        """Give an attempt its ending, unless it has one; say whether this was it."""
        if not attempt.end(ending):
            return False
        self._watch.end(attempt)
        key = attempt.work.key
        if self.open.get(key) is attempt:
            del self.open[key]
        attempt.done(key, ending)
        self.note_if_all_ended()
        return True

    def end_all(self, ending: Ending) -> None:
        """Give everything that is open this ending."""
        for attempt in list(self.open.values()):
            self.end(attempt, ending)

    def note_if_all_ended(self) -> None:
        """Let whoever closes know where nothing is open any more."""
        if self.closing and not self.open:
            self.all_ended.set()

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        """Drop attempts whose endings are on record; a late ending may follow now."""
        for key in keys:
            attempt = self._known.pop(key, None)
            if attempt is not None:
                attempt.forget()
