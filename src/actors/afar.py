"""Control of parents that are not live here: decided on a sketch of them, inside the store's own transaction.

A parent's actor reads all of its record before it does anything, and follows the parent from then on. Somebody who
only wants a run of another process paused, changed or cancelled needs neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import ClassVar, NamedTuple

from actors.intervening import MISSED_MAX
from actors.runtime import OnDeath, Runtime, RuntimeActor
from events.commands import Command
from events.errors import OrchestratorError, RunNotFoundError, StoreBusyError
from events.facts import Fact
from events.interventions import intervene
from events.log.reading import decoded
from events.log.record import Recorded
from events.log.store import EventLog
from events.sketch import WHOLE_NAMES, Sketch
from events.state import ParentState

_TRIES_MAX = 20
_ROWS = 10_000


class Standing(NamedTuple):
    """How a parent stands, without its children, and the position that holds at."""

    state: ParentState
    position: int


class Control(NamedTuple):
    """To the controller: have a command decided that concerns the parent alone; the reply says how it then stands.

    With `only_elsewhere` the reply is None, and nothing is done, where no other living process works on the parent.
    """

    parent_id: str
    command: Command
    only_elsewhere: bool
    reply: Future[Standing | None]


class ControllerActor(RuntimeActor):
    """Decides what is asked of parents that others work on. Shares the loader's lane: reading may take a while."""

    lane: ClassVar[str] = "loader"

    def __init__(
        self, runtime: Runtime, on_death: OnDeath, log: EventLog, works_elsewhere: Callable[[ParentState], bool]
    ) -> None:
        super().__init__(runtime, on_death)
        self._log = log
        self._works_elsewhere = works_elsewhere
        self._known: tuple[str, Sketch, int] | None = None
        """The latest parent that was asked of, its sketch, and the position that holds at."""

    def on_receive(self, message: object) -> None:
        """Handle one message."""
        if not isinstance(message, Control):
            return
        try:
            standing = self._decide(message)
        except OrchestratorError as error:
            with suppress(InvalidStateError):
                message.reply.set_exception(error)
        else:
            with suppress(InvalidStateError):  # whoever waited has been told that we close
                message.reply.set_result(standing)

    def reject(self, message: object) -> None:
        """Tell who asked that the controller failed over it."""
        if isinstance(message, Control):
            with suppress(InvalidStateError):
                message.reply.set_exception(StoreBusyError("the controller failed over the request; try again"))

    def die(self, error: BaseException) -> None:
        """Live on: nothing here can be spoiled, and others hold this very reference."""
        self.runtime.report(self, error)

    def _decide(self, message: Control) -> Standing | None:
        known, sketch, position = self._known or ("", Sketch(), 0)
        self._known = None  # not to be gone on from where anything goes wrong
        if known != message.parent_id:
            sketch, position = Sketch(), 0
        latest = 0
        for _ in range(_TRIES_MAX):
            row = None
            for row in self._log.rows(message.parent_id, after_version=sketch.version, batch=_ROWS):
                if row.type in WHOLE_NAMES:
                    sketch.add_fact(row.type, decoded(row, self._log.catalogue, self._log.location))
                else:
                    sketch.add_row(row.type, row.data)
                position = row.position
            if row is not None:
                latest = decoded(row, self._log.catalogue, self._log.location).at
            if not sketch.version:
                raise RunNotFoundError(f"there is no run {message.parent_id!r} in {self._log.location}")
            judge = _Judge(sketch, message, self._works_elsewhere, latest)
            done = self._log.decide(message.parent_id, sketch.version, judge.decide, missed_max=MISSED_MAX)
            if done is not None:
                position = max((record.position for record in done.missed), default=position)
                self._known = (message.parent_id, sketch, position)
                return None if judge.declined else Standing(judge.state, done.position or position)
        where = f"{self._log.location}: run {message.parent_id!r}"
        raise StoreBusyError(f"{where} is written to faster than it can be read")


class _Judge:
    """Decides one command on a sketch and what was missed since it was drawn."""

    def __init__(
        self, sketch: Sketch, message: Control, works_elsewhere: Callable[[ParentState], bool], latest: int
    ) -> None:
        """`latest` is the time of the latest fact that was read, in microseconds since 1970, as far as it is known."""
        self._sketch = sketch
        self._latest = latest
        self._message = message
        self._works_elsewhere = works_elsewhere
        self.declined = False
        self.state = sketch.state

    def decide(self, missed: Sequence[Recorded]) -> Sequence[Fact]:
        """Return what is to be appended."""
        for record in missed:
            self._sketch.add_fact(record.type, record.fact)
        self.state = self._sketch.state
        if self._message.only_elsewhere and not self._works_elsewhere(self.state):
            self.declined = True
            return ()
        earliest = max((record.fact.at for record in missed), default=self._latest)
        done = intervene(self.state, [(self._message.command,)], earliest)
        for error in done.refused.values():
            raise error
        self.state = done.state
        return done.facts
