"""An orchestrator whose runs are heard from their very first child on, and what is heard, for the main thread."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Lock
from typing import Any, NamedTuple
from weakref import WeakSet

from actors.hearing import EndedChild
from actors.observers import Observers
from actors.runtime import Ref
from events.commands import Command, Resume
from events.errors import ClosedError, StoreError
from events.evolve import INITIAL
from events.payload import decode_payload
from events.state import ChildWork, ParentState
from events.views import RunStatus, run_status
from orchestrator import queries
from orchestrator.cli.keep_order import Look
from orchestrator.cli.summary import Named, named_input
from orchestrator.definition import Parallel
from orchestrator.given import CALL_SECONDS
from orchestrator.item_notes import ITEMS_KEY
from orchestrator.orchestrator import Orchestrator
from orchestrator.progress import Progress, part_of
from orchestrator.run import Run
from orchestrator.streams import STANDARD_INPUT, ChildStream


class Ended(NamedTuple):
    """Children have an outcome, and that is on record."""

    run_id: str
    children: Sequence[EndedChild]


class Over(NamedTuple):
    """A run is settled, or was halted. Nothing more is heard of it."""

    run_id: str


News = Ended | Over | None
"""What is heard; None where somebody only wants the main thread to look up."""


class _Ear:
    """Listens to one run, on the listeners' thread."""

    def __init__(self, observers: Observers, news: SimpleQueue[News], redrives: int) -> None:
        self._redrives = redrives
        self._observers = observers
        self._news = news

    def children_ended(self, ended: Sequence[EndedChild]) -> None:
        self._news.put(Ended(self._observers.parent_id, ended))

    def changed(self) -> None:
        latest, halted = self._observers.latest, self._observers.halted
        stopped = halted is not None and not isinstance(halted, ClosedError)  # that we close is no news of a run
        if stopped or (latest is not None and latest[0].settled and latest[0].redrives >= self._redrives):
            self._news.put(Over(self._observers.parent_id))


class _NestedEar:
    """Listens to a run inside one of ours, on the listeners' thread: to what its children printed."""

    def __init__(self, parent_id: str, news: SimpleQueue[News]) -> None:
        self._parent_id = parent_id
        self._news = news

    def children_ended(self, ended: Sequence[EndedChild]) -> None:
        self._news.put(Ended(self._parent_id, ended))

    def changed(self) -> None:
        """Hear of a new state, which is the outer run's affair."""


class LiveOrchestrator(Orchestrator):
    """Puts what it hears of its runs into `news`, and of the runs inside them which children have ended.

    What commands printed goes along; whoever takes it closes it.
    """

    def __init__(
        self,
        store: str | os.PathLike[str],
        *,
        max_workers: int,
        must_exist: bool,
        audit_key: bytes | None = None,
        keyring: str | None = None,
        compress: bool = False,
    ) -> None:
        super().__init__(
            store,
            max_workers=max_workers,
            must_exist=must_exist,
            keep_raw=True,
            audit_key=audit_key,
            keyring=keyring,
            compress=compress,
        )
        self.news: SimpleQueue[News] = SimpleQueue()
        self._heard: dict[str, Observers] = {}
        self._nested_heard: WeakSet[Observers] = WeakSet()
        self._progress: dict[str, Progress] = {}
        self._unread: dict[str, str] = {}
        self._lock = Lock()
        self._engine.tell_of_nested(self._hear_nested)

    def _hear_nested(self, observers: Observers) -> None:
        with self._lock:
            if observers in self._nested_heard or self._heard.get(observers.parent_id) is observers:
                return
            self._nested_heard.add(observers)
        observers.listen(_NestedEar(observers.parent_id, self.news))

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
        self._hear(parent_id)
        return super()._claim(
            parent_id,
            commands,
            attach=attach,
            reply_to=reply_to,
            timeout=timeout,
            then=then,
            take_over=take_over,
            fresh=fresh,
        )

    def _hear(self, parent_id: str, redrives: int = 0) -> None:
        """Listen to a run, which is over once it is settled after so many redrives."""
        observers = self._engine.observers(parent_id)
        with self._lock:
            if self._heard.get(parent_id) is observers:
                return
            self._heard[parent_id] = observers
        observers.listen(_Ear(observers, self.news, redrives))

    def let_go_on(self, run_id: str, *, take_over: bool) -> Run | RunStatus:
        """Let a paused run go on: its status where another process works on it, or it is worked on here."""
        resume = Resume(at=self._engine.runtime.now())
        if not take_over:
            standing = self._engine.control(run_id, (resume,), CALL_SECONDS, only_elsewhere=True)
            if standing is not None:
                return run_status(run_id, standing.state, standing.position)
        return self._claim(
            run_id, (), attach=True, reply_to=None, timeout=CALL_SECONDS, then=(resume,), take_over=take_over
        )

    def redrive(self, run_id: str, **chosen: Any) -> Run:
        """Do what `Run.redrive` does, heard from the first child on."""
        run = self.get(run_id)
        self._hear(run_id, redrives=queries.count_of(self._engine.log, run_id, "Redriven") + 1)
        run.redrive(**chosen)
        return run

    def begin(self, run_id: str, commands: tuple[Command, ...], parallel: Parallel) -> Run:
        """Do what `start` does, with the commands that a definition was already turned into."""
        run = self._claim(run_id, commands, attach=True, reply_to=None, timeout=None)
        stream, latest = parallel.children, self._heard[run_id].latest
        if isinstance(stream, ChildStream) and stream.read_once and latest is not None:
            self._note_unread(run_id, latest[0])  # before it is fed: then nobody can say any more how it was found
        self._feed(run, parallel)
        return run

    def _note_unread(self, run_id: str, found: ParentState) -> None:
        if found.settled:
            self._unread[run_id] = "was over already"
        elif found.membership_closed or found.halting:
            self._unread[run_id] = "takes no further items"

    def why_unread(self, run_id: str) -> str | None:
        """Return why standard input is not read for a run that was begun, as in `was over already`; None if it is."""
        return self._unread.get(run_id)

    def why_decided(self, run_id: str) -> str | None:
        """Return why a run has the status that it has, as far as was heard; after `close` too."""
        latest = self._heard[run_id].latest
        return None if latest is None or latest[0].decision is None else latest[0].decision.why

    def is_driven(self, run_id: str) -> bool:
        """Whether an engine drives a run step by step, and has not given it all its children yet."""
        recorder = self._engine.log.recorder
        begun = recorder.stream(run_id, types=("MembershipClosed", "OwnershipTaken"), limit=1)
        return recorder.head(run_id) is not None and not begun

    def is_open(self, run_id: str) -> bool:
        """Whether further children may come, as far as was heard."""
        latest = self._heard[run_id].latest
        return latest is not None and not latest[0].membership_closed

    def part_done(self, run_id: str) -> float:
        """Return how many children's worth those children of a run have done that still run, as far as they say."""
        progress = self._progress.setdefault(run_id, Progress(self._engine.log, run_id))
        try:
            return part_of(progress.look())
        except StoreError:  # no more than a bar's length; who works on the run meets the same trouble, and tells
            return 0.0

    def reads_no_more(self, run_id: str) -> bool:
        """Whether a run that is open had its items from standard input, so that no further ones can come."""
        latest = self._heard[run_id].latest
        if latest is None or latest[0].membership_closed or latest[0].metadata is None:
            return False
        metadata = decode_payload(latest[0].metadata)
        return isinstance(metadata, dict) and metadata.get(ITEMS_KEY) == STANDARD_INPUT

    def _warn_if_open(self, parent_id: str) -> None:
        """Say nothing: who resumes a run here says it to the person."""

    def named(self, run_id: str) -> Named:
        """Return what says what a child works on that has not succeeded; after `close` too."""

        def name(index: int) -> str:
            latest = self._heard[run_id].latest
            child = None if latest is None else latest[0].children[latest[0].order[index]]
            if child is None or child.prepared is None:
                return f"child {index + 1}"
            return named_input(child.prepared.task, self._input(run_id, child.prepared))

        return name

    def _input(self, run_id: str, work: ChildWork) -> str:
        """Return a child's input, be it in a file; where that cannot be read, what it would be."""
        if work.input_file is None:
            return work.input
        try:
            return self._engine.log.payloads_of(run_id).get(work.input_file)
        except StoreError:  # it is no more than a name in a summary
            return json.dumps({"input": f"an input of {work.input_file.bytes:,} bytes that cannot be read"})

    def new_id(self) -> str:
        """Return a fresh id for a run."""
        return self._engine.runtime.new_id()

    def view(self, run_id: str) -> RunStatus:
        """Return how a run stands as far as was heard, without a look at the log; after `close` too."""
        latest = self._heard[run_id].latest
        return run_status(run_id, *latest) if latest is not None else run_status(run_id, INITIAL, 0)

    def look(self, run_id: str) -> Look | None:
        """Return how a run stands as far as was heard, and how many endings had been told by then; None before."""
        observers = self._heard[run_id]
        latest = observers.latest
        return None if latest is None else Look(latest[0], observers.told)

    def was_paused(self, run_id: str) -> bool:
        """Whether the run is paused, by a look at the log."""
        return queries.is_paused(self._engine.log, run_id)

    def is_paused(self, run_id: str) -> bool:
        """Whether the run is paused, as far as was heard."""
        latest = self._heard[run_id].latest
        return latest is not None and latest[0].paused and not latest[0].settled

    def worked_on_elsewhere(self, run_id: str) -> bool:
        """Whether another process works on the run, as far as was heard; after `close` too."""
        latest = self._heard[run_id].latest
        return latest is not None and not latest[0].settled and latest[0].owner not in (None, self._engine.owner)
