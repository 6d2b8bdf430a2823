"""What may stand in a fact, a command, a strategy, the limits: nothing unknown, nothing converted, nothing changed."""

from __future__ import annotations

from math import inf, nan
from typing import Any, Final

import pytest
from pydantic import BaseModel, ValidationError

from events.commands import (
    Cancel,
    CancelChild,
    ChangeLimits,
    ChildSpec,
    CloseMembership,
    Command,
    CreateChildren,
    CreateParent,
    ExpireChild,
    FinishAttempt,
    LoseAttempt,
    PassDeadline,
    Pause,
    PrepareChildren,
    RecordLateEnding,
    RecordResponse,
    Redact,
    Redrive,
    ReleaseOwnership,
    ReportProgress,
    Resume,
    SkipChildren,
    StartChild,
    TakeOwnership,
)
from events.errors import UsageError
from events.facts import (
    AttemptEndedLate,
    AttemptLost,
    CancelRequested,
    ChildCancelRequested,
    ChildCreated,
    ChildFinished,
    ChildLimits,
    ChildPrepared,
    ChildProgressed,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    DeadlinePassed,
    Fact,
    LimitsChanged,
    MembershipClosed,
    OwnershipReleased,
    OwnershipTaken,
    ParentCreated,
    ParentDecided,
    ParentSettled,
    Paused,
    Redacted,
    Redriven,
    Resumed,
    Within,
)
from events.limits import BUSY_TIMEOUT_SECONDS, DEFAULT_LIMITS, Limits
from events.payload_files import PayloadRef
from events.strategy import ALL, Strategy

Fields = dict[str, Any]

AT: Final[Fields] = {"at": 1}
ENDING: Final[Fields] = {**AT, "child_id": "a", "outcome": "failed"}
PARENT: Final[Fields] = {**AT, "strategy": ALL, "max_workers": 1, "on_decided": "drain", "content": "c"}
PERCENT: Final[Fields] = {"kind": "threshold", "percent": 50.0}

LEAST: Final[dict[type[BaseModel], Fields]] = {
    Strategy: {"kind": "all"},
    ChildLimits: {},
    Limits: {},
    ChildSpec: {"child_id": "a", "task": "t", "input": "1"},
    CreateParent: PARENT,
    PrepareChildren: {**AT, "children": ()},
    CreateChildren: AT,
    CloseMembership: AT,
    TakeOwnership: {**AT, "owner": "me", "reason": "r"},
    ReleaseOwnership: {**AT, "owner": "me", "reason": "r"},
    StartChild: {**AT, "child_id": "a", "worker": "1"},
    FinishAttempt: {**ENDING, "attempt": 1},
    RecordResponse: ENDING,
    LoseAttempt: {**AT, "child_id": "a", "attempt": 1, "reason": "r"},
    RecordLateEnding: {**ENDING, "attempt": 1},
    ReportProgress: {**AT, "child_id": "a", "attempt": 1},
    ExpireChild: {**AT, "child_id": "a", "clock": "queue"},
    CancelChild: {**AT, "child_id": "a", "reason": "r"},
    SkipChildren: {**AT, "limit": 1},
    Cancel: {**AT, "reason": "r"},
    PassDeadline: AT,
    Pause: {**AT, "reason": "r"},
    Resume: AT,
    ChangeLimits: AT,
    Redrive: {**AT, "reason": "r"},
    PayloadRef: {"sha256": "0" * 64, "bytes": 1},
    Within: {"parent_id": "p", "child_id": "a", "depth": 1},
    ParentCreated: PARENT,
    ChildPrepared: {**AT, "child_id": "a", "index": 0, "task": "t", "input": "1"},
    ChildCreated: {**AT, "child_id": "a"},
    MembershipClosed: AT,
    OwnershipTaken: {**AT, "owner": "me", "epoch": 1},
    OwnershipReleased: AT,
    ChildStarted: {**AT, "child_id": "a", "attempt": 1, "worker": "1"},
    ChildRetryScheduled: {**AT, "child_id": "a", "attempt": 1, "error": "e", "not_before": 0},
    AttemptLost: {**AT, "child_id": "a", "attempt": 1, "reason": "r"},
    AttemptEndedLate: {**ENDING, "attempt": 1},
    ChildProgressed: {**AT, "child_id": "a", "attempt": 1},
    ChildCancelRequested: {**AT, "child_id": "a", "reason": "r"},
    ChildRedriven: {**AT, "child_id": "a"},
    ChildFinished: {**ENDING, "attempt": 0},
    CancelRequested: {**AT, "reason": "r"},
    DeadlinePassed: AT,
    Paused: {**AT, "reason": "r"},
    Resumed: AT,
    LimitsChanged: AT,
    Redriven: {**AT, "reason": "r", "on_decided": "drain"},
    Redacted: {**AT, "reason": "r"},
    Redact: {**AT, "reason": "r"},
    ParentDecided: {**AT, "status": "failed", "why": "w"},
    ParentSettled: AT,
}
"""The fewest fields with which each of them can be made, each at its smallest value."""

MAY_BE_ASKED: Final[Fields] = dict.fromkeys(
    ("timeout_seconds", "metadata", "retry_budget", "seed", "weight", "priority", "within")
)
MAY_CHANGE: Final[Fields] = dict.fromkeys(("max_workers", "strategy", "weight", "priority"))
ENDING_MAY_HAVE: Final[Fields] = dict.fromkeys(("output", "error", "output_file", "error_file"))
OPTIONAL: Final[dict[type[BaseModel], Fields]] = {
    Strategy: dict.fromkeys(("count", "percent", "max_failures", "max_failures_percent", "min_finished")),
    ChildLimits: dict.fromkeys(ChildLimits.model_fields),
    Limits: {
        "id_chars_max": 200,
        "payload_bytes_max": 64 * 1024 * 1024,
        "inline_bytes_max": 64 * 1024,
        "metadata_bytes_max": 1024 * 1024,
        "item_bytes_max": 1024 * 1024,
        "children_max": 10_000_000,
        "max_workers_max": 100_000,
        "append_events_max": 20_000,
        "output_bytes_max": 64 * 1024,
        "plan_bytes_max": 16 * 1024 * 1024,
        "live_runs_max": 100_000,
        "requests_waiting_max": 100_000,
        "abandoned_threads_max": 1_000,
        "listener_backlog_max": 100_000,
        "plan_inputs_bytes_max": 268_435_456,
        "conflict_retries_max": 20,
        "unpacked_bytes_max": 67_108_864,
        "packed_bytes_min": 1_024,
        "nesting_depth_max": 16,
    },
    ChildSpec: {"limits": None, "input_file": None},
    CreateParent: MAY_BE_ASKED,
    CloseMembership: {"arriving": False},
    FinishAttempt: ENDING_MAY_HAVE,
    RecordResponse: ENDING_MAY_HAVE,
    ParentCreated: MAY_BE_ASKED,
    AttemptLost: {"signal": None, "exit_code": None},
    LoseAttempt: {"signal": None, "exit_code": None},
    AttemptEndedLate: ENDING_MAY_HAVE,
    RecordLateEnding: ENDING_MAY_HAVE,
    ChildProgressed: {"progress": None, "message": None},
    ReportProgress: {"progress": None, "message": None},
    LimitsChanged: MAY_CHANGE,
    ChangeLimits: MAY_CHANGE,
    Redriven: {"token": None},
    Redrive: {"outcomes": None, "child_ids": None, "token": None},
    ChildPrepared: {"limits": None, "input_file": None},
    ChildRetryScheduled: {"error_file": None},
    ChildFinished: ENDING_MAY_HAVE,
    Within: {"again": None},
    ParentDecided: {"child_id": None},
}
"""What each takes for a field that is left out."""

BELOW: Final[list[tuple[type[BaseModel], Fields, str, Any]]] = [
    (CreateParent, PARENT, "max_workers", 0),
    (CreateParent, PARENT, "timeout_seconds", 0.0),
    (ParentCreated, PARENT, "max_workers", 0),
    (ParentCreated, PARENT, "timeout_seconds", 0.0),
    (SkipChildren, AT, "limit", 0),
    (ChildPrepared, LEAST[ChildPrepared], "index", -1),
    (OwnershipTaken, LEAST[OwnershipTaken], "epoch", 0),
    (ChildStarted, LEAST[ChildStarted], "attempt", 0),
    (ChildRetryScheduled, LEAST[ChildRetryScheduled], "attempt", 0),
    (AttemptLost, LEAST[AttemptLost], "attempt", 0),
    (ChildFinished, LEAST[ChildFinished], "attempt", -1),
    (ChildLimits, {}, "timeout_seconds", 0.0),
    (ChildLimits, {}, "max_attempts", 0),
    (ChildLimits, {}, "initial_seconds", -5e-324),
    (ChildLimits, {}, "backoff", 0.9999999999999999),
    (ChildLimits, {}, "max_seconds", -5e-324),
    (ChildLimits, {}, "jitter", -5e-324),
    (ChildLimits, {}, "crashes_max", 0),
    (ChildLimits, {}, "total_timeout_seconds", 0.0),
    (ChildLimits, {}, "queue_timeout_seconds", 0.0),
    (ChildLimits, {}, "heartbeat_timeout_seconds", 0.0),
    (ChildLimits, {}, "grace_seconds", -5e-324),
    *((kind, PARENT, "retry_budget", -1) for kind in (CreateParent, ParentCreated)),
    *((kind, PARENT, "weight", 0) for kind in (CreateParent, ParentCreated)),
    *((kind, LEAST[kind], "max_workers", 0) for kind in (ChangeLimits, LimitsChanged)),
    *((kind, LEAST[kind], "weight", 0) for kind in (ChangeLimits, LimitsChanged)),
    *((kind, LEAST[kind], "progress", -5e-324) for kind in (ReportProgress, ChildProgressed)),
    (AttemptEndedLate, LEAST[AttemptEndedLate], "attempt", 0),
    (ChildProgressed, LEAST[ChildProgressed], "attempt", 0),
    (Within, LEAST[Within], "depth", 0),
    (Within, LEAST[Within], "again", 0),
    (Strategy, {"kind": "threshold"}, "count", 0),
    (Strategy, {"kind": "threshold"}, "percent", 0.0),
    (Strategy, PERCENT, "max_failures", -1),
    (Strategy, PERCENT, "max_failures_percent", -5e-324),
    (Strategy, {**PERCENT, "max_failures_percent": 1.0}, "min_finished", 0),
    (Limits, {}, "id_chars_max", 0),
    (Limits, {}, "payload_bytes_max", 63),
    (Limits, {}, "inline_bytes_max", -1),
    (Limits, {}, "metadata_bytes_max", 63),
    (Limits, {}, "item_bytes_max", 0),
    (PayloadRef, LEAST[PayloadRef], "bytes", 0),
    (Limits, {}, "children_max", 0),
    (Limits, {}, "max_workers_max", 0),
    (Limits, {}, "append_events_max", 0),
    (Limits, {}, "output_bytes_max", -1),
    (Limits, {}, "plan_bytes_max", 0),
    (Limits, {}, "live_runs_max", 0),
    (Limits, {}, "requests_waiting_max", 0),
    (Limits, {}, "abandoned_threads_max", -1),
    (Limits, {}, "listener_backlog_max", 0),
    (Limits, {}, "plan_inputs_bytes_max", 0),
    (Limits, {}, "conflict_retries_max", 0),
    (Limits, {}, "unpacked_bytes_max", 0),
    (Limits, {}, "packed_bytes_min", -1),
    (Limits, {}, "nesting_depth_max", -1),
]
"""A value that is just too small."""

SMALLEST: Final[dict[tuple[type[BaseModel], str], Any]] = {
    (Limits, "payload_bytes_max"): 64,
    (Limits, "output_bytes_max"): 0,
    (Limits, "inline_bytes_max"): 0,
    (Limits, "metadata_bytes_max"): 64,
    (Limits, "abandoned_threads_max"): 0,
    (ChildLimits, "backoff"): 1.0,
    (ChildLimits, "initial_seconds"): 0.0,
    (ChildLimits, "max_seconds"): 0.0,
    (ChildLimits, "jitter"): 0.0,
    (ChildLimits, "grace_seconds"): 0.0,
    (CreateParent, "retry_budget"): 0,
    (ParentCreated, "retry_budget"): 0,
    (ReportProgress, "progress"): 0.0,
    (ChildProgressed, "progress"): 0.0,
    (ChildPrepared, "index"): 0,
    (ChildFinished, "attempt"): 0,
    (Strategy, "max_failures"): 0,
    (Strategy, "max_failures_percent"): 0.0,
}
"""The smallest value that is allowed, where it is neither 1 nor the smallest fraction."""

REFUSALS = (ValidationError, UsageError)
"""Limits are made by users, and say what does not fit in an error of our own."""


def made(kind: type[BaseModel], fields: Fields) -> BaseModel:
    return kind(**fields)


@pytest.mark.parametrize("kind", LEAST, ids=lambda kind: kind.__name__)
def test_the_fewest_fields_are_enough_and_not_one_less(kind: type[BaseModel]) -> None:
    fields = LEAST[kind]
    whole = made(kind, fields)
    left_out = {name: getattr(whole, name) for name in kind.model_fields if name not in fields}
    assert left_out == OPTIONAL.get(kind, {})
    for name in fields:
        with pytest.raises(REFUSALS):
            made(kind, {other: value for other, value in fields.items() if other != name})


@pytest.mark.parametrize("kind", LEAST, ids=lambda kind: kind.__name__)
def test_nothing_unknown_is_taken_and_nothing_can_be_changed(kind: type[BaseModel]) -> None:
    with pytest.raises(REFUSALS, match=r"extra|no limit of the name"):
        made(kind, {**LEAST[kind], "also": 1})
    whole = made(kind, LEAST[kind])
    for name in kind.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(whole, name, getattr(whole, name))
    assert hash(whole) == hash(made(kind, LEAST[kind])), "what cannot be changed can be a key"


@pytest.mark.parametrize("kind", LEAST, ids=lambda kind: kind.__name__)
def test_nothing_is_converted(kind: type[BaseModel]) -> None:
    for name, value in {**LEAST[kind], **OPTIONAL.get(kind, {})}.items():
        if isinstance(value, bool | int):
            with pytest.raises(REFUSALS):
                made(kind, {**LEAST[kind], name: str(value)})
        elif isinstance(value, str):
            with pytest.raises(REFUSALS):
                made(kind, {**LEAST[kind], name: value.encode()})
        elif value == ():
            with pytest.raises(REFUSALS):
                made(kind, {**LEAST[kind], name: []})
        elif value is None:
            with pytest.raises(REFUSALS):
                made(kind, {**LEAST[kind], name: b"1"})


@pytest.mark.parametrize(("kind", "others", "field", "below"), BELOW, ids=lambda part: getattr(part, "__name__", ""))
def test_a_number_has_a_smallest_value(kind: type[BaseModel], others: Fields, field: str, below: float) -> None:
    with pytest.raises(REFUSALS, match=r"greater than|at least|more than"):
        made(kind, {**others, field: below})
    smallest = SMALLEST.get((kind, field), 1 if isinstance(below, int) else 5e-324)
    assert getattr(made(kind, {**others, field: smallest}), field) == smallest


def test_no_limit_goes_without_a_smallest_value() -> None:
    assert {field for kind, _, field, _ in BELOW if kind is Limits} == set(Limits.model_fields)


@pytest.mark.parametrize("number", [inf, -inf, nan])
def test_a_duration_or_percentage_is_a_finite_number(number: float) -> None:
    for kind in (CreateParent, ParentCreated):
        with pytest.raises(REFUSALS):
            made(kind, {**PARENT, "timeout_seconds": number})
    for field in [name for name, one in ChildLimits.model_fields.items() if "float" in str(one.annotation)]:
        with pytest.raises(REFUSALS):
            made(ChildLimits, {field: number})
    with pytest.raises(REFUSALS):
        made(Strategy, {"kind": "threshold", "percent": number})
    with pytest.raises(REFUSALS):
        made(Strategy, {**PERCENT, "max_failures_percent": number})


def test_a_percentage_is_at_most_all() -> None:
    for fields in ({"percent": 100.0}, {"percent": 50.0, "max_failures_percent": 100.0}):
        assert made(Strategy, {"kind": "threshold", **fields})
    for fields in ({"percent": 100.00000000000001}, {"percent": 50.0, "max_failures_percent": 100.00000000000001}):
        with pytest.raises(ValidationError, match="less than or equal to 100"):
            made(Strategy, {"kind": "threshold", **fields})


def test_a_part_is_at_most_the_whole() -> None:
    whole: list[tuple[type[BaseModel], str]] = [
        (ChildLimits, "jitter"),
        (ReportProgress, "progress"),
        (ChildProgressed, "progress"),
    ]
    for kind, field in whole:
        assert getattr(made(kind, {**LEAST[kind], field: 1.0}), field) == 1.0
        with pytest.raises(ValidationError, match="less than or equal to 1"):
            made(kind, {**LEAST[kind], field: 1.0000000000000002})


def test_every_command_and_every_fact_has_its_shape_here() -> None:
    for base in (Command, Fact):
        assert set(base.__subclasses__()) <= set(LEAST)


def test_the_limits_are_the_defaults_where_nobody_sets_them() -> None:
    assert Limits() == DEFAULT_LIMITS
    assert BUSY_TIMEOUT_SECONDS == 30.0


def test_a_strategy_takes_nothing_unknown_and_converts_nothing() -> None:
    threshold: Fields = {"kind": "threshold", "count": 2}
    assert made(Strategy, threshold)
    for wrong in ({"count": "2"}, {"count": 2.0}, {"also": 1}, {"max_failures": "1"}):
        with pytest.raises(REFUSALS):
            made(Strategy, {**threshold, **wrong})
