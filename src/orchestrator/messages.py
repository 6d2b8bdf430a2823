"""What an engine's own actors tell the orchestrator's actor (`Orchestrator.ref`), and what they are told. Frozen."""

from __future__ import annotations

from typing import Any, NamedTuple

import pykka

from actors.observers import ParentFinished, RunHalted
from events.strategy import Outcome
from orchestrator.definition import Parallel, StrategyLike


class StartRun(NamedTuple):
    """Start a run, as `Orchestrator.start` does. `reply_to` is told `ParentFinished`, `RunRefused` or `RunHalted`."""

    parallel: Parallel
    id: str
    reply_to: pykka.ActorRef[Any]


class CancelRun(NamedTuple):
    """Cancel a run, or one child of it. The one who started it is told `ParentFinished`."""

    id: str
    reason: str = "cancelled by request"
    child: str | None = None


class PauseRun(NamedTuple):
    """Let no more children of a run start, whoever works on it; see `Run.pause`."""

    id: str
    reason: str = "paused by request"


class ResumeRun(NamedTuple):
    """Let a paused run go on, whoever works on it; one that nobody works on is gone on with here."""

    id: str


class UpdateRun(NamedTuple):
    """Change what a run may do while it lives; see `Run.update`. What is None stays as it is."""

    id: str
    max_workers: int | None = None
    strategy: StrategyLike | None = None
    weight: int | None = None
    priority: int | None = None


class RedriveRun(NamedTuple):
    """Run children of a settled run again, all that did not succeed or those of some outcomes or ids.

    It is worked on here. `reply_to` is told `ParentFinished` once it is decided again, `RunRefused` or `RunHalted`.
    """

    id: str
    reply_to: pykka.ActorRef[Any]
    outcomes: tuple[Outcome, ...] | None = None
    ids: tuple[str, ...] | None = None
    reason: str = "redriven by request"


class RunRefused(NamedTuple):
    """A run could not be started, or redriven; nothing was written. `reason` says why."""

    id: str
    reason: str


__all__ = [
    "CancelRun",
    "ParentFinished",
    "PauseRun",
    "RedriveRun",
    "ResumeRun",
    "RunHalted",
    "RunRefused",
    "StartRun",
    "UpdateRun",
]
