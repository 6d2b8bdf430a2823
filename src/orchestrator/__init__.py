"""Parallel tasks with a memory: fan out, record every fact, decide by one rule, go on after a crash.

Names are imported when they are first used, so that a command that needs little starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from actors.executors.context import CurrentChild
    from actors.observers import ParentFinished, RunHalted
    from events.errors import (
        ChildrenFailedError,
        ClosedError,
        ContentConflictError,
        DeadlineExceededError,
        InvalidPayloadError,
        InvalidPlanError,
        KeyNotFoundError,
        LimitExceededError,
        MissingExtraError,
        NotAStoreError,
        OrchestratorError,
        OwnershipLostError,
        RedactedError,
        RunDroppedError,
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
    from orchestrator.batching import batches
    from orchestrator.definition import Child, Parallel, Retry, Threshold, Throttle
    from orchestrator.messages import CancelRun, PauseRun, RedriveRun, ResumeRun, RunRefused, StartRun, UpdateRun
    from orchestrator.orchestrator import Orchestrator
    from orchestrator.queries import HistoryEvent
    from orchestrator.result import Result
    from orchestrator.retention import Archive
    from orchestrator.run import Run
    from orchestrator.secret_ref import SecretRef
    from orchestrator.tasks import Task, TaskRegistry, current_child, task

__version__ = "0.1.0"

__all__ = [
    "Archive",
    "CancelRun",
    "Child",
    "ChildView",
    "ChildrenFailedError",
    "ClosedError",
    "ContentConflictError",
    "Counts",
    "CurrentChild",
    "DeadlineExceededError",
    "HistoryEvent",
    "InvalidPayloadError",
    "InvalidPlanError",
    "KeyNotFoundError",
    "LimitExceededError",
    "Limits",
    "MissingExtraError",
    "NotAStoreError",
    "Orchestrator",
    "OrchestratorError",
    "OwnershipLostError",
    "Parallel",
    "ParentFinished",
    "PauseRun",
    "RedactedError",
    "RedriveRun",
    "Result",
    "ResumeRun",
    "Retry",
    "Run",
    "RunDroppedError",
    "RunHalted",
    "RunHaltedError",
    "RunNotFoundError",
    "RunOwnedError",
    "RunRefused",
    "RunStatus",
    "SecretRef",
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
    "Throttle",
    "UnknownTaskError",
    "UpdateRun",
    "UsageError",
    "batches",
    "current_child",
    "task",
]

_HOMES: Final = {
    "actors.executors.context": ("CurrentChild",),
    "actors.observers": (
        "ParentFinished",
        "RunHalted",
    ),
    "events.errors": (
        "ChildrenFailedError",
        "ClosedError",
        "ContentConflictError",
        "DeadlineExceededError",
        "InvalidPayloadError",
        "InvalidPlanError",
        "KeyNotFoundError",
        "LimitExceededError",
        "MissingExtraError",
        "NotAStoreError",
        "OrchestratorError",
        "OwnershipLostError",
        "RedactedError",
        "RunDroppedError",
        "RunHaltedError",
        "RunNotFoundError",
        "RunOwnedError",
        "StepOrderError",
        "StoreBusyError",
        "StoreDamagedError",
        "StoreError",
        "StoreFullError",
        "StoreNotFoundError",
        "StoreUnavailableError",
        "StoreVersionError",
        "UnknownTaskError",
        "UsageError",
    ),
    "events.limits": ("Limits",),
    "events.views": (
        "ChildView",
        "Counts",
        "RunStatus",
    ),
    "orchestrator.batching": ("batches",),
    "orchestrator.definition": (
        "Child",
        "Parallel",
        "Retry",
        "Threshold",
        "Throttle",
    ),
    "orchestrator.messages": (
        "CancelRun",
        "PauseRun",
        "RedriveRun",
        "ResumeRun",
        "RunRefused",
        "StartRun",
        "UpdateRun",
    ),
    "orchestrator.orchestrator": ("Orchestrator",),
    "orchestrator.queries": ("HistoryEvent",),
    "orchestrator.result": ("Result",),
    "orchestrator.retention": ("Archive",),
    "orchestrator.run": ("Run",),
    "orchestrator.secret_ref": ("SecretRef",),
    "orchestrator.tasks": (
        "Task",
        "TaskRegistry",
        "current_child",
        "task",
    ),
}
_HOME_OF: Final = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
