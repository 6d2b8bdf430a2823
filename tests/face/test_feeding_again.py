"""Runs whose children come over time, started again; and children that are added one by one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pykka
import pytest

from events.commands import CreateChildren, PrepareChildren
from orchestrator import (
    Child,
    ContentConflictError,
    Limits,
    Orchestrator,
    Parallel,
    RunRefused,
    StartRun,
    StepOrderError,
    Threshold,
    UsageError,
)
from orchestrator.failed_source import failed_source
from tests.face import tasks
from tests.face.sources import Source, sound
from tests.support.waiting import until


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


# Once more


def test_a_started_run_is_fed_by_its_first_source_alone(gate: str) -> None:
    first = Source(1_000, lambda _: tasks.wait_at.child(gate=gate))
    second = Source(1_000)
    with Orchestrator("memory:", max_workers=2) as orchestrator:
        parallel = Parallel(children=iter(first))
        run = orchestrator.start(parallel, id="r")
        until(lambda: run.status().counts.running == 2)
        assert orchestrator.start(parallel, id="r").id == "r"
        assert orchestrator.start(Parallel(children=iter(second)), id="r").id == "r"
        assert (second.pulled, first.closed.is_set()) == (0, False)
        with pytest.raises(ContentConflictError, match="strategy"):
            orchestrator.start(Parallel(children=iter(second), strategy="any"), id="r")
        with pytest.raises(ContentConflictError, match="children"):
            orchestrator.start(Parallel(children=[tasks.nothing.child()]), id="r")
        run.cancel()


def test_a_finished_run_is_given_back_and_its_source_not_read() -> None:
    with Orchestrator("memory:") as orchestrator:
        orchestrator.start(Parallel(children=iter(Source(3))), id="r").settle(timeout=20)
        source = Source(3)
        again = orchestrator.start(Parallel(children=iter(source)), id="r")
        assert again.settle(timeout=5).counts.succeeded == 3
        assert source.pulled == 0


def test_known_children_are_passed_over_and_the_others_run(store: Path, gate: str) -> None:
    def make(number: int) -> Child:
        tasks.CALLS[f"{gate}/{number}"] += 1
        return tasks.wait_at.child(gate=gate) if number == 0 else tasks.square.child(x=number)

    with Orchestrator(store, max_workers=1, shutdown_seconds=0.2) as orchestrator:
        run = orchestrator.start(Parallel(children=iter(Source(20, make))), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
        until(lambda: run.status().counts.total >= 4)
    tasks.GATES[gate].set()
    with Orchestrator(store, max_workers=4) as orchestrator:
        run = orchestrator.start(Parallel(children=iter(Source(20, make))), id="r")
        result = run.settle(timeout=30)
        assert (result.status, result.counts.succeeded) == ("succeeded", 20)
        assert [child.index for child in run.children()] == list(range(20))
        assert [child.attempts for child in run.children()] == [2, *[1] * 19]
        sound(orchestrator, "r")
    assert tasks.CALLS[f"{gate}/0"] == 2


@pytest.mark.parametrize("place", [1, 5])
def test_a_known_id_with_other_work_fails_one_child(store: Path, gate: str, place: int) -> None:
    """Whether that child has ended (1) or not (5)."""

    def make(number: int) -> Child:
        return tasks.wait_at.child(gate=gate) if number == 5 else tasks.square.child(x=number)

    with Orchestrator(store, max_workers=1, shutdown_seconds=0.2) as orchestrator:
        orchestrator.start(Parallel(children=iter(Source(10**6, make))), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
    tasks.GATES[gate].set()
    name = "wait_at-5" if place == 5 else f"square-{place}"
    other = Source(20, lambda number: tasks.nothing.child().with_id(name) if number == place else make(number))
    with Orchestrator(store) as orchestrator:
        run = orchestrator.start(Parallel(children=iter(other)), id="r")
        result = run.settle(timeout=30)
        assert result.status == "failed"
        message = result.errors[f"source-{place}"]["message"]
        assert message == f"no more children after {place}: child {name!r} is on record with other work"


def test_a_source_that_failed_before_fails_no_second_child(store: Path, gate: str) -> None:
    """Killed after the child was added that stands for the failure, and before the run was closed."""

    def bad() -> Iterator[Child]:
        yield tasks.nothing.child()
        tasks.GATES[gate].wait(30)
        raise ValueError("in other words")

    parallel = Parallel(children=bad(), strategy=Threshold(count=1), on_decided="continue")
    with Orchestrator(store, shutdown_seconds=0.2) as orchestrator:
        run = orchestrator.start(parallel, id="r")
        until(lambda: run.status().counts.succeeded == 1)
        spec, at = failed_source("source-1", "no more children after 1: it failed"), orchestrator._engine.runtime.now()
        commands = (PrepareChildren(at=at, children=(spec,)), CreateChildren(at=at))
        orchestrator._engine.request("r", commands, 20)
    tasks.GATES[gate].set()
    with Orchestrator(store) as orchestrator:
        again = parallel.model_copy(update={"children": bad()})
        result = orchestrator.start(again, id="r").settle(timeout=20)
        assert (result.status, result.counts.total) == ("succeeded", 2)
        assert result.errors["source-1"]["message"] == "no more children after 1: it failed"


def test_a_run_whose_source_is_gone_goes_on_with_what_there_is_and_says_so(
    store: Path, gate: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(100, lambda _: tasks.wait_at.child(gate=gate))
    with Orchestrator(store, max_workers=1, shutdown_seconds=0.2) as orchestrator:
        orchestrator.start(Parallel(children=iter(source)), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
    tasks.GATES[gate].set()
    caplog.set_level(logging.WARNING, "orchestrator")
    with Orchestrator(store) as orchestrator:
        [run] = orchestrator.resume_all()
        total = run.status().counts.total
        assert f"run 'r' is open: its {total} children are gone on with" in caplog.text
        until(lambda: run.status().counts.succeeded == total)
        assert run.status().status == "running"
        assert run.close().status == "succeeded"
        assert run.settle(timeout=20).counts.total == total
        assert run.close().settled


# Adding and closing


def test_children_are_added_while_a_run_goes_on() -> None:
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[tasks.square.child(x=1)], open=True), id="r")
        until(lambda: run.status().counts.succeeded == 1)
        assert run.status().status == "running"
        assert run.add([tasks.square.child(x=2).with_id("two"), tasks.square.child(x=3)]).counts.total == 3
        assert run.add([tasks.square.child(x=2).with_id("two")]).counts.total == 3
        assert run.add([]).counts.total == 3
        run.close()
        result = run.settle(timeout=20)
        assert (result.status, sorted(result.outputs.values())) == ("succeeded", [1, 4, 9])
        assert [child.id for child in run.children()][:2] == ["square-0", "two"]
        with pytest.raises(StepOrderError, match="no longer be added"):
            run.add([tasks.square.child(x=9)])
        sound(orchestrator, "r")


def test_a_child_that_has_succeeded_is_known_by_its_work_all_the_same() -> None:
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[tasks.square.child(x=2).with_id("two")], open=True), id="r")
        until(lambda: run.status().counts.succeeded == 1)
        with pytest.raises(ContentConflictError, match="'two' was prepared before with other work"):
            run.add([tasks.square.child(x=3).with_id("three"), tasks.square.child(x=9).with_id("two")])
        assert run.add([tasks.square.child(x=2).with_id("two")]).counts.total == 1
        run.close()
        with pytest.raises(StepOrderError, match=r"run 'r': .* no longer be added"):
            run.add([tasks.square.child(x=3)])


@pytest.mark.parametrize(
    ("children", "words"),
    [
        (3, "add takes a list of Child, not 3"),
        (iter([tasks.nothing.child()]), "add takes a list of Child"),
        ([3], "children\\[0\\] has to be a Child, not 3"),
        ([Child(task="no-such-task")], "no task is named"),
        ([tasks.nothing.child().with_id("a"), tasks.nothing.child().with_id("a")], "used twice"),
        ([tasks.square.child(x=5).with_id("one")], "'one' was prepared before with other work"),
        ([tasks.nothing.child()] * 3, "children_max of 3"),
    ],
)
def test_what_cannot_be_added_is_refused_whole(gate: str, children: Any, words: str) -> None:
    with Orchestrator("memory:", limits=Limits(children_max=3)) as orchestrator:
        one = tasks.wait_at.child(gate=gate).with_id("one")
        run = orchestrator.start(Parallel(children=[one], open=True))
        with pytest.raises(UsageError, match=words):
            run.add(children)
        assert run.status().counts.total == 1
        tasks.GATES[gate].set()
        run.cancel()
        with pytest.raises(StepOrderError):
            run.add([tasks.nothing.child()])


def test_a_source_and_additions_go_together(gate: str) -> None:
    def slow() -> Iterator[Child]:
        yield tasks.square.child(x=1)
        tasks.GATES[gate].wait(30)
        yield tasks.square.child(x=2)

    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=slow(), open=True))
        until(lambda: run.status().counts.succeeded == 1)
        run.add([tasks.square.child(x=3)])
        tasks.GATES[gate].set()
        until(lambda: run.status().counts.succeeded == 3)
        assert run.status().status == "running"
        run.add([tasks.square.child(x=4)])
        run.close()
        assert run.settle(timeout=20).counts.succeeded == 4


def test_closing_a_run_ends_its_source() -> None:
    source = Source(10**9)
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=iter(source)))
        until(lambda: run.status().counts.succeeded > 0)
        run.close()
        assert source.closed.wait(20)
        result = run.settle(timeout=20)
        assert (result.status, result.errors) == ("succeeded", {})


def test_children_over_time_cannot_be_sent_in_a_message() -> None:
    heard: list[object] = []

    class Engine(pykka.ThreadingActor):
        def on_receive(self, message: object) -> None:
            heard.append(message)

    engine = Engine.start()
    try:
        with Orchestrator("memory:") as orchestrator:
            orchestrator.ref.tell(StartRun(Parallel(children=iter(())), "r", engine))
            until(lambda: heard)
            assert orchestrator.list() == []
    finally:
        engine.stop()
    [refused] = heard
    assert isinstance(refused, RunRefused)
    assert "children over time cannot be sent in a message" in refused.reason
