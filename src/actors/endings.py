"""Where executors leave the endings of one parent's attempts: any number of them, one message."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping

from actors.executors.work import AttemptKey, Ending, Progress
from events.commands import Command, FinishAttempt, LoseAttempt, RecordLateEnding, ReportProgress
from events.decide import Turn
from events.decide_attempts import Finish


class Endings:
    """Endings on their way from executors' threads to a parent's actor.

    `tell` is called when the first one arrives after a `take`; those that arrive until the next `take` go along
    unannounced. An ending is put down before the flag is looked at, and the flag is lowered before endings are
    taken, so none is ever left lying without a message on its way.
    """

    def __init__(self, tell: Callable[[Endings], object]) -> None:
        self._tell = tell
        self._told = False
        self._arrived: deque[tuple[AttemptKey, Ending]] = deque()
        self._progress: dict[AttemptKey, Progress] = {}
        """The latest that each attempt said: as many as there are attempts, however often they say something."""
        self.late = False
        """Whether a late ending lies here, which may have come when nobody takes endings any more."""

    def put(self, key: AttemptKey, ending: Ending) -> None:
        """Leave an ending; from any thread."""
        self._arrived.append((key, ending))
        self.late = self.late or ending.late
        if ending.late or not self._told:
            self._told = True
            self._tell(self)

    def hear(self, key: AttemptKey, progress: Progress) -> None:
        """Leave how far an attempt is; from any thread."""
        self._progress[key] = progress
        if not self._told:
            self._told = True
            self._tell(self)

    def tell_again(self) -> None:
        """Announce what lies here once more: whoever was told may not have heard."""
        if self._arrived or self._progress:
            self._told = True
            self._tell(self)

    def take(self) -> dict[AttemptKey, Ending]:
        """Take what has arrived; for the parent's actor."""
        self._told = self.late = False
        arrived = self._arrived
        taken: dict[AttemptKey, Ending] = {}
        while arrived:
            key, ending = arrived.popleft()
            if not ending.late or key not in taken:
                taken[key] = ending
        return taken

    def take_progress(self) -> dict[AttemptKey, Progress]:
        """Take how far attempts are, the latest that each one said."""
        progress = self._progress
        taken: dict[AttemptKey, Progress] = {}
        while progress:
            key, said = progress.popitem()
            taken[key] = said
        return taken


def joined(first: Mapping[AttemptKey, Ending], then: Mapping[AttemptKey, Ending]) -> dict[AttemptKey, Ending]:
    """Return endings that came first and such that came then. A late one never takes the place of the one before."""
    if not first:
        return {**then}
    return {**first, **{key: ending for key, ending in then.items() if not ending.late or key not in first}}


def progress_commands(said: Mapping[AttemptKey, Progress], now: int) -> Iterator[Command]:
    """Yield the commands that report how far attempts are."""
    for key, progress in said.items():
        yield ReportProgress(
            at=now, child_id=key.child_id, attempt=key.attempt, progress=progress.part, message=progress.message
        )


def take_ending(turn: Turn, key: AttemptKey, ending: Ending, now: int) -> None:
    """Decide an ending. Raises the StoreError that keeps it from being put on record."""
    if ending.outcome is None or ending.late or ending.trouble is not None:
        turn.take(ending_command(key, ending, now))
        return
    output = ending.output if ending.output_file is None else None
    turn.finish(
        Finish(
            now,
            key.child_id,
            key.attempt,
            ending.outcome,
            output,
            ending.error,
            ending.output_file,
            ending.error_file,
        )
    )


def ending_command(key: AttemptKey, ending: Ending, now: int) -> Command:
    """Return the command that reports an ending. Raises the StoreError that keeps it from being put on record."""
    if ending.trouble is not None:
        raise ending.trouble
    if ending.outcome is None:
        return LoseAttempt(
            at=now,
            child_id=key.child_id,
            attempt=key.attempt,
            reason=ending.lost or "unknown",
            signal=ending.signal,
            exit_code=ending.exit_code,
        )
    return (RecordLateEnding if ending.late else FinishAttempt)(
        at=now,
        child_id=key.child_id,
        attempt=key.attempt,
        outcome=ending.outcome,
        output=ending.output if ending.output_file is None else None,
        error=ending.error,
        output_file=ending.output_file,
        error_file=ending.error_file,
    )
