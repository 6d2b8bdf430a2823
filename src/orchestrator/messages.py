"""What an engine's own actors tell the orchestrator's actor (`Orchestrator.ref`), and what they are told. Frozen."""

from __future__ import annotations

from typing import Any, NamedTuple

import pykka

from actors.observers import ParentFinished, RunHalted
from orchestrator.definition import Parallel


class StartRun(NamedTuple):
    """Start a run, as `Orchestrator.start` does. `reply_to` is told `ParentFinished`, `RunRefused` or `RunHalted`."""

    parallel: Parallel
    id: str
    reply_to: pykka.ActorRef[Any]


class CancelRun(NamedTuple):
    """Cancel a run. The one who started it is told `ParentFinished`."""

    id: str
    reason: str = "cancelled by request"


class RunRefused(NamedTuple):
    """A run could not be started; nothing was written. `reason` says why."""

    id: str
    reason: str


__all__ = ["CancelRun", "ParentFinished", "RunHalted", "RunRefused", "StartRun"]
