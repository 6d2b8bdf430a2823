"""The engine of projections: pull a batch, fold it, write rows and checkpoint in one transaction.

Any number of engines, in any number of processes, may work on the same views: whoever finds a checkpoint moved gives
its batch up, so that each event counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from time import monotonic
from typing import Final

from events.errors import StoreError, UsageError, ViewDamagedError, ViewRowsError
from events.log.recorder import LAST
from events.log.store import EventLog
from events.projections.branch import Branch
from events.projections.checkpoints import Fault
from events.projections.projection import Event, Projection, check_projections
from events.projections.pulling import Pulled, Pulling
from events.projections.stages import Stages
from events.projections.telling import tell_damage, tell_fault

EVENTS_MAX: Final = 1_024
"""How many events go into one transaction, or a few more. Appends wait for it: larger ones take no less time in all."""
_IMPOSSIBLE: Final = "it changes what no event before it has brought about"
_WRITE_SECONDS: Final = 2.0
"""How long a batch waits for its turn to be written."""


class _OvertakenError(Exception):
    """Somebody else has moved the checkpoint: nothing of the batch is written."""


class _DamagedError(Exception):
    """The tables of a branch are not what was written to them."""

    def __init__(self, branch: Branch, error: ViewDamagedError) -> None:
        super().__init__(str(error))
        self.branch = branch
        self.of_rows = isinstance(error, ViewRowsError)


class ProjectionEngine:
    """Keeps the views of some projections over one log. Any thread may call any method; one at a time works.

    Args:
        log: the events. Its tables hold the views.
        projections: what is projected.
        events_max: how many events go into one transaction.

    """

    def __init__(self, log: EventLog, projections: Sequence[Projection], *, events_max: int = EVENTS_MAX) -> None:
        check_projections(projections)
        self._log = log
        self._tables = log.recorder.tables()
        self._pulling = Pulling(log, events_max)
        self.stages: Final = Stages(self._tables, projections)
        """Where each projection stands."""
        self._lock = RLock()
        self._those_behind_first = False
        self._mended: dict[str, int] = {}
        """Up to where each view had come when its tables were found damaged."""
        self.is_behind = False
        """Whether the latest batch was as large as one may be, so that more waits."""

    def step(self) -> bool:
        """Project one batch. Return whether there was one; where not, there is nothing left to do.

        Raises:
            StoreError: the store cannot be used now. Nothing was lost: step again later.
        """
        with self._lock:
            try:
                groups = self._groups()
                self._those_behind_first = not self._those_behind_first
                order = groups[::-1] if self._those_behind_first else groups
                return any(self._advance(group, groups) for group in order) or self._mend_those_beyond(groups)
            except StoreError:
                self.stages.forget()  # whether it was written is seen by the checkpoint
                raise

    def catch_up(self, position: int, *, timeout_seconds: float) -> int:
        """Project until every view holds at a position, or so much time has passed; return where all of them hold.

        Raises:
            StoreError: the store cannot be used now.
        """
        deadline = monotonic() + timeout_seconds
        while (reached := self._reached()) < position and monotonic() < deadline:
            if not self.step():  # there is no such position yet, or somebody else was faster
                return self._reached()
        return reached

    def _reached(self) -> int:
        """Return the position at which all live views hold."""
        rows = [row for row in self.stages.checkpoints.all() if row.name in self.stages.names and row.stage == "live"]
        return min((row.position for row in rows), default=0)

    def rebuild(self, names: Sequence[str] = ()) -> None:
        """Begin to make views anew, all or those of some names. The old ones answer until the new ones are there.

        Raises:
            UsageError: there is no view of such a name.
            StoreError: the store cannot be used now.
        """
        unknown = [name for name in names if name not in self.stages.names]
        if unknown:
            raise UsageError(f"there is no view {unknown[0]!r}; there are {', '.join(self.stages.names)}")
        with self._lock:
            for branch in self.stages.look():
                if branch.checkpoint.stage == "live" and (not names or branch.projection.name in names):
                    self.stages.begin_anew(branch.projection)

    def _groups(self) -> list[list[Branch]]:
        """Return the branches by where they stand, those that are ahead first."""
        branches = self.stages.look()
        positions = sorted({branch.checkpoint.position for branch in branches}, reverse=True)
        return [[branch for branch in branches if branch.checkpoint.position == at] for at in positions]

    def _advance(self, group: list[Branch], groups: list[list[Branch]]) -> bool:
        """Take a group one batch on, to where the next one stands at most: there they become one."""
        position = group[0].checkpoint.position
        ahead = [other[0].checkpoint.position for other in groups if other[0].checkpoint.position > position]
        pulled = self._pulling.after(position, min(ahead, default=LAST))
        if pulled.position > position:
            self.is_behind = bool(ahead) or pulled.is_full
            self._take(group, pulled)
            if self._log.recent is not None and not ahead:
                self._log.recent.forget(pulled.position)
        return self.stages.swap(self._log.last_position()) or pulled.position > position

    def _mend_those_beyond(self, groups: list[list[Branch]]) -> bool:
        """Make views anew that tell of events which are not there: the log is another one than they were made of."""
        if not groups or groups[0][0].checkpoint.position <= self._log.last_position():
            return False
        for branch in groups[0]:
            self._mend(branch, "it tells of events that are not in the log")
        return True

    def _mend(self, branch: Branch, problem: str) -> None:
        tell_damage(self._log.location, branch.projection.name, problem)
        self.stages.forget()
        self.stages.begin_anew(branch.projection, damaged=branch.checkpoint)

    def _take(self, group: Sequence[Branch], pulled: Pulled) -> None:
        for branch in group:
            for fault in pulled.faults:
                branch.set_aside(fault)
        try:
            try:
                self._write(group, pulled.events, pulled.position)
            except UsageError:  # something in it is of a kind that no table can hold
                self._take_apart(group, pulled, again=False)
            except _DamagedError as error:
                if not self._mended_before(error, pulled.position):
                    raise
                self._take_apart([error.branch], pulled, again=True)
        except _OvertakenError:
            self.stages.forget()
        except _DamagedError as error:
            self._mended[error.branch.projection.name] = pulled.position
            self._mend(error.branch, str(error))

    def _mended_before(self, error: _DamagedError, position: int) -> bool:
        """Whether a view was made anew because of the same place: then it is an event there that cannot be."""
        return error.of_rows and position <= self._mended.get(error.branch.projection.name, 0)

    def _write(self, group: Sequence[Branch], events: Sequence[Event], position: int) -> None:
        """Write a batch. What takes long is done before anybody else has to wait.

        Raises:
            UsageError: a value is none that a table can hold; nothing was written.
        """
        branch = group[0]
        try:
            plan = []
            for branch in group:
                plan.append((branch, branch.taken(events)))
            with self._tables.transaction(_WRITE_SECONDS) as session:
                for branch, written in plan:
                    if not branch.write(session, written, position):
                        raise _OvertakenError
        except ViewDamagedError as error:
            raise _DamagedError(branch, error) from error
        for branch in group:
            for fault in branch.moved(position):
                tell_fault(self._log.location, branch.projection.name, fault)

    def _take_apart(self, group: Sequence[Branch], pulled: Pulled, *, again: bool) -> None:
        """Write a batch in smaller and smaller parts, until it is known which event no table can hold.

        Where rows were found missing `again`, which event tells of what none before it has brought about.
        """
        for branch in group:
            branch.forget()
            for fault in pulled.faults:
                branch.set_aside(fault)
            parts = [pulled.events]
            while parts:
                part = parts.pop()
                last = pulled.position if not parts else part[-1].position
                try:
                    self._write([branch], part, last)
                except (UsageError, _DamagedError) as error:
                    if isinstance(error, _DamagedError) and not (again and error.of_rows):
                        raise
                    new = branch.forget()
                    half = len(part) // 2
                    reason = _IMPOSSIBLE if isinstance(error, _DamagedError) else str(error)
                    for fault in [*new, *([] if half else [Fault.of(part[0], reason)])]:
                        branch.set_aside(fault)
                    parts += [part[half:], part[:half]] if half else [part]
