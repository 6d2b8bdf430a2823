"""What one listener is yet to hear. It is told on a thread of its own, so that nothing it does can hold up a run."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from actors.executors.work import Ending
from events.strategy import Outcome

logger: Final = logging.getLogger("orchestrator")


@dataclass(frozen=True, slots=True)
class EndedChild:
    """To a listener: a child has an outcome, and that is on record."""

    child_id: str
    index: int
    outcome: Outcome
    attempt: int
    ending: Ending | None
    """What the executor said; None where the child ended without one."""
    error: str | None = None
    """What went wrong where no executor said it, as on record."""


class Listener(Protocol):
    """Hears of a parent, on a thread that all listeners of an orchestrator share. One that raises hears no more."""

    def children_ended(self, ended: Sequence[EndedChild]) -> None:
        """Hear of outcomes that were put on record since the last time."""

    def changed(self) -> None:
        """Hear that the state is a new one, or that the parent was halted."""


class Hearing:
    """One listener, and what waits for it. `put` is for the parent's actor, `deliver` for the listeners' thread.

    An outcome is put down before the flag is looked at, and the flag is lowered before outcomes are taken, so none is
    ever left lying without a message on its way.
    """

    def __init__(self, parent_id: str, listener: Listener, tell: Callable[[Hearing], object], backlog_max: int) -> None:
        self._parent_id = parent_id
        self._listener = listener
        self._tell = tell
        self._backlog_max = backlog_max
        self._waiting: deque[EndedChild] = deque()
        self._told = False
        self.over = False
        """Whether the listener is told nothing any more."""

    def put(self, ended: Sequence[EndedChild]) -> None:
        """Have the listener hear of a new state, and of these children."""
        if self.over:
            _close(ended)
            return
        self._waiting.extend(ended)
        if len(self._waiting) > self._backlog_max:
            logger.error(
                "a listener to run %r hears no more: over %d ended children wait for it (limit listener_backlog_max)",
                self._parent_id,
                self._backlog_max,
            )
            self._end()
        elif not self._told:
            self._told = True
            self._tell(self)

    def deliver(self) -> None:
        """Let the listener hear what waits. Whatever it raises is its own affair."""
        self._told = False
        ended: list[EndedChild] = []
        while self._waiting:
            ended.append(self._waiting.popleft())
        if self.over:
            _close(ended)
            return
        try:
            if ended:
                self._listener.children_ended(ended)
            self._listener.changed()
        except BaseException as error:
            logger.error("a listener to run %r hears no more: it raised %r", self._parent_id, error, exc_info=error)
            self._end()

    def _end(self) -> None:
        self.over = True
        while self._waiting:
            _close([self._waiting.popleft()])


def _close(ended: Sequence[EndedChild]) -> None:
    """Close what was printed and nobody will show."""
    for child in ended:
        if child.ending is not None and child.ending.raw is not None:
            child.ending.raw.close()
