"""How quickly status and a page of children of a run with a million children are answered, from Python.

The store is built once, by direct appends of its facts, and then projected; the questions are asked by a fresh
orchestrator, each by a handle of its own, and pages begin at random children. A page of 50 children of a small run is
asked for in turn: the figure to trust is the ratio of both.
Run: python benchmarks/queries.py [--children 1000000] [--rounds 2000] [--at-most 5.0] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from events.facts import (
    ChildCreated,
    ChildFinished,
    ChildPrepared,
    ChildStarted,
    Fact,
    MembershipClosed,
    OwnershipTaken,
    ParentCreated,
    ParentDecided,
    ParentSettled,
)
from events.log import FactBatch, open_log
from events.projections.builtin import BUILT_IN
from events.projections.engine import ProjectionEngine
from events.strategy import Strategy
from orchestrator import Orchestrator

_AT = 1_800_000_000_000_000
_BATCH = 20_000
_PAGE = 50
_SMALL = 1_000
_FAILS_EVERY = 1_000


def history(children: int) -> Iterator[Fact]:
    """Yield the facts of a run of so many children, one of each thousand of which failed."""
    rule = Strategy(kind="threshold", percent=90.0)
    yield ParentCreated(at=_AT, strategy=rule, max_workers=8, on_decided="continue", content="0" * 64)
    for index in range(children):
        yield ChildPrepared(at=_AT, child_id=f"child-{index}", index=index, task="work", input='{"path":"a.bin"}')
    for index in range(children):
        yield ChildCreated(at=_AT, child_id=f"child-{index}")
    yield MembershipClosed(at=_AT)
    yield OwnershipTaken(at=_AT, owner="somebody:1:2:3", epoch=1)
    for index in range(children):
        at = _AT + 1_000 * index
        yield ChildStarted(at=at, child_id=f"child-{index}", attempt=1, worker="1")
        yield _end(index, at + 900)
    at = _AT + 1_000 * children
    yield ParentDecided(at=at, status="succeeded", why="enough succeeded")
    yield ParentSettled(at=at)


def _end(index: int, at: int) -> ChildFinished:
    if index % _FAILS_EVERY == 0:
        error = '{"type":"ValueError","message":"no"}'
        return ChildFinished(at=at, child_id=f"child-{index}", attempt=1, outcome="failed", error=error)
    return ChildFinished(at=at, child_id=f"child-{index}", attempt=1, outcome="succeeded", output='{"sum":12345678}')


def build(store: Path, children: int) -> None:
    """Make the store: a large run and a small one, and their views."""
    with open_log(store) as log:
        for run_id, count in (("small", _SMALL), ("large", children)):
            facts, version, began = history(count), 0, time.perf_counter()
            while some := list(islice(facts, _BATCH)):
                log.append([FactBatch(run_id, version, some)])
                version += len(some)
            print(f"{run_id}: {version:,} events appended in {time.perf_counter() - began:.0f} s", flush=True)
        began = time.perf_counter()
        engine = ProjectionEngine(log, BUILT_IN)
        while engine.step():
            pass
        print(f"projected in {time.perf_counter() - began:.0f} s", flush=True)


class Took(NamedTuple):
    """How long a question took, in milliseconds."""

    median: float
    p99: float
    busy_median: float
    """Of the processor's time: what else the machine does makes no difference."""
    busy_p99: float


def measured(rounds: int, *asks: Callable[[], object]) -> list[Took]:
    """Ask in turn, so many rounds."""
    times: list[list[tuple[float, float]]] = [[] for _ in asks]
    for _ in range(rounds):
        for ask, took in zip(asks, times, strict=True):
            began, busy = time.perf_counter(), time.thread_time()
            ask()
            took.append((1_000 * (time.perf_counter() - began), 1_000 * (time.thread_time() - busy)))
    return [Took(*_two([wall for wall, _ in took]), *_two([busy for _, busy in took])) for took in times]


def _two(times: list[float]) -> tuple[float, float]:
    ordered = sorted(times)
    return ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]


def main() -> int:
    """Measure, print, and say whether it was good enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--children", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2_000)
    parser.add_argument("--at-most", type=float, metavar="MILLISECONDS", help="fail where a p99 is above it")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="build the store here, or use the one that is here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = (options.keep or Path(folder)) / "queries.db"
        if not store.exists():
            build(store, options.children)
        return measure(store, options.children, options.rounds, options.at_most)


def measure(store: Path, children: int, rounds: int, at_most: float | None) -> int:
    """Ask, print how long it took, and return the exit status."""
    chance = random.Random(1)  # noqa: S311 - which children are asked for is no secret
    with Orchestrator(store, must_exist=True) as orchestrator:

        def page(run_id: str, count: int, **given: str) -> list[object]:
            place = chance.randrange(count - _PAGE - 1)
            found = orchestrator.get(run_id).children(after=f"child-{place}", limit=_PAGE, **given)  # type: ignore[arg-type]
            return list(found)

        names = (
            "status",
            f"children, {_PAGE} by index",
            f"children, {_PAGE} by end, the latest first",
            "children, 10 of those that failed",
            "list, 20 runs",
            f"children of a run of {_SMALL:,}, {_PAGE} by index",
        )
        results = measured(
            rounds,
            lambda: orchestrator.get("large").status(),
            lambda: page("large", children),
            lambda: page("large", children, order="-finished"),
            lambda: orchestrator.get("large").children("failed", limit=10),
            lambda: orchestrator.list(limit=20),
            lambda: page("small", _SMALL),
        )
    print(f"a run of {children:,} children, {rounds:,} rounds")
    for name, took in zip(names, results, strict=True):
        wall = f"p50 {took.median:6.2f}   p99 {took.p99:6.2f}"
        busy = f"p50 {took.busy_median:6.2f}   p99 {took.busy_p99:6.2f}"
        print(f"  {name:<42} {wall} ms   of the processor's time {busy} ms")
    print(f"  a large run takes {results[1].median / results[5].median:.2f} times as long as a small one")
    good = at_most is None or all(took.p99 <= at_most for took in results[:2])
    print("good enough" if good else f"too slow: more than {at_most} ms")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
