"""What an executor is given and what it gives back: plain frozen data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from events.errors import StoreError
from events.payload_files import PayloadRef
from events.strategy import Outcome


class AttemptKey(NamedTuple):
    """One execution of one child."""

    parent_id: str
    child_id: str
    attempt: int


class Work(NamedTuple):
    """One attempt to run: the task by its stored name, its input as JSON text."""

    key: AttemptKey
    place: int
    """The child's index in the parent."""
    task: str
    input: str
    timeout_seconds: float | None = None
    """How long it may run: what its own limit and the child's whole time leave of it."""
    timeout_name: str = "timeout"
    """Which of the two limits that is, for messages: `timeout` or `total_timeout`."""
    heartbeat_timeout_seconds: float | None = None
    """How long it may run without a heartbeat."""
    grace_seconds: float | None = None
    """How long it has to end by itself once it was asked to stop; what the executor thinks fit when None."""
    input_file: PayloadRef | None = None
    """Where its input lies that is too large for `input`, which is empty then. No executor sees that: it is read first.
    """
    secrets: tuple[str, ...] = ()
    """Where in its input names of secrets stand. No executor sees those either: they are replaced first."""
    again: int = 0
    """How often the child was put back after a failure, by retries and redrives."""

    @property
    def timed_out(self) -> str:
        """What is said of an attempt that ran for too long."""
        seconds = self.timeout_seconds or 0.0
        if self.timeout_name == "timeout":
            return f"ran longer than its timeout of {seconds:g} s"
        return f"ran longer than the {seconds:g} s that were left of its {self.timeout_name}"

    depth: int | None = None
    """How many levels down a nested parent would be that this child is."""


class Ending(NamedTuple):
    """How an attempt ended. `lost` is the reason where its outcome is unknown (`outcome` is then None)."""

    outcome: Outcome | None
    output: str | None = None
    error: str | None = None
    lost: str | None = None
    raw: Any = None
    """What the attempt printed, for the one who shows it (`CapturedOutput`); never recorded."""
    signal: str | None = None
    """Where it was lost because its own worker died: the name of the signal that killed the worker."""
    exit_code: int | None = None
    """Where it was lost because its own worker ended by itself: the worker's exit status."""
    output_file: PayloadRef | None = None
    """Where its output lies as well, that is too large to be put on record itself."""
    error_file: PayloadRef | None = None
    """Where the whole error lies of which `error` is the head."""
    trouble: StoreError | None = None
    """Why a payload could not be read or kept, so that the run cannot go on; `lost` says so too."""
    late: bool = False
    """Whether the attempt had been given up, and its ending reported, before it came to this one."""


class Progress(NamedTuple):
    """How far a running attempt says that it is: a part from 0 to 1, a few words, or both."""

    part: float | None = None
    message: str | None = None


Done = Callable[[AttemptKey, Ending], None]
"""Called from any thread, once per attempt (again when the same work is submitted again after it ended, and once more
with a late ending)."""

Hear = Callable[[AttemptKey, Progress], None]
"""Called from any thread, as often as a running attempt tells how far it is."""


def hear_nothing(_: AttemptKey, __: Progress) -> None:
    """Take what nobody wants to hear."""


class Executor(Protocol):
    """Runs work outside all actors. Every ending of user code becomes an `Ending`; nothing is raised."""

    def submit(self, work: Iterable[Work], done: Done, hear: Hear = hear_nothing) -> None:
        """Run attempts. Idempotent by key: one that runs goes on, one that ended reports its ending once more."""

    def cancel(self, keys: Iterable[AttemptKey], *, reason: str) -> None:
        """Ask attempts to stop; unknown keys are ignored. Endings are reported through `done` as ever."""

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        """Drop what is kept of these attempts: their endings are on record. Only then a late ending may be reported."""

    def close(self, *, grace_seconds: float) -> None:
        """Stop everything that runs, by force after the grace period, and give back all threads and processes."""


class PoliteExecutor(Executor, Protocol):
    """An executor that can be told that it is about to be closed, so that several share the time that takes."""

    def begin_to_close(self) -> None:
        """Take no more work, and ask every attempt to stop. Waits for nothing, and forces none: `close` is to follow.

        May be called again.
        """
