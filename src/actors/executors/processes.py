"""The executor for functions that run in worker processes of our own: killed when they must be, alone when they die."""

from __future__ import annotations

import os
import selectors
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from actors.executors.attempt import CLOSED
from actors.executors.command_sessions import kill_marked
from actors.executors.folders import current_folder
from actors.executors.process_crew import NEVER, Crew, PlaceOf
from actors.executors.process_endings import not_started
from actors.executors.process_link import WORKER_MARK, WorkerSettings
from actors.executors.work import AttemptKey, Done, Hear, Work, hear_nothing

_OWNER: Final = "ORCHESTRATOR_OWNER"
_OVERHEAD_BYTES: Final = 1_048_576
"""What a frame may have beyond its payload, of which each character may take two: an error with its traceback."""
_JOIN_MARGIN_SECONDS: Final = 15.0
_START_SECONDS_MAX: Final = 300.0
"""How long a worker may take to come up and to load a task's module, where nothing else is said."""


class ProcessExecutor:
    """Runs tasks in up to `processes_max` worker processes, one attempt at a time in each.

    A worker is a fresh interpreter, started when one is needed and kept for later attempts. It loads the module of
    the task by itself; `place_of` says which that is. What a worker does to itself, a crash or an exit, costs its own
    attempt alone, which is then lost with the signal or the exit status. A worker whose attempt takes too long or does
    not listen is killed, with everything else in its session.

    Thread-safe. One thread, begun with the first attempt.
    """

    def __init__(
        self,
        place_of: PlaceOf,
        *,
        processes_max: int,
        payload_bytes_max: int,
        owner: str = "",
        program: str = sys.executable,
        start_seconds: float = _START_SECONDS_MAX,
    ) -> None:
        """Make no process yet.

        `program` is the Python that runs workers; `start_seconds` is how long one may take to come up, or to load
        the module of a task. `owner` stands in their environment.
        """
        self._place_of = place_of
        self._processes_max = processes_max
        self._payload_bytes_max = payload_bytes_max
        self._owner = owner
        self._program = program
        self._start_seconds = start_seconds
        self._folder = current_folder()
        self._lock = threading.Lock()
        self._orders: deque[Callable[[Crew], None]] = deque()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._wake_writer = -1
        self._crew: Crew | None = None
        self._swept: set[str] = set()
        """Owners whose workers were looked for already."""

    @property
    def process_ids(self) -> list[int]:
        """The process ids of the workers there are (for `doctor`, and to watch them)."""
        crew = self._crew
        return [] if crew is None else crew.process_ids

    def submit(self, work: Iterable[Work], done: Done, hear: Hear = hear_nothing) -> None:
        """Run attempts; see `Executor`."""
        items = tuple(work)
        ending = CLOSED
        try:
            if self._order(lambda crew: crew.submit(items, done, hear), begin=True):
                return
        except (OSError, RuntimeError) as error:
            ending = not_started(f"no thread can be had that looks after worker processes: {error}")
        for item in items:
            done(item.key, ending)

    def cancel(self, keys: Iterable[AttemptKey], *, reason: str) -> None:
        """Ask attempts to stop; see `Executor`. One that does not listen is killed after its grace."""
        wanted = tuple(keys)
        self._order(lambda crew: crew.cancel(wanted, reason))

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        """Drop endings; see `Executor`."""
        wanted = tuple(keys)
        self._order(lambda crew: crew.forget(wanted))

    def end_leftovers(self, owner: str, keys: Iterable[AttemptKey]) -> None:
        """Kill the workers that an owner who is gone may have left: stopped ones, say, where no system ends them."""
        del keys  # whatever it ran, all of its workers are to end
        if owner not in self._swept:
            self._swept.add(owner)
            kill_marked(os.fsencode(f"{_OWNER}={owner}"), [os.fsencode(WORKER_MARK)])

    def begin_to_close(self) -> None:
        """Take no more work, and ask every attempt to stop; see `Executor`. Workers that are free end."""
        with self._lock:
            self._closed = True  # before the order: no thread begins after that
        self._order(lambda crew: crew.close(NEVER))

    def close(self, *, grace_seconds: float) -> None:
        """Stop everything; see `Executor`. What had not ended by itself is reported as lost. May be called again."""
        with self._lock:
            self._closed = True
            thread = self._thread
        self._order(lambda crew: crew.close(grace_seconds))
        if thread is not None and thread is not threading.current_thread():
            thread.join(grace_seconds + _JOIN_MARGIN_SECONDS)

    def _order(self, order: Callable[[Crew], None], *, begin: bool = False) -> bool:
        """Have the thread do something; False where there is none, or none any more.

        Raises:
            OSError: the thread could not begin (or RuntimeError).
        """
        with self._lock:
            if self._thread is None:
                if self._closed or not begin:
                    return False
                self._begin()
            if self._wake_writer < 0:
                return False
            self._orders.append(order)
            if len(self._orders) == 1:
                os.write(self._wake_writer, b"\0")
        return True

    def _begin(self) -> None:
        settings = WorkerSettings(
            environment={**os.environ, _OWNER: self._owner, **dict([WORKER_MARK.split("=", 1)])},
            folder=self._folder,
            body_bytes_max=2 * self._payload_bytes_max + _OVERHEAD_BYTES,
            program=self._program,
            start_seconds=self._start_seconds,
        )
        reader, self._wake_writer = os.pipe()
        selector = selectors.DefaultSelector()
        selector.register(reader, selectors.EVENT_READ, partial(os.read, reader, 4_096))
        crew = Crew(
            selector,
            settings,
            self._place_of,
            processes_max=self._processes_max,
            payload_bytes_max=self._payload_bytes_max,
        )
        thread = threading.Thread(
            target=self._serve, args=(crew, selector, reader), name="orchestrator-processes", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            selector.close()
            os.close(reader)
            os.close(self._wake_writer)
            self._wake_writer = -1
            raise
        self._thread, self._crew = thread, crew

    def _serve(self, crew: Crew, selector: selectors.BaseSelector, reader: int) -> None:
        while not crew.gone:
            for key, _ in selector.select(crew.patience_seconds()):
                key.data()
            while self._orders:
                self._orders[0](crew)
                self._orders.popleft()  # after it: until then nobody needs to wake us
            crew.turn()
        with self._lock:
            os.close(self._wake_writer)
            self._wake_writer = -1
            orders, self._orders = self._orders, deque()
        for order in orders:
            order(crew)
        selector.close()
        os.close(reader)
