"""The handle of one run: ask it, wait for it, control it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from actors.hearing import Listener
from actors.observers import Observers
from actors.owner import owner_alive
from events.commands import ChildSpec, CloseMembership, CreateChildren, PrepareChildren
from events.decide_children import require_same_work
from events.errors import DeadlineExceededError, RunHaltedError, StoreError, UsageError
from events.log.drawing import prepared_of
from events.log.subscription import LogSubscription
from events.state import ParentState
from events.views import ChildStatus, ChildView, RunStatus, run_status
from orchestrator import given, queries
from orchestrator.completing import Completing
from orchestrator.controls import Controls
from orchestrator.creation import task_of
from orchestrator.definition import Child, Parallel
from orchestrator.given import CALL_SECONDS
from orchestrator.page_queries import ChildOrder, child_query
from orchestrator.queries import HistoryEvent
from orchestrator.result import Result
from orchestrator.time_travel import TimeTravel
from orchestrator.watching import Watch

if TYPE_CHECKING:
    from orchestrator.engine import Engine

WAIT_SECONDS: Final = 86_400.0
"""How long `result` and `settle` wait when no timeout is given: a day."""
_LOOK_SECONDS: Final = 1.0
"""How long to wait for news of a run that another process works on, before looking whether that still lives."""
_REST_SECONDS: Final = 0.02
"""How long to let more come together after news of the log: it may grow all the time, by other runs."""


class Run(TimeTravel, Controls):
    """One run, live here, elsewhere or over. Cheap; any number of handles may exist, in any thread."""

    def __init__(self, engine: Engine, parent_id: str, observers: Observers | None) -> None:
        self._engine = engine
        self._observers = observers
        self._following = queries.Following(engine.log, parent_id)
        self._subscription: LogSubscription | None = None
        self.id = parent_id
        """The run's id."""

    def __repr__(self) -> str:
        return f"<run {self.id!r}>"

    def status(self, at: int | datetime | None = None) -> RunStatus:
        """Return the run's status and the position it holds at; with `at`, as it was at a position or a time.

        Raises:
            RunNotFoundError: there was no such run at that point.
            StoreError: the log cannot be read.
        """
        self._engine.require_process()
        if at is not None:
            return queries.status_of(self._engine.log, self.id, at)
        if self._observers is None or self._observers.latest is None:
            known = None if self._following.has_begun else self._engine.answers.run(self.id)
            if known is not None:
                return known.view
        return run_status(self.id, *self._latest())

    def result(self, timeout: float | None = None) -> Result:
        """Wait until the run is decided and return how it stands; children may still be open.

        Raises:
            DeadlineExceededError: it was not decided within `timeout` seconds (a day when not given).
            RunHaltedError: the orchestrator could not go on with the run.
        """
        return self._wait(lambda state: state.decision is not None, "decided", _wait_seconds(timeout, "result"))

    def settle(self, timeout: float | None = None) -> Result:
        """Wait until the run is decided and every child has an outcome. Raises what `result` raises."""
        return self._wait(lambda state: state.settled, "settled", _wait_seconds(timeout, "settle"))

    def add(self, children: Sequence[Child], timeout: float | None = None) -> RunStatus:
        """Add children to a run that is open, whoever works on it, and return its status once that is on record.

        A child without an id gets a fresh one. One of an id that is known with the same work is passed over, so that
        adding can be repeated. Defaults that the run's `Parallel` had for its children do not hold for these.

        Raises:
            StepOrderError: no more children can be added: the run was closed, or it is decided and starts no more.
            UsageError: a child cannot be run, or its id is known with other work. None of them was added.
            DeadlineExceededError: the store did not take it within `timeout` seconds (a minute, and a millisecond for
                each child, when not given).
        """
        engine = self._engine
        if not isinstance(children, list | tuple):
            raise UsageError(f"add takes a list of Child, not {given.shown_value(children)}")
        seconds = given.call_seconds(len(children)) if timeout is None else given.seconds(timeout, "add: timeout")
        named = [_named(child, engine.runtime.new_id) for child in children]
        now = engine.runtime.now()
        queries.require(engine.log, self.id)
        before = queries.count_of(engine.log, self.id, "ChildPrepared")
        specs = engine.creation.children(Parallel(), named, before=before)
        if not specs:
            return self.status()
        if engine.attends_to(self.id):
            self._require_same_as_done(specs)
        commands = (PrepareChildren(at=now, children=engine.creation.filed(self.id, specs)), CreateChildren(at=now))
        return self._request(commands, seconds)

    def _require_same_as_done(self, specs: Sequence[ChildSpec]) -> None:
        """Refuse other work for a child that has succeeded: a state forgets what it was to do, the record does not."""
        state, _ = self._latest()
        done = {spec.child_id: spec for spec in specs if _has_succeeded(state, spec.child_id)}
        with self._named():
            for asked in prepared_of(self._engine.log, self.id, done):
                require_same_work(asked, done[asked.child_id])

    def close(self, timeout: float = CALL_SECONDS) -> RunStatus:
        """Say that no more children will be added, whoever works on the run, and return its status then.

        What gives it children over time is read no further. A run that is closed already stays as it is. One that has
        fewer children than its strategy needs fails.

        Raises:
            DeadlineExceededError: the store did not take it within `timeout` seconds.
        """
        timeout = given.seconds(timeout, "close: timeout")
        return self._request((CloseMembership(at=self._engine.runtime.now(), arriving=True),), timeout)

    def children(
        self,
        outcome: ChildStatus | Sequence[ChildStatus] | None = None,
        limit: int | None = None,
        after: str | None = None,
        *,
        status: ChildStatus | Sequence[ChildStatus] | None = None,
        order: ChildOrder | None = None,
        at: int | datetime | None = None,
    ) -> list[ChildView]:
        """Return a page of the run's children: those of one or some statuses, so many, after the one of an id.

        Args:
            outcome: how they ended; or any other status, or several of them.
            limit: how many at most; all of them when not given.
            after: the id of the child that the page follows on, whatever its status.
            status: another name for `outcome`.
            order: `index` (when not given), `finished` or `duration`, with `-` before it the other way round. In the
                latter two, children that have not ended are left out.
            at: a position in the log, or a time: the children as they were then.

        A page by index or by end is found by an index, however many children there are. By duration, all that have
        ended are looked at, though none of their events.

        Raises:
            RunNotFoundError: there was no such run at that point.
            UsageError: there is no such status, order or point, or no child of the id in `after` has a place in it.

        """
        self._engine.require_process()
        return self._engine.answers.children(self.id, child_query(outcome, status, order, limit, after), at)

    def as_completed(self, timeout: float | None = None) -> Iterator[ChildView]:
        """Yield children as they end, in that order: first those that have ended, each once, until the run is settled.

        It makes no difference who works on the run. `output` is of the type that the task's annotation says, as in
        `Result.outputs`.

        Raises:
            DeadlineExceededError: the run was not settled within `timeout` seconds (a day when not given).
            RunHaltedError: the orchestrator could not go on with the run.
            InvalidPayloadError, StoreDamagedError: as from `Result.outputs`.
        """
        seconds = _wait_seconds(timeout, "as_completed")
        deadline = self._engine.runtime.monotonic() + seconds

        def wait(version: int) -> None:
            self._await(lambda state: state.version > version, "settled", seconds, deadline)

        return Completing(self._engine.log, self.id, self._engine.tasks).children(wait)

    def history(self) -> Iterator[HistoryEvent]:
        """Yield the run's events, from the first to the latest."""
        return queries.history_of(self._engine.log, self.id)

    def listen(self, listener: Listener) -> None:
        """Let a listener hear of the run while this orchestrator works on it."""
        if self._observers is not None:
            self._observers.listen(listener)

    def watch(self, timeout: float | None = None) -> Iterator[RunStatus]:
        """Yield the run's status now and whenever it changes, a few times a second at most, until it is settled.

        Several changes in quick succession are one; the last status is never left out. No thread is at work for it.
        A store that is away for a while (locked, unreadable, its server restarted) is waited for: a warning is logged
        once (logger `orchestrator`), and again when it is back.

        Raises:
            DeadlineExceededError: the run was not settled within `timeout` seconds (a day when not given).
            RunHaltedError: nobody works on the run any more.
        """
        watch = Watch(self._engine, self.id, _wait_seconds(timeout, "watch"))

        def change(version: int, left: float) -> RunStatus | None:
            return self._look(lambda state: state.version != version, left)

        return watch.statuses(self.status, change)

    def _changed(self, state: ParentState) -> RunStatus:
        self._observers = self._engine.observers(self.id)
        return run_status(self.id, state, self._position())

    def _latest(self) -> tuple[ParentState, int]:
        """Return the state on record and its position."""
        latest = None if self._observers is None else self._observers.latest
        if latest is None:
            return self._following.look()
        over = latest[0].settled and self._engine.is_closed  # then nobody here can have redriven it
        if self._followed(latest[0]) and not over:
            self._following.skip_to(*latest)
            return self._following.look()
        return latest

    def _position(self) -> int:
        latest = None if self._observers is None else self._observers.latest
        return self._following.look()[1] if latest is None else latest[1]

    def _followed(self, state: ParentState) -> bool:
        """Whether only the log knows how the run stands: somebody else works on it, or may have redriven it."""
        return state.settled or state.owner != self._engine.owner

    def _left(self, state: ParentState) -> bool:
        """Whether nobody works on the run: its owner is gone, or is this orchestrator, which has halted it."""
        if state.owner == self._engine.owner:
            return not self._engine.works_on(self.id)
        return state.owner is None or not owner_alive(state.owner)

    def _wait(self, ready: Callable[[ParentState], bool], what: str, seconds: float) -> Result:
        deadline = self._engine.runtime.monotonic() + seconds
        return Result(self._engine, self._await(ready, what, seconds, deadline))

    def _await(self, ready: Callable[[ParentState], bool], what: str, seconds: float, deadline: float) -> RunStatus:
        while True:
            left = deadline - self._engine.runtime.monotonic()
            view = self._look(ready, left)
            if view is not None:
                return view
            if left <= 0:
                raise DeadlineExceededError(f"run {self.id!r} was not {what} within {seconds:g} s; it goes on")

    def _look(self, ready: Callable[[ParentState], bool], left: float) -> RunStatus | None:
        """Wait for a while; return the status if it is what was waited for."""
        self._engine.require_process()
        observers = self._observers
        latest = None if observers is None else observers.latest
        if observers is not None and latest is not None and not self._followed(latest[0]):
            state = observers.wait(ready, max(0.0, min(left, 1.0)))
            if state is None:
                self._engine.require_open()
                if observers.halted is not None:
                    raise _halted(self.id, observers.halted)
                return None
            return run_status(self.id, state, self._position())
        # Asked before the look: it may end, and be let go, in between; and the log may grow.
        worked_on, attached = self._engine.works_on(self.id), self._engine.goes_on_with(self.id)
        end = self._engine.log.last_position()
        state, position = self._latest()
        if ready(state):
            return run_status(self.id, state, position)
        if not attached and state.epoch > 0 and not worked_on and self._left(state):
            raise RunHaltedError(f"nobody works on run {self.id!r} any more: resume it, then wait for it")
        self._growth().wait_beyond(end, max(0.0, min(left, _LOOK_SECONDS)))
        self._engine.pause(max(0.0, min(left, _REST_SECONDS)))
        return None

    def _growth(self) -> LogSubscription:
        """Return what tells that the log has grown: of our own appends at once, and so far as the store says so."""
        if self._subscription is None:
            self._subscription = self._engine.log.subscribe()
        return self._subscription


def _wait_seconds(timeout: float | None, call: str) -> float:
    return WAIT_SECONDS if timeout is None else given.seconds(timeout, f"{call}: timeout")


def _named(child: Child, new_id: Callable[[], str]) -> Child:
    if not isinstance(child, Child) or child.id is not None:
        return child
    return child.with_id(f"{task_of(child)}-{new_id()}")


def _has_succeeded(state: ParentState, child_id: str) -> bool:
    child = state.children.get(child_id)
    return child is not None and child.phase == "succeeded"


def _halted(parent_id: str, cause: BaseException) -> Exception:
    if isinstance(cause, StoreError):
        return cause
    error = RunHaltedError(f"run {parent_id!r} was halted: {cause}")
    error.__cause__ = cause
    return error
