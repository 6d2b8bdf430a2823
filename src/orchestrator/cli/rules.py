"""From options to a definition: what `map` and `run` were asked for beyond the children."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any

from events.errors import UsageError
from orchestrator.definition import Child, Parallel, Retry, StrategyLike, Threshold, parse_percent
from orchestrator.streams import ChildStream


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def with_options(parallel: Parallel, options: Namespace) -> Parallel:
    """Return a definition as the options change it; what they do not mention stays.

    Raises:
        UsageError: options contradict one another.
    """
    changes: dict[str, Any] = {"strategy": strategy_of(options, parallel.strategy)}
    if options.max_workers is not None:
        changes["max_workers"] = options.max_workers
    if options.on_decided is not None:
        changes["on_decided"] = options.on_decided
    if options.deadline is not None:
        changes["timeout"] = options.deadline
    return _with_attempts(parallel, options).model_copy(update=changes)


def _with_attempts(parallel: Parallel, options: Namespace) -> Parallel:
    """Return a definition whose children, at any depth, have those attempts that were asked for, and no others."""
    changes: dict[str, Any] = {}
    own: dict[str, Any] = {}
    if options.retries is not None:
        changes["retry"] = Retry(max_attempts=options.retries + 1)
        own["retry"] = None
    if options.timeout is not None:
        changes["child_timeout"] = options.timeout
        own["timeout"] = None
    if not own:
        return parallel

    def changed(child: Child) -> Child:
        if child.parallel is not None:
            return child.model_copy(update={"parallel": _with_attempts(child.parallel, options)})
        return child.model_copy(update=own)  # its own limits would go before those that were just asked for

    return parallel.model_copy(update={**changes, "children": _each(parallel, changed)})


def _each(parallel: Parallel, changed: Callable[[Child], Child]) -> Sequence[Child] | ChildStream:
    if isinstance(parallel.children, ChildStream):
        return parallel.children.changed(changed)
    return [changed(child) for child in parallel.listed]


def widest(parallel: Parallel) -> int:
    """Return how many children may run at a time: for itself, or for one of the parents in it, whichever is most."""
    inner = [widest(child.parallel) for child in parallel.listed if child.parallel is not None]
    return max([parallel.max_workers or cores(), *inner])


def strategy_of(options: Namespace, planned: StrategyLike) -> StrategyLike:
    """Return the strategy as the options change it. Raises UsageError where they contradict one another."""
    kind, amount, failures = options.strategy, options.threshold, options.max_failures
    if kind in ("all", "any"):
        if amount is not None:
            raise UsageError(f"--threshold contradicts --strategy {kind}: leave one of them out")
        if failures is not None:
            raise UsageError(f"--max-failures goes with --threshold, not with --strategy {kind}")
        return "all" if kind == "all" else "any"
    before = planned if isinstance(planned, Threshold) else None
    if amount is None and before is None:
        if kind is not None:
            raise UsageError("--strategy threshold needs --threshold: how many must succeed, such as 3 or 80%")
        if failures is not None:
            raise UsageError("--max-failures needs --threshold: how many must succeed all the same, such as 3 or 80%")
        return planned
    if amount is None and failures is None:
        return planned
    return _threshold(amount, failures, before)


def _threshold(amount: int | str | None, failures: int | str | None, before: Threshold | None) -> Threshold:
    parts: dict[str, Any] = {} if before is None else before.model_dump(exclude_none=True)
    if amount is not None:
        parts.pop("count", None)
        parts.pop("percent", None)
        parts |= {"percent": parse_percent(amount)} if isinstance(amount, str) else {"count": amount}
    if failures is not None:
        parts["max_failures"] = failures
        if isinstance(failures, int):
            parts.pop("min_finished", None)  # it only goes with a percentage
    return Threshold(**parts)
