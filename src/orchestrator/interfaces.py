"""The interfaces a workflow engine programs against, as typed Protocols. `Orchestrator` implements all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from events.payload import Json
from events.strategy import Outcome, Status
from events.views import RunStatus, StrategyView
from orchestrator.definition import Child, Parallel
from orchestrator.run import Run


@dataclass(frozen=True, slots=True)
class ChildrenMetadata:
    """What is known of a parent's children as a whole."""

    count: int
    strategy: StrategyView
    max_workers: int
    custom: Mapping[str, Json]
    """The caller's own `metadata`."""


@dataclass(frozen=True, slots=True)
class Response:
    """How a child went that the engine ran by itself: `output` or `error` is any JSON value."""

    outcome: Outcome
    output: Json = None
    error: Json = None


@runtime_checkable
class TaskOrchestrator(Protocol):
    """Takes one parallel task through its life."""

    @property
    def task_type(self) -> str:
        """What kind of task this orchestrates."""

    def create_state(self, parallel: Parallel, *, id: str | None = None) -> RunStatus:  # noqa: A002
        """Put a parent on record, without children."""

    def prepare_execution(self, id: str) -> Run:  # noqa: A002
        """Begin to run the children that were created."""

    def handle_response(self, id: str, child_id: str, response: Response) -> RunStatus:  # noqa: A002
        """Put on record how a child went that the engine ran by itself."""


@runtime_checkable
class ChildTaskManager(Protocol):
    """Brings children into being, in two steps."""

    def prepare_children(self, id: str, children: Sequence[Child]) -> RunStatus:  # noqa: A002
        """Put children on record. Idempotent."""

    def create_children(self, id: str) -> RunStatus:  # noqa: A002
        """Release all prepared children, in index order, and close the membership. All or nothing."""

    def get_children_metadata(self, id: str) -> ChildrenMetadata:  # noqa: A002
        """Return count, strategy, max_workers and the caller's own fields."""


@runtime_checkable
class StatusAggregator(Protocol):
    """Computes a parent's status from its children, by the one rule."""

    def calculate_status(self, id: str) -> Status:  # noqa: A002
        """Return the status that follows from what is on record."""

    def should_update_status(self, id: str, known: Status) -> bool:  # noqa: A002
        """Return whether the status differs from the one the engine knows."""
