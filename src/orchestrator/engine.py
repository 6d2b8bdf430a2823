"""The machinery behind the face: the log, the actors, the executors, and how they begin and end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Final, TypeVar

from actors.directory import Directory
from actors.executors.commands import CommandExecutor
from actors.executors.threads import ThreadExecutor
from actors.executors.work import Executor
from actors.journal import JournalActor
from actors.loader import LoaderActor
from actors.messages import Claim, Drain, News, Ref, Release, Request, ToParent
from actors.observers import Observers
from actors.owner import new_owner, owner_alive, retire_owner
from actors.pool import PoolActor
from actors.runtime import Address, RuntimeActor
from actors.supervisor import Service, SupervisorActor
from actors.surroundings import Surroundings
from actors.threaded import ThreadedRuntime
from events.commands import Cancel, Command
from events.errors import ClosedError, DeadlineExceededError
from events.limits import Limits
from events.log.store import EventLog
from events.state import ParentState
from orchestrator.definition import SHELL_TASK, Parallel
from orchestrator.entrance import EntranceActor
from orchestrator.tasks import TaskRegistry

T = TypeVar("T")


class Engine:
    """One orchestrator's machinery. The actors begin when the first run needs them."""

    def __init__(self, log: EventLog, tasks: TaskRegistry, limits: Limits, max_workers: int, *, keep_raw: bool) -> None:
        self.log: Final = log
        self.runtime: Final = ThreadedRuntime()
        self.owner: Final = new_owner()
        self._tasks = tasks
        self._limits = limits
        self._max_workers = max_workers
        self._directory = Directory()
        self._supervisor = Address()
        self._entrance: Ref | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._threads = ThreadExecutor(
            lambda name: tasks.find(name).function,
            threads_max=max_workers,
            payload_bytes_max=limits.payload_bytes_max,
        )
        self._commands = CommandExecutor(output_bytes_max=limits.output_bytes_max, keep_raw=keep_raw)
        self._surroundings = Surroundings(
            owner=self.owner,
            owner_alive=owner_alive,
            task_known=lambda name: name == SHELL_TASK or name in tasks,
            limits=limits,
            journal=Address(),
            loader=Address(),
            pool=Address(),
            supervisor=self._supervisor,
        )

    # Asking parents

    def claim(self, parent_id: str, create: tuple[Command, ...], *, attach: bool, timeout: float) -> ParentState:
        """Make a parent ours (see `Claim`) and return its state once that is on record."""
        reply: Future[ParentState] = Future()
        return self._ask(parent_id, Claim(create, attach=attach, reply=reply), reply, timeout)

    def request(self, parent_id: str, commands: tuple[Command, ...], timeout: float) -> ParentState:
        """Have commands decided, all or none, and return the state once they are on record."""
        reply: Future[ParentState] = Future()
        return self._ask(parent_id, Request(commands, reply), reply, timeout)

    def cancel(self, parent_id: str, reason: str, timeout: float) -> ParentState:
        """Cancel a parent; one that nobody works on is taken over, so that it comes to rest."""
        reply: Future[ParentState] = Future()
        then = (Cancel(at=self.runtime.now(), reason=reason),)
        return self._ask(parent_id, Claim((), attach=True, reply=reply, then=then), reply, timeout)

    def _ask(self, parent_id: str, message: Any, reply: Future[T], timeout: float) -> T:
        observers = self.observers(parent_id)  # held until the answer is there
        self.tell(parent_id, message)
        try:
            return reply.result(timeout)
        except FutureTimeoutError:
            raise DeadlineExceededError(
                f"the store did not answer for run {observers.parent_id!r} within {timeout:g} s"
            ) from None

    def tell(self, parent_id: str, message: Any) -> None:
        """Send a message to a parent, which is brought to life if need be."""
        self.require_open()
        self._begin()
        self._supervisor.tell(ToParent(parent_id, message))

    def observers(self, parent_id: str) -> Observers:
        """Return the observers of a parent."""
        return self._directory.observers(parent_id)

    def entrance(self, create: Callable[[str, Parallel], tuple[Command, ...]]) -> Ref:
        """Return the actor that other people's actors may tell; it begins when first asked for."""
        self.require_open()
        with self._lock:
            if self._entrance is None or not self._entrance.is_alive():
                self._entrance = self.runtime.spawn(
                    lambda runtime: EntranceActor(runtime, lambda *_: None, create, self._enter)
                )
            return self._entrance

    def _enter(self, parent_id: str, claim: Claim, reply_to: Ref | None) -> None:
        observers = self.observers(parent_id)

        def on_record(reply: Future[ParentState]) -> None:
            if reply_to is not None and reply.exception() is None:
                observers.tell_when_decided(reply_to)

        claim.reply.add_done_callback(on_record)
        self.tell(parent_id, claim)

    # Beginning and ending

    def require_open(self) -> None:
        """Raise ClosedError after `close`."""
        if self._closed.is_set():
            raise ClosedError("the orchestrator was closed")

    def pause(self, seconds: float) -> None:
        """Wait for a while, but no longer than the orchestrator is open."""
        self._closed.wait(seconds)
        self.require_open()

    def _begin(self) -> None:
        if self._supervisor.ref is not None and self._supervisor.ref.is_alive():
            return
        with self._lock:
            if self._supervisor.ref is None:
                self._spawn_supervisor()

    def _spawn_supervisor(self, *_: object) -> None:
        """Begin a supervisor; the next one, should it die, finds the parents in the directory."""
        self._supervisor.ref = self.runtime.spawn(
            lambda runtime: SupervisorActor(
                runtime, self._spawn_supervisor, self._surroundings, self._directory, self._services()
            )
        )

    def _services(self) -> tuple[Service, ...]:
        around = self._surroundings
        return (
            Service("journal", around.journal, lambda rt, died: JournalActor(rt, died, self.log, self._announce)),
            Service("loader", around.loader, lambda rt, died: LoaderActor(rt, died, self.log)),
            Service("pool", around.pool, self._make_pool),
        )

    def _make_pool(self, runtime: Any, on_death: Callable[[RuntimeActor, BaseException], None]) -> PoolActor:
        executors: Mapping[str, Executor] = {"threads": self._threads, "commands": self._commands}

        def executor_for(task: str) -> Executor:
            return executors["commands" if task == SHELL_TASK else "threads"]

        return PoolActor(runtime, on_death, self._max_workers, executor_for, executors)

    def _announce(self, parent_ids: Any) -> None:
        """Tell live parents that somebody appended to their streams."""
        for parent_id in set(parent_ids).intersection(self._directory.snapshot()):
            self._supervisor.tell(ToParent(parent_id, News))

    def close(self, shutdown_seconds: float) -> None:
        """Start nothing more, wait for what runs, put on record what was interrupted, and give everything back."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
        if self._supervisor.ref is not None:
            self._supervisor.tell(Drain)
            self._threads.close(grace_seconds=shutdown_seconds)
            self._commands.close(grace_seconds=min(1.0, shutdown_seconds))
            self._release_all()
        retire_owner(self.owner)
        self.runtime.close(timeout_seconds=10.0)
        self.log.close()

    def _release_all(self) -> None:
        replies: list[Future[None]] = []
        for parent_id in self._directory.snapshot():
            reply: Future[None] = Future()
            replies.append(reply)
            self._supervisor.tell(ToParent(parent_id, Release("the orchestrator was closed", reply)))
        deadline = self.runtime.monotonic() + 10.0
        for reply in replies:
            try:
                reply.exception(max(0.0, deadline - self.runtime.monotonic()))
            except FutureTimeoutError:
                return  # the store does not answer; whoever resumes finds the owner gone


def default_max_workers() -> int:
    """Return how many children run at a time when nobody says: one per usable core, at least four."""
    return max(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
