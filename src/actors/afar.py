"""Control of parents that are not live here: decided on a view of them, inside the store's own transaction.

A parent's actor reads all of its record before it does anything, and follows the parent from then on. Somebody who
only wants a run of another process paused, changed or cancelled needs neither. No more is read before the decision
than it needs, so that it is on record soon, however long the record is; what else the caller is told is read then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import ClassVar, NamedTuple

from actors.intervening import MISSED_MAX
from actors.runtime import OnDeath, Runtime, RuntimeActor
from events.catalogue import type_name
from events.commands import CancelChild, Command, PrepareChildren
from events.errors import OrchestratorError, RunNotFoundError, StoreBusyError
from events.facts import Fact
from events.interventions import intervene
from events.log.drawing import End, end_of, joined, outlined, portrayed, sketched
from events.log.record import Recorded
from events.log.store import Decided, EventLog
from events.membership import Membership
from events.sketch import Outline, Portrait, Sketch, View
from events.state import ParentState

_TRIES_MAX = 20


class Standing(NamedTuple):
    """How a parent stands, without its children, and the position that holds at."""

    state: ParentState
    position: int


class _Known(NamedTuple):
    """A parent, its sketch, and up to where its stream was read for it."""

    parent_id: str
    sketch: Sketch
    end: End


class Control(NamedTuple):
    """To the controller: have commands decided, all or none; the reply says how the parent stands after them.

    They concern the parent as a whole, or one child, or children to be added: nobody need know all that there are.
    With `only_elsewhere` the reply is None, and nothing is done, where no other living process works on the parent.
    """

    parent_id: str
    commands: tuple[Command, ...]
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
        self._known: _Known | None = None
        """The latest parent that was asked of."""

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
        known, self._known = self._known, None  # not to be gone on from where anything goes wrong
        if known is not None and known.parent_id != message.parent_id:
            known = None
        for _ in range(_TRIES_MAX):
            view, end = self._view(message, known)
            judge = _Judge(view, message, self._works_elsewhere, end.at)
            done = self._log.decide(message.parent_id, view.version, judge.decide, missed_max=MISSED_MAX)
            if done is not None:
                return None if judge.declined else self._standing(message.parent_id, view, end, done)
            known = None
        where = f"{self._log.location}: run {message.parent_id!r}"
        raise StoreBusyError(f"{where} is written to faster than it can be read")

    def _view(self, message: Control, known: _Known | None) -> tuple[View, End]:
        """Return as much of a parent as the decision needs, and up to where its stream was read for it."""
        log, parent_id, commands = self._log, message.parent_id, message.commands
        if known is not None:
            base: Outline | Sketch = known.sketch
            end = known.end
        else:
            found = end_of(log, parent_id)
            if found is None:
                raise RunNotFoundError(f"there is no run {parent_id!r} in {log.location}")
            end = found
            base = outlined(log, parent_id, end)
        if any(isinstance(command, PrepareChildren) for command in commands):
            return joined(log, parent_id, end, base, _added(commands)), end
        if isinstance(base, Outline):
            if all(base.suffices(command) for command in commands):
                return base, end
            base = sketched(log, parent_id, end)
        for command in commands:
            if isinstance(command, CancelChild):
                return portrayed(log, parent_id, end, base, command.child_id), end
        return base, end

    def _standing(self, parent_id: str, view: View, end: End, done: Decided) -> Standing:
        """Return how a parent stands after a decision, and remember what was read of it."""
        sketch = view.sketch if isinstance(view, Portrait) else view.base if isinstance(view, Membership) else view
        if isinstance(sketch, Sketch):
            for fact in done.facts:
                sketch.add_fact(type_name(fact), fact)
            at = [fact.at for fact in (*(record.fact for record in done.missed), *done.facts)]
            end = End(sketch.version, done.position or end.position, at[-1] if at else end.at)
        else:
            end = end_of(self._log, parent_id) or end
            sketch = sketched(self._log, parent_id, end)
        self._known = _Known(parent_id, sketch, end)
        return Standing(sketch.state, end.position)


def _added(commands: Sequence[Command]) -> list[str]:
    """Return the ids of the children that are to be added."""
    return [
        child.child_id for command in commands if isinstance(command, PrepareChildren) for child in command.children
    ]


class _Judge:
    """Decides one message's commands on a view of a parent and what was missed since it was read."""

    def __init__(
        self, view: View, message: Control, works_elsewhere: Callable[[ParentState], bool], latest: int
    ) -> None:
        """`latest` is the time of the latest fact that was read, in microseconds since 1970."""
        self._view = view
        self._latest = latest
        self._message = message
        self._works_elsewhere = works_elsewhere
        self.declined = False

    def decide(self, missed: Sequence[Recorded]) -> Sequence[Fact]:
        """Return what is to be appended."""
        for record in missed:
            self._view.add_fact(record.type, record.fact)
        state = self._view.state
        if self._message.only_elsewhere and not self._works_elsewhere(state):
            self.declined = True
            return ()
        earliest = max((record.fact.at for record in missed), default=self._latest)
        done = intervene(state, [self._message.commands], earliest)
        for error in done.refused.values():
            raise error
        return done.facts
