"""The machinery behind the face: the log, the actors, the executors, and how they begin and end."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor as ForeignExecutor
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from actors.afar import Control, ControllerActor, Standing
from actors.buckets import ThrottleRule
from actors.executors.process_tasks import refuse_while_loading
from actors.messages import Claim, Release, Request
from actors.observers import Observers
from actors.owner import new_owner, owner_alive, retire_owner
from actors.runtime import Ref, logger, tell
from actors.system import ActorSystem
from actors.threaded import ThreadedRuntime
from events.commands import Command, prepared_count
from events.errors import UNREADABLE, ClosedError, DeadlineExceededError, LimitExceededError
from events.limits import Limits
from events.log.store import EventLog
from events.projections.builtin import BUILT_IN
from events.projections.engine import ProjectionEngine
from events.projections.projection import Projection
from events.state import ParentState
from orchestrator import given
from orchestrator.creation import Creation
from orchestrator.definition import Parallel
from orchestrator.executors import Executors
from orchestrator.failed_source import KnownTasks
from orchestrator.tasks import TaskRegistry

if TYPE_CHECKING:
    from orchestrator.answers import Answers

T = TypeVar("T")

_RELEASE_SECONDS: Final = 10.0
"""How long closing waits for the store to take what was interrupted."""


class Engine:
    """One orchestrator's machinery. The actors begin when the first run needs them."""

    def __init__(
        self,
        log: EventLog,
        tasks: TaskRegistry,
        limits: Limits,
        max_workers: int,
        *,
        keep_raw: bool,
        foreign: Mapping[str, ForeignExecutor],
        throttles: Sequence[ThrottleRule] = (),
        projections: Sequence[Projection] | None = (),
    ) -> None:
        self._log = log
        self.tasks: Final = tasks
        self.limits: Final = limits
        self._process_id = os.getpid()
        self.runtime: Final = ThreadedRuntime()
        self.owner: Final = new_owner()
        self.executors: Final = Executors(
            KnownTasks(tasks), limits, max_workers, keep_raw=keep_raw, owner=self.owner, foreign=foreign
        )
        self.views: Final = None if projections is None else ProjectionEngine(log, (*BUILT_IN, *projections))
        """What keeps the views of the log, where any are kept."""
        draw, may_run = partial(self.runtime.random.getrandbits, 32), self.executors.require
        self.creation: Final = Creation(tasks, limits, max_workers, self.runtime.now, draw, may_run, log.all_payloads)
        self._system = ActorSystem(
            self.runtime,
            log,
            owner=self.owner,
            owner_alive=owner_alive,
            max_workers=max_workers,
            executors=self.executors.by_name,
            executor_of=self.executors.name_for,
            limits=limits,
            end_leftovers=self.executors.end_leftovers,
            throttles=throttles,
            views=self.views,
        )
        self._entrance: Ref | None = None
        self._controller: Ref | None = None
        self._begun = False
        self._prepare_to_close()

    def _prepare_to_close(self) -> None:
        """Make what ending needs, whenever it comes."""
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._closing = threading.RLock()
        """Held by whoever closes; a signal handler may do so in the middle of it."""
        self._gone = False
        self._unanswered: set[Future[Any]] = set()
        """Replies that somebody waits for."""
        atexit.register(self._close_at_exit)

    @property
    def log(self) -> EventLog:
        """The log. Raises ClosedError in a fork of the process: neither connections nor threads survive one."""
        self.require_process()
        return self._log

    # Asking parents

    def claim(
        self,
        parent_id: str,
        create: tuple[Command, ...],
        *,
        attach: bool,
        timeout: float | None,
        then: tuple[Command, ...] = (),
        take_over: bool = False,
        fresh: bool = False,
    ) -> ParentState:
        """Make a parent ours (see `Claim`) and return its state once that is on record; None waits the usual time."""
        seconds = _usual_seconds(create) if timeout is None else timeout
        reply: Future[ParentState] = Future()
        claim = Claim(create, attach=attach, reply=reply, then=then, take_over=take_over, fresh=fresh)
        return self._ask(parent_id, claim, reply, seconds)

    def request(self, parent_id: str, commands: tuple[Command, ...], timeout: float | None) -> ParentState:
        """Have commands decided, all or none, and return the state once they are on record; None: as `claim` waits."""
        seconds = _usual_seconds(commands) if timeout is None else timeout
        reply: Future[ParentState] = Future()
        return self._ask(parent_id, Request(commands, reply), reply, seconds)

    def control(
        self, parent_id: str, commands: tuple[Command, ...], timeout: float, *, only_elsewhere: bool
    ) -> Standing | None:
        """Have commands decided on no more of a parent than they need, which need not be live here; see `Control`."""
        given.run_id(parent_id)
        reply: Future[Standing | None] = Future()
        self.require_process()
        with self._lock:
            self.require_open()
            if self._controller is None:
                self._controller = self.runtime.spawn(
                    lambda runtime: ControllerActor(runtime, lambda *_: None, self._log, self._works_elsewhere)
                )
        self._expect(reply)
        tell(self._controller, Control(parent_id, commands, only_elsewhere, reply))
        return _answer(reply, parent_id, timeout)

    def _works_elsewhere(self, state: ParentState) -> bool:
        owner = state.owner
        return owner is not None and owner != self.owner and owner_alive(owner)

    def _ask(self, parent_id: str, message: Any, reply: Future[T], timeout: float) -> T:
        observers = self.observers(parent_id)  # held until the answer is there
        self._expect(reply)
        self._tell(parent_id, message)
        return _answer(reply, observers.parent_id, timeout)

    def _expect(self, reply: Future[Any]) -> None:
        """See to it that a reply comes, if only because we are closed.

        Raises:
            LimitExceededError: too many are waited for already.
        """
        most = self.limits.requests_waiting_max
        if len(self._unanswered) >= most:
            raise LimitExceededError(f"{most:,} requests wait for an answer, which is the limit requests_waiting_max")
        self._unanswered.add(reply)
        reply.add_done_callback(self._unanswered.discard)

    def _tell(self, parent_id: str, message: Any) -> None:
        self.require_process()
        with self._lock:
            self.require_open()
            if not self._begun:
                refuse_while_loading()
                self._begun = True
                self._system.begin()
        self._system.tell_parent(parent_id, message)

    def observers(self, parent_id: str) -> Observers:
        """Return the observers of a parent."""
        self.require_process()
        given.run_id(parent_id)
        return self._system.observers(parent_id)

    def tell_of_nested(self, begun: Callable[[Observers], None]) -> None:
        """Have `begun` called for each parent inside another, before its first child; quickly, on an actor's thread."""
        self._system.nested_begun = begun

    def works_on(self, parent_id: str) -> bool:
        """Whether a parent is live here, and worked on as far as is known."""
        live = self._system.directory.live.get(parent_id)
        return live is not None and not live.burying and live.tenure.working is not False

    def goes_on_with(self, parent_id: str) -> bool:
        """Whether a parent is live here, and is taken over should its owner go."""
        live = self._system.directory.live.get(parent_id)
        return live is not None and not live.burying and live.tenure.wanted

    @cached_property
    def answers(self) -> Answers:
        """What answers from the views of the log, or from its events."""
        from orchestrator.answers import Answers

        return Answers(
            self._log, self.views, is_damaged=lambda run_id: isinstance(self.observers(run_id).halted, UNREADABLE)
        )

    def attends_to(self, parent_id: str) -> bool:
        """Whether a parent is live here: worked on, or followed."""
        live = self._system.directory.live.get(parent_id)
        return live is not None and not live.burying

    def entrance(self, create: Callable[[str, Parallel], tuple[Command, ...]]) -> Ref:
        """Return the actor that other people's actors may tell; it begins when first asked for."""
        from orchestrator.entrance import EntranceActor

        self.require_process()
        with self._lock:
            self.require_open()
            if self._entrance is None or not self._entrance.is_alive():
                self._entrance = self.runtime.spawn(
                    lambda runtime: EntranceActor(runtime, lambda *_: None, create, self._enter, self.limits)
                )
            return self._entrance

    def _enter(self, parent_id: str, asked: Claim | Request, reply: Future[ParentState], reply_to: Ref | None) -> None:
        observers = self.observers(parent_id)

        def on_record(reply: Future[ParentState]) -> None:
            if reply_to is not None and reply.exception() is None:
                observers.tell_when_decided(reply_to)

        self._expect(reply)
        reply.add_done_callback(on_record)
        self._tell(parent_id, asked)

    # Ending

    @property
    def is_closed(self) -> bool:
        """Whether somebody has begun to close it."""
        return self._closed.is_set()

    def require_open(self) -> None:
        """Raise ClosedError after `close`, and in a fork of the process."""
        self.require_process()
        if self._closed.is_set():
            raise ClosedError("the orchestrator was closed")

    def require_process(self) -> None:
        """Raise ClosedError in a fork of the process. Asked before any lock is taken: forks copy them as they are."""
        if os.getpid() != self._process_id:
            raise ClosedError("this orchestrator was made in another process: make one here")

    def pause(self, seconds: float) -> None:
        """Wait for a while, but no longer than the orchestrator is open."""
        self._closed.wait(seconds)
        self.require_open()

    def close(self, shutdown_seconds: float) -> None:
        """Start nothing more, wait for what runs, put on record what was interrupted, and give everything back.

        A close that was broken off, by Ctrl-C say, is gone on with by the next one. Whoever comes while another thread
        closes waits for that one, unless it is itself waited for.
        """
        if os.getpid() != self._process_id:
            return  # a fork: none of this is ours to close
        with self._lock:
            self._closed.set()
        waited_for = threading.current_thread().name.startswith("orchestrator-")
        if not self._closing.acquire(timeout=0.0 if waited_for else shutdown_seconds + 2 * _RELEASE_SECONDS):
            return
        try:
            if not self._gone:
                self._give_back(shutdown_seconds)
                self._gone = True
                atexit.unregister(self._close_at_exit)
        finally:
            self._closing.release()

    def _give_back(self, shutdown_seconds: float) -> None:
        if self._begun:
            self._system.drain()
            self._system.stop_reading()
            self.executors.close(shutdown_seconds)
            self._system.end_filing()
            self._release_all()
            self._system.project_last()
        retire_owner(self.owner)
        self._system.leave_all(ClosedError("the orchestrator was closed"))
        self.runtime.close(timeout_seconds=_RELEASE_SECONDS)
        self._log.close()
        for reply in tuple(self._unanswered):
            with suppress(InvalidStateError):
                reply.set_exception(ClosedError("the orchestrator was closed"))

    def _close_at_exit(self) -> None:
        """Close what a program forgot to close, without a wait, and say what it left unfinished."""
        unfinished = [] if os.getpid() != self._process_id else self._system.directory.snapshot()
        if unfinished:
            logger.warning("never closed: %d unfinished run(s) can be resumed with resume_all()", len(unfinished))
        self.close(0.0)

    def _release_all(self) -> None:
        """Give up every live parent; where the store does not answer, whoever resumes finds the owner gone."""
        replies: list[Future[None]] = []
        for parent_id in self._system.directory.snapshot():
            reply: Future[None] = Future()
            replies.append(reply)
            self._system.tell_parent(parent_id, Release("the orchestrator was closed", reply))
        deadline = self.runtime.monotonic() + _RELEASE_SECONDS
        for reply in replies:
            try:
                reply.exception(max(0.0, deadline - self.runtime.monotonic()))
            except FutureTimeoutError:
                return


def _usual_seconds(commands: tuple[Command, ...]) -> float:
    return given.call_seconds(prepared_count(commands))


def _answer(reply: Future[T], parent_id: str, timeout: float) -> T:
    try:
        return reply.result(timeout)
    except FutureTimeoutError:
        raise DeadlineExceededError(f"the store did not answer for run {parent_id!r} within {timeout:g} s") from None


def default_max_workers() -> int:
    """Return how many children run at a time when nobody says: one per usable core, at least four."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(4, cores)
