"""`Orchestrator.views`: how far the views have come, waiting for them, reading them, making them anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic, sleep
from typing import Any, Final

from events.errors import DeadlineExceededError, StoreError, UsageError, ViewDamagedError
from events.log.store import EventLog
from events.projections.engine import ProjectionEngine
from events.projections.standing import Standing, standings
from orchestrator import given

_LOOK_SECONDS: Final = 0.005
"""How often somebody who waits looks, where there is nothing to do for him."""


class Views:
    """The views of a store: tables made of its events alone. Any thread may call any method.

    All methods raise a StoreError where the store cannot be used.
    """

    def __init__(self, log: EventLog, engine: ProjectionEngine, now: Callable[[], int]) -> None:
        self._log = log
        self._engine = engine
        self._now = now

    def standings(self) -> list[Standing]:
        """Return how far each view has come, and how far it is behind the log."""
        return standings(self._log, self._engine.stages.checkpoints, self._now())

    def wait_for(self, position: int | None = None, *, timeout: float = 60.0) -> int:
        """Wait until every view holds at a position of the log, or at its end as it is now; return the position.

        So you read what you have just written: wait, then read.

        Raises:
            DeadlineExceededError: they had not come so far within `timeout` seconds.
        """
        seconds = given.seconds(timeout, "wait_for: timeout")
        wanted = given.whole(position, "a position", 2**63 - 1)
        wanted = self._log.last_position() if wanted is None else wanted
        deadline = monotonic() + seconds
        while (reached := self._engine.catch_up(wanted, timeout_seconds=deadline - monotonic())) < wanted:
            if monotonic() >= deadline:
                text = f"the views hold at position {reached}, and not at {wanted}, after {seconds:g} s"
                raise DeadlineExceededError(text)
            sleep(_LOOK_SECONDS)  # nobody has appended it yet, or somebody else is about to take it
        return reached

    def read(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one SELECT statement over the views' tables, with `?` for each value, and return its rows.

        Nothing can be written so. Tables are named `view_` and the name that the projection gives them.

        Raises:
            UsageError: it is not one SELECT statement that the database takes; the message has the database's words.
            ViewDamagedError: a table that it names is not there yet, or was altered. It is made anew by itself.
        """
        given.text(statement, "views.read: a statement")
        if statement.split(None, 1)[:1] not in (["SELECT"], ["select"]):
            raise UsageError("views are read by a SELECT statement")
        tables = self._log.recorder.tables()
        try:
            return tables.read(statement, values)
        except (StoreError, UsageError) as error:
            words = tables.slip(error)
            if words is None or (isinstance(error, ViewDamagedError) and self._is_of_a_damaged_one(statement)):
                raise
            raise UsageError(f"views.read: {words}") from error

    def _is_of_a_damaged_one(self, statement: str) -> bool:
        """Whether a statement names a table that is not as it should be, so that the slip is not the caller's."""
        asked = statement.lower()
        return any(name.lower() in asked for name in self._engine.stages.misfits())

    def rebuild(self, *names: str) -> None:
        """Begin to make views anew from the first event on: those of some names, or all. The old ones answer meanwhile.

        Raises:
            UsageError: there is no view of such a name.
        """
        self._engine.rebuild(names)
