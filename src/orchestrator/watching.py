"""`Run.watch`: live statuses of a run, whoever works on it, and through times in which its store is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

from actors.runtime import logger
from events.errors import DeadlineExceededError, StoreBusyError, StoreError, StoreUnavailableError
from events.views import RunStatus

if TYPE_CHECKING:
    from orchestrator.engine import Engine

WATCH_SECONDS: Final = 0.25
"""How often a status is yielded at most."""
_RETRY_SECONDS: Final = 0.1
"""The wait before a store that is away is asked again; doubled each time."""
_RETRY_SECONDS_MAX: Final = 1.0
_AWAY: Final = (StoreBusyError, StoreUnavailableError)
"""What a store says that may be back soon: it is locked, cannot be read, or its server is gone."""

T = TypeVar("T")


class Watch:
    """Watches one run until it is settled."""

    def __init__(self, engine: Engine, run_id: str, seconds: float) -> None:
        """Watch for so many seconds."""
        self._engine = engine
        self._run_id = run_id
        self._seconds = seconds
        self._deadline = engine.runtime.monotonic() + seconds

    def statuses(
        self, status: Callable[[], RunStatus], change: Callable[[int, float], RunStatus | None]
    ) -> Iterator[RunStatus]:
        """Yield the status now and whenever it has changed.

        `change` waits for another version than one, no longer than some seconds, and returns None where there is none.

        Raises:
            DeadlineExceededError: the run was not settled in time.
        """
        monotonic = self._engine.runtime.monotonic
        view = self._patiently(status)
        while True:
            yield view
            if view.settled:
                return
            due = monotonic() + WATCH_SECONDS
            view = self._next(view.version, change)
            if not view.settled and due > monotonic():
                self._engine.pause(due - monotonic())
                view = self._patiently(status)

    def _next(self, version: int, change: Callable[[int, float], RunStatus | None]) -> RunStatus:
        while True:
            view = self._patiently(lambda: change(version, self._left()))
            if view is not None:
                return view
            if self._left() <= 0:
                raise self._too_late()

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask until the store answers; say once that it does not, and once that it does again."""
        wait = 0.0
        while True:
            try:
                answer = ask()
            except _AWAY as error:
                if self._left() <= 0:
                    raise self._too_late(error) from error
                if not wait:
                    logger.warning("run %r cannot be watched for now, which is tried again: %s", self._run_id, error)
                wait = min(2 * wait or _RETRY_SECONDS, _RETRY_SECONDS_MAX)
                self._engine.pause(max(0.0, min(wait, self._left())))
            else:
                if wait:
                    logger.warning("run %r is watched again", self._run_id)
                return answer

    def _left(self) -> float:
        return self._deadline - self._engine.runtime.monotonic()

    def _too_late(self, error: StoreError | None = None) -> DeadlineExceededError:
        why = "" if error is None else f"; its store cannot be read: {error}"
        late = f"run {self._run_id!r} was not settled within {self._seconds:g} s; it goes on"
        return DeadlineExceededError(f"{late}{why}")
