"""How a run stood when it was decided, or settled: what its children returned, and what went wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

from events.errors import ChildrenFailedError
from events.payload import Json
from events.strategy import Status
from events.views import Counts, RunStatus
from orchestrator import reading

if TYPE_CHECKING:
    from orchestrator.engine import Engine


class Result:
    """How a run stood when it was decided (from `result`) or settled (from `settle`).

    `outputs` and `errors` are read from the log when first asked for: by child id, in index order, for the
    children that had ended by then. An error is an object with `type` and `message`, and more where there is more.
    """

    def __init__(self, engine: Engine, view: RunStatus) -> None:
        self._engine = engine
        self.view: Final = view
        """The whole status at that moment."""

    @property
    def id(self) -> str:
        """The run's id."""
        return self.view.id

    @property
    def status(self) -> Status:
        """The run's status."""
        return self.view.status

    @property
    def counts(self) -> Counts:
        """How many children were where."""
        return self.view.counts

    @property
    def outputs(self) -> Mapping[str, Any]:
        """What children returned, by child id, in index order; of the type that the task's annotation says.

        It is plain JSON where the task has no annotation, or is not known in this process. Children that succeeded
        are here, whatever became of the run.

        Raises:
            InvalidPayloadError: an output does not fit the task's annotation, which has changed since.
            StoreDamagedError: an output lies in a file that is missing or altered.
        """
        return self._payloads[0]

    @property
    def errors(self) -> Mapping[str, Json]:
        """What went wrong with children that did not succeed, by child id, in index order."""
        return self._payloads[1]

    def raise_for_status(self) -> Self:
        """Return this result where the run succeeded.

        Raises:
            ChildrenFailedError: it did not. It carries the error of every child that ended with one.
        """
        if self.status != "succeeded":
            raise ChildrenFailedError(self.id, self.status, self.errors)
        return self

    @cached_property
    def _payloads(self) -> tuple[Mapping[str, Any], Mapping[str, Json]]:
        return reading.payloads(self._engine.log, self.view.id, self.view.position, self._engine.tasks)

    def __repr__(self) -> str:
        return f"<result of {self.id!r}: {self.status}, {self.counts.succeeded} of {self.counts.total} succeeded>"
