"""The machinery of an orchestrator, made as it was asked for: what is asked is checked, and the store is opened.

This imports what works on runs, and is imported with the first orchestrator that is made.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Final

from events.catalogue import Catalogue
from events.errors import UsageError
from events.limits import Limits
from events.log import AuditKey, open_log
from events.log.keyring import keys_of
from events.log.store import EventLog
from events.projections.projection import Projection, check_projections
from orchestrator import given
from orchestrator.creation import throttle_rules
from orchestrator.definition import Throttle
from orchestrator.engine import Engine, default_max_workers
from orchestrator.executors import checked
from orchestrator.tasks import TaskRegistry

WAIT_SECONDS_MAX: Final = 365 * 86_400.0
"""Longest wait that an orchestrator is made for; more is as good as for ever."""


def made(
    store: str | os.PathLike[str],
    tasks: TaskRegistry,
    limits: Limits,
    max_workers: int | None,
    *,
    busy_timeout_seconds: float,
    must_exist: bool,
    keep_raw: bool,
    executors: Mapping[str, Executor],
    throttles: Sequence[Throttle],
    projections: Sequence[Projection] | None,
    audit_key: bytes | None,
    keyring: str | os.PathLike[str] | Mapping[str, bytes] | None,
    compress: bool,
) -> Engine:
    """Return the machinery over a store, which is opened. For the arguments and the errors see `Orchestrator`."""
    if not isinstance(limits, Limits):
        raise UsageError(f"limits is a Limits, such as Limits(children_max=1_000), not {given.shown_value(limits)}")
    workers = _workers(max_workers, limits)
    foreign = checked(executors)
    rules = throttle_rules(throttles)
    check_projections(projections or ())
    log = _opened(
        store,
        limits,
        must_exist=must_exist,
        busy_seconds=min(given.seconds(busy_timeout_seconds, "busy_timeout_seconds"), WAIT_SECONDS_MAX),
        key=None if audit_key is None else AuditKey(audit_key),
        keyring=keyring,
        compress=compress,
    )
    if store == "memory:" and not projections:
        projections = None
    return Engine(
        log,
        tasks,
        limits,
        workers,
        keep_raw=keep_raw,
        foreign=foreign,
        throttles=rules,
        projections=projections,
    )


def _workers(asked: int | None, limits: Limits) -> int:
    workers = default_max_workers() if asked is None else asked
    if type(workers) is not int or not 1 <= workers <= limits.max_workers_max:
        most = limits.max_workers_max
        raise UsageError(f"max_workers is a whole number from 1 to {most:,}, not {given.shown_value(asked)}")
    return workers


def _opened(
    store: str | os.PathLike[str],
    limits: Limits,
    *,
    must_exist: bool,
    busy_seconds: float,
    key: AuditKey | None,
    keyring: str | os.PathLike[str] | Mapping[str, bytes] | None,
    compress: bool,
) -> EventLog:
    return open_log(
        store,
        must_exist=must_exist,
        busy_timeout_seconds=busy_seconds,
        audit_key=key,
        keyring=keys_of(keyring),
        packed_bytes_min=limits.packed_bytes_min if compress else None,
        catalogue=Catalogue(unpacked_bytes_max=limits.unpacked_bytes_max),
    )
