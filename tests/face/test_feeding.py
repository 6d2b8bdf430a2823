"""Children over time: pulled from a source as slots free up, added while the run goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator import (
    Child,
    ClosedError,
    Orchestrator,
    Parallel,
    Threshold,
    UsageError,
)
from orchestrator.feed import AHEAD_MAX
from tests.face import tasks
from tests.face.sources import Source, sound
from tests.support.waiting import until


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


# Every kind of source


@pytest.mark.parametrize("kind", ["generator", "iterable", "map", "set", "async"])
def test_children_come_from_anything_that_can_be_iterated(kind: str) -> None:
    source = Source(40)
    made: dict[str, Callable[[], Any]] = {
        "generator": lambda: iter(source),
        "iterable": lambda: source,
        "map": lambda: (tasks.square.child(x=number) for number in range(40)),
        "set": lambda: dict.fromkeys(range(40)).keys() and map(source.make, range(40)),
        "async": source.later,
    }
    with Orchestrator("memory:", max_workers=4) as orchestrator:
        run = orchestrator.start(Parallel(children=made[kind]()), id="r")
        result = run.settle(timeout=30)
        assert result.outputs == {f"square-{number}": number * number for number in range(40)}
        assert result.status == "succeeded"
        types = [event.type for event in run.history()]
        assert types.count("MembershipClosed") == 1
        sound(orchestrator, "r")


@pytest.mark.parametrize("nothing", [lambda: iter(()), Source(0).later])
def test_a_source_without_children_closes_a_run_without_children(nothing: Callable[[], Any]) -> None:
    with Orchestrator("memory:") as orchestrator:
        assert orchestrator.start(Parallel(children=nothing())).settle(timeout=20).status == "succeeded"
        any_one = orchestrator.start(Parallel(children=nothing(), strategy="any")).settle(timeout=20)
        assert (any_one.status, any_one.counts.total) == ("failed", 0)
        two = Parallel(children=[tasks.nothing.child()], open=True, strategy=Threshold(count=2))
        run = orchestrator.start(two)
        run.close()
        assert run.settle(timeout=20).status == "failed"


@pytest.mark.parametrize(
    ("children", "words"),
    [
        (5, "not 5"),
        (None, "not None"),
        ("abc", "children"),
        (b"abc", "children"),
        ({"a": tasks.nothing.child()}, "children"),
        (tasks.nothing.child(), "children"),
        ([1], "children.0"),
    ],
)
def test_what_gives_no_children_is_refused_when_it_is_written_down(children: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Parallel(children=children)


# Back-pressure


@pytest.mark.parametrize("kind", ["generator", "async"])
def test_a_source_is_pulled_a_little_ahead_of_its_workers_and_no_further(gate: str, kind: str) -> None:
    source = Source(1_000_000, lambda _: tasks.wait_at.child(gate=gate))
    with Orchestrator("memory:", max_workers=2, shutdown_seconds=2) as orchestrator:
        run = orchestrator.start(Parallel(children=iter(source) if kind == "generator" else source.later()))
        until(lambda: run.status().counts.running == 2)
        until(lambda: run.status().counts.pending >= 2)
        run.cancel()
        run.settle(timeout=20)
        assert source.pulled <= 2 + 4 * 2
        assert source.closed.wait(20)


def test_many_children_are_pulled_no_further_ahead_than_the_bound(store: Path) -> None:
    many, workers = 6_000, 4
    furthest = 0
    ended = 0

    class Ear:
        def children_ended(self, children: Any) -> None:
            nonlocal ended
            ended += len(children)

        def changed(self) -> None:
            pass

    def count(number: int) -> Child:
        nonlocal furthest
        latest = run.status().counts if number % 500 == 0 and number else None
        if latest is not None:
            furthest = max(furthest, number - (latest.total - latest.pending - latest.running))
        return tasks.nothing.child()

    begun = threading.Event()
    source = Source(many, lambda number: count(number) if begun.wait(20) else None)
    with Orchestrator("memory:", max_workers=workers) as orchestrator:
        run = orchestrator.start(Parallel(children=iter(source), max_workers=workers))
        begun.set()
        result = run.settle(timeout=100)
        assert result.counts.succeeded == many
    assert 0 < furthest <= workers + 4 * workers + AHEAD_MAX + 1


def test_a_source_that_blocks_holds_up_neither_what_it_gave_nor_other_runs(gate: str) -> None:
    def slow() -> Iterator[Child]:
        yield tasks.square.child(x=2)
        yield tasks.square.child(x=3)
        tasks.GATES[gate].wait(30)
        yield tasks.square.child(x=4)

    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=slow()))
        until(lambda: run.status().counts.succeeded == 2)
        other = orchestrator.start(Parallel(children=iter([tasks.square.child(x=5)])))
        assert other.settle(timeout=20).status == "succeeded"
        assert run.status().status == "running"
        tasks.GATES[gate].set()
        assert run.settle(timeout=20).counts.succeeded == 3


def test_a_paused_run_is_not_fed_for_ever(gate: str) -> None:
    source = Source(1_000, lambda _: tasks.nothing.child())
    with Orchestrator("memory:", max_workers=1) as orchestrator:
        first = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=gate)]))
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
        run = orchestrator.start(Parallel(children=iter(source)))  # no slot is free
        until(lambda: run.status().counts.pending == 4)
        tasks.GATES[gate].set()
        assert run.settle(timeout=60).counts.succeeded == 1_000
        assert first.settle(timeout=20).status == "succeeded"


# The end of it


def test_a_decided_run_closes_its_source() -> None:
    source = Source(10**9, lambda number: tasks.fail.child() if number == 3 else tasks.nothing.child())
    with Orchestrator("memory:", max_workers=2) as orchestrator:
        run = orchestrator.start(Parallel(children=iter(source)))
        assert run.settle(timeout=30).status == "failed"
        assert source.closed.wait(20)
        assert source.pulled < 10_000


def test_a_run_that_runs_every_child_is_fed_on_after_its_decision() -> None:
    source = Source(50, lambda number: tasks.fail.child() if number == 3 else tasks.nothing.child())
    with Orchestrator("memory:", max_workers=2) as orchestrator:
        run = orchestrator.start(Parallel(children=iter(source), on_decided="continue"), id="r")
        counts = run.settle(timeout=30).counts
        assert (run.status().status, counts.failed, counts.succeeded) == ("failed", 1, 49)
        sound(orchestrator, "r")


@pytest.mark.parametrize("kind", ["generator", "async"])
def test_a_run_without_end_is_cancelled_within_the_grace(kind: str) -> None:
    source = Source(10**9)
    with Orchestrator("memory:") as orchestrator:
        children: Any = iter(source) if kind == "generator" else source.later()
        run = orchestrator.start(Parallel(children=children))
        until(lambda: run.status().counts.succeeded > 10)
        run.cancel("enough")
        assert run.settle(timeout=20).status == "cancelled"
        assert source.closed.wait(20)


def test_an_async_source_that_waits_is_broken_off_and_cleans_up() -> None:
    ended: list[str] = []

    async def waiting() -> AsyncIterator[Child]:
        try:
            yield tasks.nothing.child()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("cleaned up")

    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=waiting()))
        until(lambda: run.status().counts.succeeded == 1)
        run.cancel()
        until(lambda: ended == ["cleaned up"])
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=waiting()))
        until(lambda: run.status().counts.succeeded == 1)
    assert ended == ["cleaned up"] * 2


def test_closing_stops_a_source_and_says_so_where_it_does_not_listen(
    gate: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(10**9)
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=iter(source)))
        until(lambda: run.status().counts.succeeded > 10)
    assert source.closed.is_set()
    assert caplog.messages == []

    def deaf() -> Iterator[Child]:
        yield tasks.nothing.child()
        tasks.GATES[gate].wait(30)

    with Orchestrator("memory:", shutdown_seconds=0.1) as orchestrator:
        run = orchestrator.start(Parallel(children=deaf()))
        until(lambda: run.status().counts.succeeded == 1)
    assert "its thread is abandoned" in caplog.text
    tasks.GATES[gate].set()
    with pytest.raises(ClosedError):
        run.settle(timeout=1)
