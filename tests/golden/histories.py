"""Runs that hold every type of event with every field it may have, the same to the byte each time they are made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from pydantic import BaseModel

from events.commands import (
    Cancel,
    CancelChild,
    ChangeLimits,
    ChildSpec,
    CloseMembership,
    Command,
    CreateChildren,
    CreateParent,
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
from events.facts import ChildLimits, Fact, Within
from events.log.payloads import PayloadStore
from events.strategy import ALL, ANY, Strategy
from tests.events.scenario import Given

AT: Final = 1_790_000_000_000_000
OWNERS: Final = ("golden:4711:be0b58ea.502847:1", "golden:4712:be0b58ea.502999:1")
MARK: Final = "t1"
WRONG: Final = json.dumps({"type": "Wrong", "bases": ["ValueError", "Exception"], "message": "é\n\u0001"})
SHELL: Final = json.dumps({"command": "gzip -k 'ä b.log'", "input": "ä b.log"})
LIMITS: Final = ChildLimits(
    timeout_seconds=1.5,
    max_attempts=3,
    initial_seconds=0.5,
    backoff=2.0,
    max_seconds=60.0,
    fail_when_lost=False,
    jitter=0.25,
    retry_on=("Wrong",),
    give_up_on=("Hopeless",),
    crashes_max=2,
    total_timeout_seconds=3_600.0,
    queue_timeout_seconds=600.0,
    heartbeat_timeout_seconds=30.0,
    grace_seconds=2.0,
    priority=-2,
    keys=("host:a", "host:b"),
)


class Clock:
    """Says a later time at each look."""

    def __init__(self) -> None:
        self._ticks = count(AT, 1_000_003)

    def at(self, kind: type[Command], **fields: Any) -> Command:
        """Return a command that is given now."""
        return kind(at=next(self._ticks), **fields)


def histories(payloads: PayloadStore) -> dict[str, tuple[Fact, ...]]:
    """Return the facts of each run, by its id."""
    clock = Clock()
    makers = (_retried, _redriven, _cancelled, _nested, _driven, _late, _open, _redacted)
    return {name: Given().given(*commands).facts for make in makers for name, commands in make(clock, payloads)}


Made = Iterator[tuple[str, list[Command]]]


def _filed(payloads: PayloadStore, text: str) -> Any:
    """Put a payload where large ones lie; its size makes no difference to whoever reads it."""
    return payloads.put(json.dumps(text * 20))


def _retried(clock: Clock, payloads: PayloadStore) -> Made:
    """Settled as succeeded, with retries, lost attempts, progress and payloads in files."""
    at = clock.at
    share = Strategy(kind="threshold", percent=33.3, max_failures_percent=90.0, min_finished=3)
    large = _filed(payloads, "é")
    children = (
        ChildSpec(child_id="ä/🐙 1", task="shell", input=SHELL, limits=LIMITS),
        ChildSpec(child_id="b", task="checksum", input="", input_file=large),
        ChildSpec(child_id="c", task="checksum", input='{"path":"c"}', limits=ChildLimits(max_attempts=2)),
    )
    yield (
        "retried",
        [
            at(
                CreateParent,
                strategy=share,
                max_workers=4,
                on_decided="continue",
                content="c0ffee",
                timeout_seconds=600.0,
                metadata='{"team":"blå"}',
                retry_budget=9,
                seed=-7,
                weight=3,
                priority=-1,
            ),
            at(PrepareChildren, children=children),
            at(CreateChildren),
            at(CloseMembership),
            at(TakeOwnership, owner=OWNERS[0], reason=""),
            at(StartChild, child_id="ä/🐙 1", worker="1"),
            at(ReportProgress, child_id="ä/🐙 1", attempt=1, progress=0.25, message="page 3"),
            at(FinishAttempt, child_id="ä/🐙 1", attempt=1, outcome="failed", error=WRONG),
            at(StartChild, child_id="b", worker="2"),
            at(LoseAttempt, child_id="b", attempt=1, reason="its worker died", signal="SIGSEGV"),
            at(StartChild, child_id="b", worker="2"),
            at(LoseAttempt, child_id="b", attempt=2, reason="its worker ended", exit_code=3),
            at(TakeOwnership, owner=OWNERS[1], reason="its owner stopped working on it"),
            at(StartChild, child_id="b", worker="1"),
            at(FinishAttempt, child_id="b", attempt=3, outcome="succeeded", output_file=large),
            at(StartChild, child_id="c", worker="1"),
            at(FinishAttempt, child_id="c", attempt=1, outcome="failed", error=WRONG, error_file=_filed(payloads, "w")),
            at(StartChild, child_id="c", worker="1"),
            at(FinishAttempt, child_id="c", attempt=2, outcome="failed", error=WRONG, error_file=_filed(payloads, "w")),
            at(StartChild, child_id="ä/🐙 1", worker="1"),
            at(FinishAttempt, child_id="ä/🐙 1", attempt=2, outcome="succeeded", output='{"exit_status":0}'),
            at(ReleaseOwnership, owner=OWNERS[1], reason="closing"),
        ],
    )


def _redriven(clock: Clock, payloads: PayloadStore) -> Made:
    """Failed, redriven, paused and resumed, changed while it lives, and succeeded in the end."""
    at = clock.at
    children = tuple(ChildSpec(child_id=name, task="work", input="null") for name in ("a", "b", "c"))
    rule = Strategy(kind="threshold", count=2, max_failures=1)
    yield (
        "redriven",
        [
            at(CreateParent, strategy=rule, max_workers=1, on_decided="drain", content="beef"),
            at(PrepareChildren, children=children),
            at(CreateChildren),
            at(CloseMembership),
            at(TakeOwnership, owner=OWNERS[0], reason=""),
            at(StartChild, child_id="a", worker="1"),
            at(FinishAttempt, child_id="a", attempt=1, outcome="timed_out", error='{"type":"TimedOut"}'),
            at(StartChild, child_id="b", worker="1"),
            at(FinishAttempt, child_id="b", attempt=1, outcome="failed", error="[1]"),
            at(SkipChildren, limit=10),
            at(Redrive, reason="the server is back", token=MARK),
            at(Pause, reason="lunch"),
            at(Resume),
            at(ChangeLimits, max_workers=9, strategy=ANY, weight=2, priority=1),
            at(StartChild, child_id="a", worker="1"),
            at(FinishAttempt, child_id="a", attempt=2, outcome="succeeded", output=r'"\u00e9\n"'),
            at(SkipChildren, limit=10),
        ],
    )


def _cancelled(clock: Clock, payloads: PayloadStore) -> Made:
    """One child cancelled by itself, then the run; and a run whose time passed."""
    at = clock.at
    children = tuple(ChildSpec(child_id=name, task="work", input="7") for name in ("a", "b", "c"))
    begin = [
        at(CreateParent, strategy=ALL, max_workers=2, on_decided="cancel", content="", timeout_seconds=1.0),
        at(PrepareChildren, children=children),
        at(CreateChildren),
        at(CloseMembership),
        at(TakeOwnership, owner=OWNERS[0], reason=""),
        at(StartChild, child_id="a", worker="1"),
    ]
    yield (
        "cancelled/é",
        [
            *begin,
            at(Cancel, reason="wrong folder"),
            at(FinishAttempt, child_id="a", attempt=1, outcome="cancelled", error='{"type":"Cancelled"}'),
            at(SkipChildren, limit=10),
        ],
    )
    yield (
        "timed out",
        [
            *begin,
            at(CancelChild, child_id="a", reason="not needed"),
            at(PassDeadline),
            at(FinishAttempt, child_id="a", attempt=1, outcome="cancelled", error='{"type":"Cancelled"}'),
            at(SkipChildren, limit=10),
        ],
    )


def _nested(clock: Clock, payloads: PayloadStore) -> Made:
    """A run that stands inside another one."""
    at = clock.at
    within = Within(parent_id="outer", child_id="inner", depth=2, again=1)
    yield (
        "outer/inner",
        [
            at(CreateParent, strategy=ALL, max_workers=2, on_decided="cancel", content="abc", within=within),
            at(CloseMembership),
        ],
    )


def _driven(clock: Clock, payloads: PayloadStore) -> Made:
    """A run that an engine drives step by step."""
    at = clock.at
    yield (
        "driven",
        [
            at(CreateParent, strategy=ANY, max_workers=2, on_decided="cancel", content="step"),
            at(PrepareChildren, children=(ChildSpec(child_id="a", task="work", input="{}"),)),
            at(CreateChildren),
            at(CloseMembership),
            at(RecordResponse, child_id="a", outcome="succeeded", output="[1,2.5,null]"),
        ],
    )


def _late(clock: Clock, payloads: PayloadStore) -> Made:
    """Attempts that were given up and came to their ends after all."""
    at = clock.at
    names = ("a", "b", "c", "d")
    children = tuple(ChildSpec(child_id=name, task="work", input="null") for name in names)
    large = _filed(payloads, "l")
    yield (
        "late",
        [
            at(CreateParent, strategy=ANY, max_workers=4, on_decided="cancel", content="late"),
            at(PrepareChildren, children=children),
            at(CreateChildren),
            at(CloseMembership),
            at(TakeOwnership, owner=OWNERS[0], reason=""),
            *(at(StartChild, child_id=name, worker=str(number)) for number, name in enumerate(names, 1)),
            *(at(FinishAttempt, child_id=name, attempt=1, outcome="timed_out", error="{}") for name in names),
            at(RecordLateEnding, child_id="a", attempt=1, outcome="succeeded", output="1"),
            at(RecordLateEnding, child_id="b", attempt=1, outcome="failed", error=WRONG),
            at(RecordLateEnding, child_id="c", attempt=1, outcome="succeeded", output_file=large),
            at(RecordLateEnding, child_id="d", attempt=1, outcome="failed", error="{}", error_file=large),
        ],
    )


def _open(clock: Clock, payloads: PayloadStore) -> Made:
    """A run that was interrupted: one child runs, one waits, and more may come."""
    at = clock.at
    children = tuple(ChildSpec(child_id=name, task="shell", input=SHELL) for name in ("a", "b"))
    yield (
        "interrupted",
        [
            at(CreateParent, strategy=ALL, max_workers=1, on_decided="cancel", content="open"),
            at(PrepareChildren, children=children),
            at(CreateChildren),
            at(TakeOwnership, owner=OWNERS[0], reason=""),
            at(StartChild, child_id="a", worker="1"),
        ],
    )


def _redacted(clock: Clock, payloads: PayloadStore) -> Made:
    """A child that names a secret, and a run whose texts are destroyed."""
    at = clock.at
    limits = ChildLimits(secrets=("/token",))
    child = ChildSpec(child_id="a", task="upload", input='{"token":"env:API_TOKEN"}', limits=limits)
    yield (
        "redacted",
        [
            at(CreateParent, strategy=ALL, max_workers=1, on_decided="cancel", content="secret"),
            at(PrepareChildren, children=(child,)),
            at(CreateChildren),
            at(CloseMembership),
            at(TakeOwnership, owner=OWNERS[0], reason=""),
            at(StartChild, child_id="a", worker="1"),
            at(FinishAttempt, child_id="a", attempt=1, outcome="succeeded", output="null"),
            at(Redact, reason="asked to forget"),
        ],
    )


def fields_of(value: BaseModel, name: str) -> Iterator[str]:
    """Yield the name of every field that a fact, or a value inside it, has."""
    for field in type(value).model_fields:
        inside = getattr(value, field)
        if inside is not None:
            yield f"{name}.{field}"
        if isinstance(inside, BaseModel):
            yield from fields_of(inside, type(inside).__name__)


def all_fields(kind: type[BaseModel]) -> Iterator[str]:
    """Yield the name of every field that facts of a type, or values inside them, may have."""
    for field, info in kind.model_fields.items():
        yield f"{kind.__name__}.{field}"
        for part in (info.annotation, *getattr(info.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from all_fields(part)
