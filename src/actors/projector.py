"""The projector: keeps the views of the log, on a lane of its own, and lets nothing but the store hold it up.

It is nudged whenever this process appends, and looks by itself for what others append. A nudge is a hint: it may be
lost or doubled, for where to go on from stands in the store. While much is written it takes a batch now and then, so
that whoever writes is hardly disturbed; when little is, it takes what there is at once. While a history is read, so
that a run can be gone on with, it lets that be done first.
"""

from __future__ import annotations

from typing import ClassVar, Final

from actors.loader import Loading
from actors.messages import Grown, Project, Tick
from actors.runtime import Address, OnDeath, Runtime, RuntimeActor
from events.errors import ClosedError, OrchestratorError
from events.projections.engine import ProjectionEngine
from events.projections.telling import logger

PAUSE_SECONDS: Final = 0.2
"""How long to let more come together after a batch."""
RETRY_SECONDS: Final = 0.1
"""The wait after a failure; doubled each time."""
RETRY_SECONDS_MAX: Final = 5.0
GIVE_WAY_SECONDS: Final = 0.05
"""How long to let a history be read before looking again whether it still is."""
GIVE_WAY_TIMES_MAX: Final = 200
"""How often in a row; then views are kept all the same."""


class Nudge:
    """Tells the projector that the log has grown: once, until it has heard of it. Any thread may call it."""

    def __init__(self, projector: Address) -> None:
        self._projector = projector
        self._told = False

    def __call__(self) -> None:
        """Tell it."""
        if not self._told:
            self._told = True
            self._projector.tell(Grown)

    def heard(self) -> None:
        """Take note that it has been told, or may not have been."""
        self._told = False


class ProjectorActor(RuntimeActor):
    """Projects batch after batch. What the store refuses is tried again, for ever."""

    lane: ClassVar[str] = "projector"

    def __init__(
        self,
        runtime: Runtime,
        on_death: OnDeath,
        engine: ProjectionEngine,
        nudge: Nudge,
        loading: Loading,
        look_seconds: float,
    ) -> None:
        super().__init__(runtime, on_death)
        self._engine = engine
        self._nudge = nudge
        self._loading = loading
        self._gave_way = 0
        """How often in a row."""
        self._look_seconds = look_seconds
        self._failures = 0
        self._rests_until = 0.0
        """Before when there is no batch, so that more comes together."""
        self._is_due = False
        """Whether a batch is on its way."""

    def on_receive(self, message: object) -> None:
        """Handle one message."""
        if message is Grown:
            self._nudge.heard()
            self._project_soon()
        elif message is Project:
            self._project()
        else:  # Begin, or Tick: look whether we missed anything
            self._nudge.heard()
            self._is_due = False
            self.runtime.tell_later(self._look_seconds, self.actor_ref, Tick)
            self._project_soon()

    def _project_soon(self) -> None:
        if self._is_due:
            return
        self._is_due = True
        wait = self._rests_until - self.runtime.monotonic()
        if wait > 0:
            self.runtime.tell_later(wait, self.actor_ref, Project)
        else:
            self.actor_ref.tell(Project)

    def _project(self) -> None:
        self._is_due = False
        if self._gives_way():
            self._project_soon()
            return
        try:
            more = self._engine.step()
        except ClosedError:
            return
        except OrchestratorError as error:
            self._rest_after(error)
            return
        if self._failures:
            logger.info("views are kept again")
        self._failures = 0
        if more:
            self._rests_until = self.runtime.monotonic() + self._pause_seconds()
            self._project_soon()

    def _gives_way(self) -> bool:
        """Whether to let a history be read first: both want the interpreter's lock, and a run waits for that one."""
        if not self._loading.under_way:
            self._gave_way = 0
        elif self._gave_way < GIVE_WAY_TIMES_MAX:
            self._gave_way += 1
            self._rests_until = self.runtime.monotonic() + GIVE_WAY_SECONDS
            return True
        return False

    def _pause_seconds(self) -> float:
        """Return how long to rest after a batch: not at all where more has come together already."""
        return 0.0 if self._engine.is_behind else PAUSE_SECONDS

    def _rest_after(self, error: OrchestratorError) -> None:
        """Try again later, and longer later each time."""
        if not self._failures:
            logger.warning("views are not kept for now, and what they show is behind: %s", error)
        wait = min(RETRY_SECONDS * 2.0 ** min(self._failures, 10), RETRY_SECONDS_MAX)
        self._failures += 1
        self._rests_until = self.runtime.monotonic() + wait
        self._project_soon()
