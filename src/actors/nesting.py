"""Children that are parents themselves: begun, followed and stopped as attempts are, but run by nobody.

To the outer parent this is one more executor. An attempt claims the inner parent, which is begun by that, gone on
with, or found settled; its ending is that of the inner parent, once every child of it has an outcome.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from actors.executors.failures import failure
from actors.executors.work import AttemptKey, Done, Ending, Hear, Work, hear_nothing
from actors.hearing import EndedChild
from actors.messages import Claim
from actors.observers import Observers
from events.commands import Cancel, Command, Redrive
from events.errors import (
    OrchestratorError,
    RunHaltedError,
    StoreBusyError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
    UsageError,
)
from events.facts import Within
from events.nested import nested_id, nested_parent
from events.state import ParentState
from events.views import counts

if TYPE_CHECKING:
    from actors.system import ActorSystem


_PASSING: Final = (RunHaltedError, StoreBusyError, StoreFullError, StoreUnavailableError)
"""What may pass: it is asked for again."""


class _Attempt:
    """One attempt of an outer parent's child: what it asked of the inner parent, and hears of it, on any thread."""

    def __init__(self, executor: NestedExecutor, work: Work, done: Done, observers: Observers) -> None:
        self.work: Final = work
        self.done = done
        self.observers: Final = observers
        self.ending: Ending | None = None
        self.claimed = False
        """Whether the inner parent is the one that was asked for, and somebody works on it."""
        self.asked_to_stop = False
        """Whether it was cancelled: it ends as the inner parent does, which is not redriven for it any more."""
        self.redriving: Future[ParentState] | None = None
        self._executor = executor

    def children_ended(self, ended: Sequence[EndedChild]) -> None:
        """Hear of children of the inner parent: nothing that concerns the outer one."""

    def changed(self) -> None:
        """Hear of a new state of the inner parent."""
        self._executor.look(self)


class NestedExecutor:
    """Runs children whose task is a parent. Idempotent by key, as every executor; begins no thread."""

    def __init__(self, system: ActorSystem, id_chars_max: int, max_workers: int) -> None:
        self._system = system
        self._max_workers = max_workers
        self._id_chars_max = id_chars_max
        self._attempts: dict[AttemptKey, _Attempt] = {}
        self._lock = threading.Lock()
        """Held while an attempt is given its ending, or a redrive is asked for: each is done once."""

    def submit(self, work: Iterable[Work], done: Done, hear: Hear = hear_nothing) -> None:
        """Begin inner parents, or look after those that were begun; see `Executor`."""
        del hear  # an inner parent has a record of its own
        for item in work:
            attempt = self._attempts.get(item.key)
            if attempt is None:
                self._begin(item, done)
                continue
            attempt.done = done
            if attempt.ending is not None:
                done(item.key, attempt.ending)
            elif attempt.observers.halted is not None:  # nobody here works on it any more: come for it anew
                self._begin(item, done)
            else:
                attempt.redriving = None  # it may have been lost; asked for twice, it is done once
                self._claim(attempt)  # whoever attends to it may have died, or its owner

    def _begin(self, work: Work, done: Done) -> None:
        parent_id = self._id_of(work.key)
        attempt = _Attempt(self, work, done, self._system.observers(parent_id))
        self._attempts[work.key] = attempt
        attempt.observers.listen(attempt)
        self._system.nested_begun(attempt.observers)
        self._claim(attempt)

    def _claim(self, attempt: _Attempt) -> None:
        """Make the inner parent, if need be, and see to it that somebody works on it."""
        key = attempt.work.key
        try:
            parent = nested_parent(attempt.work.input)
        except StoreError as error:
            self._end(attempt, _refused(error))
            return
        depth = 1 if attempt.work.depth is None else attempt.work.depth
        within = Within(parent_id=key.parent_id, child_id=key.child_id, depth=depth, again=attempt.work.again or None)
        commands = parent.commands(self._system.runtime.now(), within, self._max_workers)
        self._ask(key, commands, ()).add_done_callback(lambda reply: self._answered(attempt, reply))

    def _ask(self, key: AttemptKey, create: tuple[Command, ...], then: tuple[Command, ...]) -> Future[ParentState]:
        reply: Future[ParentState] = Future()
        self._system.tell_parent(self._id_of(key), Claim(create, attach=True, reply=reply, then=then))
        return reply

    def _answered(self, attempt: _Attempt, reply: Future[ParentState]) -> None:
        """Take a refusal that will not go away for the attempt's ending; what may pass is asked for again."""
        error = reply.exception()
        if error is None:
            attempt.claimed = True
            self.look(attempt)
        elif isinstance(error, OrchestratorError) and not isinstance(error, _PASSING):
            self._end(attempt, _refused(error))

    def look(self, attempt: _Attempt) -> None:
        """End an attempt whose inner parent is settled, or have that redriven where this is a retry."""
        latest = attempt.observers.latest
        if attempt.ending is not None or not attempt.claimed or latest is None or not latest[0].settled:
            return
        state = latest[0]
        if state.status == "succeeded" or attempt.asked_to_stop or _redriven(state) >= attempt.work.again:
            self._end(attempt, _ending_of(state, self._id_of(attempt.work.key)))
            return
        with self._lock:
            if attempt.redriving is not None and not attempt.redriving.done():
                return
            reason = f"attempt {attempt.work.key.attempt} of its child {attempt.work.key.child_id!r}"
            redrive = Redrive(at=self._system.runtime.now(), reason=reason, token=str(attempt.work.again))
            attempt.redriving = self._ask(attempt.work.key, (), (redrive,))
        attempt.redriving.add_done_callback(lambda reply: self._redrive_answered(attempt, state, reply))

    def _redrive_answered(self, attempt: _Attempt, state: ParentState, reply: Future[ParentState]) -> None:
        """Let the attempt end as its inner parent did where nothing of that can run again."""
        latest = attempt.observers.latest
        unchanged = latest is not None and latest[0].settled and latest[0].redrives == state.redrives
        if unchanged and isinstance(reply.exception(), UsageError):
            self._end(attempt, _ending_of(state, self._id_of(attempt.work.key)))

    def _end(self, attempt: _Attempt, ending: Ending) -> None:
        with self._lock:
            if attempt.ending is not None:
                return
            attempt.ending = ending
        attempt.done(attempt.work.key, ending)

    def cancel(self, keys: Iterable[AttemptKey], *, reason: str) -> None:
        """Cancel inner parents; each ends, and its attempt with it, once all its children have."""
        for key in keys:
            attempt = self._attempts.get(key)
            if attempt is not None and attempt.ending is None:
                attempt.asked_to_stop = True
                self._ask(key, (), (Cancel(at=self._system.runtime.now(), reason=reason),))

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        """Drop endings that are on record."""
        for key in keys:
            self._attempts.pop(key, None)

    def close(self, *, grace_seconds: float) -> None:
        """Do nothing: inner parents are given up as all parents are."""

    def _id_of(self, key: AttemptKey) -> str:
        return nested_id(key.parent_id, key.child_id, self._id_chars_max)


def _redriven(state: ParentState) -> int:
    """Return for which of its outer child's retries and redrives the inner parent was created or redriven, the last."""
    token, within = state.redrive_token, state.within
    created = 0 if within is None else within.again or 0
    return max(created, int(token) if token is not None and token.isdecimal() else 0)


def _refused(error: OrchestratorError) -> Ending:
    return Ending("failed", error=failure(type(error).__name__, f"the nested run could not be started: {error}"))


def _ending_of(state: ParentState, parent_id: str) -> Ending:
    status: Any = state.status
    told: dict[str, Any] = {"id": parent_id, "status": status, "counts": counts(state)._asdict()}
    if status == "succeeded":
        return Ending("succeeded", json.dumps(told, separators=(",", ":")))
    why = "" if state.decision is None else state.decision.why
    return Ending(status, error=failure("NestedRunEnded", f"run {parent_id!r} {status}: {why}", **told))
