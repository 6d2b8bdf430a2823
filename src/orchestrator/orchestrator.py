"""`Orchestrator`: start runs, find them, resume them.

What works on runs is imported when an orchestrator is made, and what few programs ask for when they do: a program that
only defines tasks, a worker process among them, needs none of it.
"""

from __future__ import annotations

import builtins
import logging
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Final, Self

from events.errors import UNREADABLE, ContentConflictError, RunOwnedError, StoreError, UsageError
from events.limits import BUSY_TIMEOUT_SECONDS, DEFAULT_LIMITS, Limits
from orchestrator import given
from orchestrator.given import CALL_SECONDS
from orchestrator.steps import Steps
from orchestrator.tasks import TASKS, TaskRegistry

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from datetime import timedelta

    from actors.runtime import Ref
    from events.commands import Command
    from events.projections.projection import Projection
    from events.strategy import Status
    from events.views import RunStatus
    from orchestrator.definition import Parallel, Throttle
    from orchestrator.page_queries import RunOrder
    from orchestrator.retention import Archive
    from orchestrator.run import Run
    from orchestrator.views import Views

_NO_EXECUTORS: Final[Mapping[str, Executor]] = MappingProxyType({})


class Orchestrator(Steps):
    """Runs parallel tasks with a memory. One per store and process is the usual thing; close it, or use `with`.

    Args:
        store: a path, `sqlite:///path`, `postgresql://user@host/database`, or `memory:`. It is made where there
            is none.
        max_workers: how many children may run at a time over all runs (one per core, at least 4, when not given).
        tasks: where tasks are found by name; those of `@task` when not given.
        limits: see `Limits`.
        busy_timeout_seconds: how long to wait for another program's lock on the store; on PostgreSQL, the longest that
            any call to it takes.
        shutdown_seconds: how long `close` waits for running children.
        must_exist: refuse to make a new store.
        keep_raw: hand what commands print to listeners.
        executors: executors of your own, by the names that tasks have for them: `@task(executor=...)`. They are used,
            and never shut down.
        throttles: limits by key over all runs of this orchestrator; see `Throttle`.
        projections: views of your own, kept beside those of runs and children (see `Projection`); None: no views are
            kept at all. For `memory:` they are kept only where some of your own are given.
        audit_key: seals what is written, so that `audit verify` finds whoever wrote to the store without the key: from
            16 to 4,096 bytes. A store that has events and no seals is sealed by `orchestrator audit seal`.
        keyring: the path of a key file, or keys of 32 bytes by their ids. Texts of new runs are encrypted, with the
            first of them; runs that were encrypted with any of them can be read and gone on with.
        compress: whether long texts are compressed. Those that are can always be read.

    Raises:
        StoreError: the store cannot be used; its subclasses say why.
        UsageError: an argument makes no sense.

    """

    def __init__(
        self,
        store: str | os.PathLike[str] = "orchestrator.db",
        *,
        max_workers: int | None = None,
        tasks: TaskRegistry = TASKS,
        limits: Limits = DEFAULT_LIMITS,
        busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
        shutdown_seconds: float = 5.0,
        must_exist: bool = False,
        keep_raw: bool = False,
        executors: Mapping[str, Executor] = _NO_EXECUTORS,
        throttles: Sequence[Throttle] = (),
        projections: Sequence[Projection] | None = (),
        audit_key: bytes | None = None,
        keyring: str | os.PathLike[str] | Mapping[str, bytes] | None = None,
        compress: bool = False,
    ) -> None:
        from orchestrator.feeds import Feeds
        from orchestrator.making import WAIT_SECONDS_MAX, made

        self._limits = limits
        self._shutdown_seconds = min(given.seconds(shutdown_seconds, "shutdown_seconds"), WAIT_SECONDS_MAX)
        self._engine = made(
            store,
            tasks,
            limits,
            max_workers,
            busy_timeout_seconds=busy_timeout_seconds,
            must_exist=must_exist,
            keep_raw=keep_raw,
            executors=executors,
            throttles=throttles,
            projections=projections,
            audit_key=audit_key,
            keyring=keyring,
            compress=compress,
        )
        self._creation = self._engine.creation
        self._feeds = Feeds(self._engine)

    def start(
        self,
        parallel: Parallel,
        *,
        id: str | None = None,  # noqa: A002 - the contract's name
        reply_to: Ref | None = None,
        timeout: float | None = None,
    ) -> Run:
        """Start a run and return its handle once it is on record.

        The same id with the same content gives the run there is: running (here or elsewhere), to be gone on with,
        or over. `reply_to` is an actor that is told `ParentFinished` when the run is decided.

        Children that come over time are no part of the content: what gives them is read from its beginning, and those
        that are on record already are passed over. Where this orchestrator reads another source for the run already,
        that one goes on, and this one is not read.

        Raises:
            UsageError: the definition cannot be run.
            ContentConflictError: the id stands for other content; the message says what differs.
            StoreError: the store cannot be used.
            DeadlineExceededError: the store did not take it within `timeout` seconds (a minute, and a millisecond for
                each child, when not given).

        """
        timeout = None if timeout is None else given.seconds(timeout, "start: timeout")
        parent_id = self._engine.runtime.new_id() if id is None else id
        commands = self._commands(parent_id, parallel)
        run = self._claim(parent_id, commands, attach=True, reply_to=reply_to, timeout=timeout, fresh=id is None)
        self._feed(run, parallel)
        return run

    def _feed(self, run: Run, parallel: Parallel) -> None:
        """Begin to pull the children that come over time."""
        if parallel.over_time:
            self._feeds.begin(run.id, parallel, self._engine.observers(run.id))

    def _claim(
        self,
        parent_id: str,
        commands: tuple[Command, ...],
        *,
        attach: bool,
        reply_to: Ref | None,
        timeout: float | None,
        then: tuple[Command, ...] = (),
        take_over: bool = False,
        fresh: bool = False,
    ) -> Run:
        from pykka import ActorRef

        from orchestrator.run import Run

        if reply_to is not None and not isinstance(reply_to, ActorRef):
            raise UsageError(f"reply_to is a reference to an actor (pykka.ActorRef), not {given.shown_value(reply_to)}")
        observers = self._engine.observers(parent_id)
        try:
            self._engine.claim(
                parent_id, commands, attach=attach, timeout=timeout, then=then, take_over=take_over, fresh=fresh
            )
        except ContentConflictError as error:
            from orchestrator.differences import explained

            raise explained(self._engine.log, parent_id, commands, error) from None
        if reply_to is not None:
            observers.tell_when_decided(reply_to)
        return Run(self._engine, parent_id, observers)

    def get(self, id: str) -> Run:  # noqa: A002 - the contract's name
        """Return the handle of a run in the store, whoever works on it. Raises RunNotFoundError."""
        from orchestrator import queries
        from orchestrator.run import Run

        queries.require(self._engine.log, id)
        return Run(self._engine, id, self._engine.observers(id))

    def list(
        self,
        status: Status | Sequence[Status] | None = None,
        limit: int | None = None,
        after: str | None = None,
        *,
        order: RunOrder | None = None,
    ) -> list[RunStatus]:
        """Return a page of the store's runs: those of one or some statuses, so many, after the one of an id.

        Args:
            status: one status, or several of them; all when not given.
            limit: how many at most; all of them when not given.
            after: the id of the run that the page follows on, whatever its status.
            order: `created` (when not given), or `changed`, by the latest event; with `-` the latest first.

        A page is found by an index, however many runs there are. A run whose record is found to be damaged, or of a
        newer release, is left out and logged as an error (logger `orchestrator`).

        Raises:
            UsageError: there is no such status or order, or no run of the id in `after`.

        """
        from orchestrator.page_queries import run_query

        self._engine.require_process()
        query = run_query(status, order, limit, after)
        return [run.view for run in self._engine.answers.runs(query, _log_damage)]

    def resume(
        self,
        id: str,  # noqa: A002 - the contract's name
        *,
        take_over: bool = False,
        reply_to: Ref | None = None,
        timeout: float = CALL_SECONDS,
    ) -> Run:
        """Go on with a run that nobody works on; interrupted children run again, finished ones never do.

        A run that is over, or that we work on already, is given back as it is. An owner on another machine cannot
        be asked whether it lives, and counts as alive; `take_over` says that it does not. (Should it live after
        all, it loses the run: its next append cannot succeed.)

        A run whose children come over time, and whose source is gone, stays open: the children on record are gone on
        with, and a warning is logged (logger `orchestrator`). `start` it again with the source, or `Run.close` it.

        Raises:
            RunNotFoundError: there is no such run.
            RunOwnedError: another living process works on it.
            UnknownTaskError: it needs a task that this process does not know.

        """
        timeout = given.seconds(timeout, "resume: timeout")
        run = self._claim(id, (), attach=False, reply_to=reply_to, timeout=timeout, take_over=take_over)
        self._warn_if_open(id)
        return run

    def _warn_if_open(self, parent_id: str) -> None:
        latest = self._engine.observers(parent_id).latest
        if latest is not None and not latest[0].membership_closed and not self._feeds.feeds(parent_id):
            _logger().warning(
                "run %r is open: its %d children are gone on with, and whatever gave it more is not here; start it "
                "again with that under the same id, add children (Run.add), or close it (Run.close)",
                parent_id,
                latest[0].total,
            )

    def resume_all(self, *, reply_to: Ref | None = None, timeout: float = CALL_SECONDS) -> builtins.list[Run]:
        """Go on with every unfinished run that no other living process works on; return their handles.

        A run whose record is damaged, or of a newer release, is passed over and logged as an error (logger
        `orchestrator`). Parents that an engine drives step by step are left to it.

        Raises:
            UnknownTaskError: a run needs a task that this process does not know; the runs before it go on.

        """
        from orchestrator import queries

        timeout = given.seconds(timeout, "resume_all: timeout")
        runs: builtins.list[Run] = []
        for parent_id in queries.unfinished(self._engine.log):
            try:
                runs.append(self.resume(parent_id, reply_to=reply_to, timeout=timeout))
            except RunOwnedError:
                continue
            except UNREADABLE as error:
                _log_damage(parent_id, error)
        return runs

    def archive(
        self, older_than: float | timedelta, to: str | os.PathLike[str] | None = None, *, drop: bool = False
    ) -> Archive | None:
        """Write settled runs to an archive, with the runs inside them, and `drop` them from the store if asked to.

        Those go to which nothing happened for `older_than` (seconds, or a timedelta). `to` is a file that is not there
        yet; one beside the store where it is left out. It is on disk, and was read back, before anything is dropped. Of
        what is dropped the proof stays in the store, and nothing gets its id again. None where no run is old enough.

        Raises:
            UsageError: the file is there already, or the store keeps no proofs.
            StoreDamagedError: a run's record is not what was written. Nothing was dropped.
            StoreError: the archive or the store cannot be written.
        """
        from orchestrator.retention import archive_old

        self._engine.require_open()
        return archive_old(self._engine, older_than, to, drop=drop)

    @property
    def views(self) -> Views:
        """The views of the store: how far they are, what stands in them, and waiting for them.

        Raises:
            UsageError: no views are kept here.
        """
        from orchestrator.views import Views

        engine = self._engine.views
        if engine is None:
            raise UsageError("no views are kept here: give `Orchestrator` projections, or a store in a file")
        return Views(self._engine.log, engine, self._engine.runtime.now)

    @property
    def ref(self) -> Ref:
        """The actor that other actors may tell `StartRun`, `CancelRun` and the like (see `orchestrator.messages`)."""
        return self._engine.entrance(self._commands_of_message)

    def _commands_of_message(self, parent_id: str, parallel: Parallel) -> tuple[Command, ...]:
        if parallel.over_time:
            raise UsageError("children over time cannot be sent in a message: call Orchestrator.start with them")
        return self._commands(parent_id, parallel)

    def _commands(self, parent_id: str, parallel: Parallel) -> tuple[Command, ...]:
        from orchestrator.creation import check_id

        check_id(parent_id, "id", self._limits)
        return self._creation.whole(parent_id, parallel)

    def close(self) -> None:
        """Start nothing more, wait a while for running children, and give back all threads and processes.

        Unfinished runs are kept and can be resumed. Closing twice is fine.
        """
        self._feeds.stop()
        began = self._engine.runtime.monotonic()
        self._engine.close(self._shutdown_seconds)
        self._feeds.join(self._shutdown_seconds - (self._engine.runtime.monotonic() - began))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _log_damage(parent_id: str, error: StoreError) -> None:
    _logger().error("run %r is left alone: %s", parent_id, error)


def _logger() -> logging.Logger:
    return logging.getLogger("orchestrator")
