"""What may be changed of a run while it lives, checked as it is when a run is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from events.commands import ChangeLimits
from events.errors import LimitExceededError, UsageError
from events.limits import Limits
from orchestrator.definition import Parallel

_NAMES = ("max_workers", "strategy", "weight", "priority")


def change_command(asked: Mapping[str, Any], limits: Limits, at: int) -> ChangeLimits:
    """Return the command that gives these fields of a `Parallel` new values; None leaves one as it is.

    Raises:
        UsageError: a value makes no sense, or there is nothing to change.
        LimitExceededError: more workers are asked for than the limits allow.
    """
    changes = {name: asked[name] for name in _NAMES if asked[name] is not None}
    if not changes:
        raise UsageError(f"nothing to change: say one of {', '.join(_NAMES)}")
    parallel = Parallel(**changes)
    most = limits.max_workers_max
    if parallel.max_workers is not None and parallel.max_workers > most:
        raise LimitExceededError(
            f"max_workers is {parallel.max_workers:,}, more than the limit max_workers_max of {most:,}"
        )
    return ChangeLimits(
        at=at,
        max_workers=parallel.max_workers,
        strategy=parallel.rule() if "strategy" in changes else None,
        weight=parallel.weight,
        priority=parallel.priority,
    )
