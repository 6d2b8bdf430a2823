"""A workflow engine drives a parent step by step, through the Protocols of `orchestrator.interfaces`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from events.invariants import check_history
from orchestrator import (
    Child,
    ContentConflictError,
    Orchestrator,
    Parallel,
    RunNotFoundError,
    RunOwnedError,
    StepOrderError,
    Threshold,
    UsageError,
)
from orchestrator.interfaces import ChildTaskManager, Response, StatusAggregator, TaskOrchestrator
from tests.face import tasks
from tests.support.places import place_of


@pytest.fixture(params=["memory", "postgres"])
def orchestrator(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Orchestrator]:
    with Orchestrator(place_of(request, tmp_path), max_workers=2) as made:
        yield made


def three() -> list[Child]:
    return [tasks.square.child(x=x).with_id(f"c{x}") for x in range(3)]


def test_the_orchestrator_is_all_three_interfaces(orchestrator: Orchestrator) -> None:
    for interface in (TaskOrchestrator, ChildTaskManager, StatusAggregator):
        assert isinstance(orchestrator, interface)
    assert orchestrator.task_type == "parallel"


def test_the_steps_in_order_run_the_children_here(orchestrator: Orchestrator) -> None:
    created = orchestrator.create_state(Parallel(strategy=Threshold(count=2), metadata={"flow": "f"}), id="r")
    assert (created.status, created.counts.total) == ("pending", 0)
    assert orchestrator.prepare_children("r", three()).counts.total == 3
    assert orchestrator.create_children("r").status == "pending"
    metadata = orchestrator.get_children_metadata("r")
    assert (metadata.count, metadata.strategy.kind, metadata.strategy.required) == (3, "threshold", 2)
    assert (metadata.max_workers, metadata.custom) == (2, {"flow": "f"})
    run = orchestrator.prepare_execution("r")
    assert run.settle(timeout=20).status == "succeeded"
    assert orchestrator.calculate_status("r") == "succeeded"


def test_the_engine_may_run_the_children_by_itself(orchestrator: Orchestrator) -> None:
    orchestrator.create_state(Parallel(), id="r")
    orchestrator.prepare_children("r", three())
    orchestrator.create_children("r")
    assert orchestrator.should_update_status("r", "pending") is False
    assert orchestrator.handle_response("r", "c1", Response("succeeded", output=1)).status == "running"
    assert orchestrator.should_update_status("r", "pending") is True
    assert orchestrator.handle_response("r", "c2", Response("succeeded", output=4)).status == "running"
    again = orchestrator.handle_response("r", "c2", Response("failed", error="late"))
    assert (again.counts.succeeded, again.counts.failed) == (2, 0)
    last = orchestrator.handle_response("r", "c0", Response("failed", error={"type": "Broken"}))
    assert (last.status, last.settled, last.decided_by) == ("failed", True, "c0")
    assert orchestrator.should_update_status("r", "failed") is False
    assert [child.status for child in orchestrator.get("r").children()] == ["failed", "succeeded", "succeeded"]


def test_preparing_twice_changes_nothing_and_other_work_is_refused(orchestrator: Orchestrator) -> None:
    orchestrator.create_state(Parallel(), id="r")
    first = orchestrator.prepare_children("r", three())
    assert orchestrator.prepare_children("r", three()).version == first.version
    with pytest.raises(ContentConflictError, match="'c0'"):
        orchestrator.prepare_children("r", [tasks.square.child(x=9).with_id("c0")])
    more = orchestrator.prepare_children("r", [tasks.square.child(x=3).with_id("c3")])
    assert more.counts.total == 4
    created = orchestrator.create_children("r")
    assert orchestrator.create_children("r").version == created.version


@pytest.mark.parametrize("step", ["prepare", "create", "execute", "respond"])
def test_a_step_out_of_order_says_so(orchestrator: Orchestrator, step: str) -> None:
    with pytest.raises((StepOrderError, RunNotFoundError)):
        orchestrator.prepare_children("r", three())
    orchestrator.create_state(Parallel(), id="r")
    if step == "create":
        with pytest.raises(StepOrderError, match="prepare them first"):
            orchestrator.create_children("r")
    orchestrator.prepare_children("r", three())
    if step == "execute":
        with pytest.raises(StepOrderError, match="create its children"):
            orchestrator.prepare_execution("r")
    if step == "respond":
        with pytest.raises(StepOrderError, match="not created"):
            orchestrator.handle_response("r", "c0", Response("succeeded"))
    orchestrator.create_children("r")
    if step == "prepare":
        with pytest.raises(StepOrderError, match="closed"):
            orchestrator.prepare_children("r", [tasks.square.child(x=9).with_id("late")])


def test_creating_is_all_or_nothing(orchestrator: Orchestrator) -> None:
    orchestrator.create_state(Parallel(strategy=Threshold(count=4)), id="r")
    orchestrator.prepare_children("r", three())
    with pytest.raises(UsageError, match="needs at least 4 successes, has 3 children"):
        orchestrator.create_children("r")
    assert "ChildCreated" not in [event.type for event in orchestrator.get("r").history()]


def test_responses_for_children_that_we_run_are_refused(orchestrator: Orchestrator) -> None:
    orchestrator.start(Parallel(children=three()), id="r").settle(timeout=20)
    with pytest.raises(RunOwnedError):
        orchestrator.handle_response("r", "c0", Response("succeeded"))
    with pytest.raises(UsageError, match="an outcome is one of"):
        orchestrator.handle_response("r", "c0", Response("great"))  # type: ignore[arg-type]


def test_a_late_response_is_recorded_and_flips_nothing(orchestrator: Orchestrator) -> None:
    orchestrator.create_state(Parallel(strategy="any"), id="r")
    orchestrator.prepare_children("r", three())
    orchestrator.create_children("r")
    decided = orchestrator.handle_response("r", "c2", Response("succeeded", output=4))
    assert (decided.status, decided.settled) == ("succeeded", False)
    orchestrator.handle_response("r", "c0", Response("failed", error="too late"))
    last = orchestrator.handle_response("r", "c1", Response("succeeded", output=1))
    assert (last.status, last.settled, last.counts.failed, last.counts.succeeded) == ("succeeded", True, 1, 2)
    check_history([record.fact for record in orchestrator._engine.log.read("r")])


def test_the_engine_may_run_tasks_that_we_do_not_know(orchestrator: Orchestrator) -> None:
    orchestrator.create_state(Parallel(), id="r")
    orchestrator.prepare_children("r", [Child(id="a", task="known-to-the-engine", input=1)])
    orchestrator.create_children("r")
    assert orchestrator.resume_all() == []
    assert orchestrator.handle_response("r", "a", Response("succeeded")).settled


def test_a_failure_has_no_output_on_record(orchestrator: Orchestrator) -> None:
    orchestrator.create_state(Parallel(), id="r")
    orchestrator.prepare_children("r", three())
    orchestrator.create_children("r")
    orchestrator.handle_response("r", "c0", Response("failed", error="no"))
    finished = next(event for event in orchestrator.get("r").history() if event.type == "ChildFinished")
    assert "output" not in finished.data
    assert finished.data["error"] == '"no"'
