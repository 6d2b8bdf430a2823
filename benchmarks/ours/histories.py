"""Long records, written straight into a store: what takes too long to be lived through in every round."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from events.facts import (
    ChildCreated,
    ChildFinished,
    ChildPrepared,
    ChildStarted,
    Fact,
    MembershipClosed,
    OwnershipReleased,
    OwnershipTaken,
    ParentCreated,
    ParentDecided,
    ParentSettled,
)
from events.log import FactBatch, open_log
from events.strategy import Strategy

_AT: Final = 1_800_000_000_000_000
BATCH: Final = 20_000
"""How many events are appended at once."""
_RULE: Final = Strategy(kind="threshold", percent=90.0)


def history(children: int, *, left: int = 0, task: str = "work", fails_every: int = 1_000) -> Iterator[Fact]:
    """Yield the facts of a run of so many children, of which so many are left to do; where none is, it is settled."""
    yield ParentCreated(at=_AT, strategy=_RULE, max_workers=8, on_decided="continue", content="0" * 64)
    for index in range(children):
        yield ChildPrepared(at=_AT, child_id=f"{task}-{index}", index=index, task=task, input="{}")
    for index in range(children):
        yield ChildCreated(at=_AT, child_id=f"{task}-{index}")
    yield MembershipClosed(at=_AT)
    yield OwnershipTaken(at=_AT, owner="somebody:1:2:3", epoch=1)
    for index in range(children - left):
        at, name = _AT + 1_000 * index, f"{task}-{index}"
        yield ChildStarted(at=at, child_id=name, attempt=1, worker="1")
        yield _end(name, at + 900, failed=bool(fails_every) and index % fails_every == 0)
    at = _AT + 1_000 * children
    if left:
        yield OwnershipReleased(at=at)
        return
    yield ParentDecided(at=at, status="succeeded", why="enough succeeded")
    yield ParentSettled(at=at)


def _end(name: str, at: int, *, failed: bool) -> ChildFinished:
    if failed:
        error = '{"type":"ValueError","message":"no"}'
        return ChildFinished(at=at, child_id=name, attempt=1, outcome="failed", error=error)
    return ChildFinished(at=at, child_id=name, attempt=1, outcome="succeeded", output='{"sum":12345678}')


def write(store: Path, run_id: str, facts: Iterator[Fact]) -> int:
    """Append the facts of a run; return how many they were."""
    version = 0
    with open_log(store) as log:
        while some := list(islice(facts, BATCH)):
            log.append([FactBatch(run_id, version, some)])
            version += len(some)
    return version
