"""Parallel tasks with a memory: fan out, record every fact, decide by one rule, go on after a crash."""

from actors.executors.context import CurrentChild
from actors.observers import ParentFinished, RunHalted
from events.errors import (
    ClosedError,
    ContentConflictError,
    DeadlineExceededError,
    InvalidPayloadError,
    InvalidPlanError,
    LimitExceededError,
    MissingExtraError,
    NotAStoreError,
    OrchestratorError,
    OwnershipLostError,
    RunHaltedError,
    RunNotFoundError,
    RunOwnedError,
    StepOrderError,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreNotFoundError,
    StoreUnavailableError,
    StoreVersionError,
    UnknownTaskError,
    UsageError,
)
from events.limits import Limits
from events.views import ChildView, Counts, RunStatus
from orchestrator.definition import Child, Parallel, Retry, Threshold
from orchestrator.messages import CancelRun, RunRefused, StartRun
from orchestrator.orchestrator import Orchestrator
from orchestrator.queries import HistoryEvent
from orchestrator.run import Result, Run
from orchestrator.tasks import Task, TaskRegistry, current_child, task

__version__ = "0.1.0"

__all__ = [
    "CancelRun",
    "Child",
    "ChildView",
    "ClosedError",
    "ContentConflictError",
    "Counts",
    "CurrentChild",
    "DeadlineExceededError",
    "HistoryEvent",
    "InvalidPayloadError",
    "InvalidPlanError",
    "LimitExceededError",
    "Limits",
    "MissingExtraError",
    "NotAStoreError",
    "Orchestrator",
    "OrchestratorError",
    "OwnershipLostError",
    "Parallel",
    "ParentFinished",
    "Result",
    "Retry",
    "Run",
    "RunHalted",
    "RunHaltedError",
    "RunNotFoundError",
    "RunOwnedError",
    "RunRefused",
    "RunStatus",
    "StartRun",
    "StepOrderError",
    "StoreBusyError",
    "StoreDamagedError",
    "StoreError",
    "StoreFullError",
    "StoreNotFoundError",
    "StoreUnavailableError",
    "StoreVersionError",
    "Task",
    "TaskRegistry",
    "Threshold",
    "UnknownTaskError",
    "UsageError",
    "current_child",
    "task",
]
