"""Parallel tasks with a memory: fan out, record every fact, decide by one rule, go on after a crash.

Names are imported when they are first used, so that a command that needs little starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from actors.executors.context import CurrentChild
    from actors.observers import ParentFinished, RunHalted
    from events.comparison import Change, ChildChange, RunDiff
    from events.errors import (
        AuditKeyError,
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
    from events.explanation import Explanation
    from events.limits import Limits
    from events.open_children import OpenChild
    from events.projections.projection import Projection
    from events.views import ChildView, Counts, RunStatus
    from orchestrator.batching import batches
    from orchestrator.definition import Child, Parallel, Retry, Threshold, Throttle
    from orchestrator.messages import CancelRun, PauseRun, RedriveRun, ResumeRun, RunRefused, StartRun, UpdateRun
    from orchestrator.orchestrator import Orchestrator
    from orchestrator.queries import HistoryEvent
    from orchestrator.replaying import ReplayStep
    from orchestrator.result import Result
    from orchestrator.retention import Archive
    from orchestrator.run import Run
    from orchestrator.secret_ref import SecretRef
    from orchestrator.tasks import Task, TaskRegistry, current_child, task

__version__ = "0.1.0"

__all__ = [
    "Archive",
    "AuditKeyError",
    "CancelRun",
    "Change",
    "Child",
    "ChildChange",
    "ChildView",
    "ChildrenFailedError",
    "ClosedError",
    "ContentConflictError",
    "Counts",
    "CurrentChild",
    "DeadlineExceededError",
    "Explanation",
    "HistoryEvent",
    "InvalidPayloadError",
    "InvalidPlanError",
    "KeyNotFoundError",
    "LimitExceededError",
    "Limits",
    "MissingExtraError",
    "NotAStoreError",
    "OpenChild",
    "Orchestrator",
    "OrchestratorError",
    "OwnershipLostError",
    "Parallel",
    "ParentFinished",
    "PauseRun",
    "Projection",
    "RedactedError",
    "RedriveRun",
    "ReplayStep",
    "Result",
    "ResumeRun",
    "Retry",
    "Run",
    "RunDiff",
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
        "AuditKeyError",
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
    "events.comparison": (
        "Change",
        "ChildChange",
        "RunDiff",
    ),
    "events.explanation": ("Explanation",),
    "events.limits": ("Limits",),
    "events.open_children": ("OpenChild",),
    "events.projections.projection": ("Projection",),
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
    "orchestrator.replaying": ("ReplayStep",),
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
