"""Children that are parents themselves: strategies, slots, depth, cancelling, retries, redrives, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator import (
    Child,
    LimitExceededError,
    Limits,
    Orchestrator,
    Parallel,
    Retry,
    Run,
    TaskRegistry,
    Threshold,
    UnknownTaskError,
    UsageError,
)
from orchestrator.definition import NESTING_DEPTH_MAX
from orchestrator.tasks import Task
from tests.face import tasks
from tests.support.waiting import until


def inner(*children: Child, child_id: str = "inner", **settings: Any) -> Child:
    return Child(id=child_id, parallel=Parallel(children=list(children), **settings))


def squares(*numbers: int) -> list[Child]:
    return [tasks.square.child(x=number) for number in numbers]


def types(orchestrator: Orchestrator, run_id: str) -> list[str]:
    return [event.type for event in orchestrator.get(run_id).history()]


def test_a_nested_parent_counts_as_one_child_and_has_a_run_of_its_own() -> None:
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[*squares(2), inner(*squares(3, 4))]), id="outer")
        result = run.settle(timeout=20)
        assert result.status == "succeeded"
        assert result.outputs["square-0"] == 4
        told = result.outputs["inner"]
        assert (told["id"], told["status"], told["counts"]["succeeded"]) == ("outer/inner", "succeeded", 2)
        assert orchestrator.get("outer/inner").result(timeout=20).outputs == {"square-0": 9, "square-1": 16}
        assert [status.id for status in orchestrator.list()] == ["outer", "outer/inner"]


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_nests_of_any_depth_never_wait_for_themselves_with_one_worker(depth: int) -> None:
    child = inner(*squares(1, 2, 3), max_workers=1)
    for _ in range(depth - 1):
        child = inner(child, *squares(5), max_workers=1)
    with Orchestrator("memory:", max_workers=1) as orchestrator:
        run = orchestrator.start(Parallel(children=[child, *squares(7)], max_workers=1))
        assert run.settle(timeout=20).status == "succeeded"
        assert len(orchestrator.list()) == depth + 1


def test_a_parent_that_runs_one_child_at_a_time_keeps_their_order() -> None:
    children = [*squares(1), inner(*squares(2)), *squares(3), inner(*squares(4), child_id="other"), *squares(5)]
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=children, max_workers=1), id="outer")
        assert run.settle(timeout=20).status == "succeeded"
        started = [event.data["child_id"] for event in run.history() if event.type == "ChildStarted"]
        assert started == ["square-0", "inner", "square-2", "other", "square-4"]


def test_what_a_parent_says_of_attempts_is_not_meant_for_a_parent_in_it() -> None:
    slow = inner(*squares(1), tasks.fail.child())
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[slow], retry=Retry(max_attempts=3), child_timeout=0.001), id="r")
        assert run.settle(timeout=20).status == "failed"
        assert [child.attempts for child in run.children()] == [1]
        assert [event.data.get("limits") for event in run.history() if event.type == "ChildPrepared"] == [None]


def test_each_parent_has_its_own_strategy() -> None:
    one_is_enough = inner(tasks.fail.child(), *squares(2), child_id="any", strategy="any", on_decided="continue")
    most = inner(tasks.fail.child(), *squares(2, 3, 4), child_id="most", strategy=Threshold(percent=75))
    every = inner(tasks.fail.child(), *squares(2), child_id="all", on_decided="continue")
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[one_is_enough, most, every], strategy=Threshold(count=2)))
        result = run.settle(timeout=20)
        assert result.status == "succeeded"
        assert {child.id: child.status for child in run.children()}["any"] == "succeeded"


def test_a_failed_nested_parent_fails_its_child_and_says_where() -> None:
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[inner(tasks.fail.child())]), id="outer")
        error = run.settle(timeout=20).errors["inner"]
        assert error["type"] == "NestedRunEnded"
        assert error["message"].startswith("run 'outer/inner' failed: 1 of 1 ended without success")


def test_the_outer_parents_cap_counts_nested_parents(gate: str) -> None:
    nests = [inner(tasks.wait_at.child(gate=gate), child_id=f"n{number}") for number in range(3)]
    with Orchestrator("memory:", max_workers=8) as orchestrator:
        run = orchestrator.start(Parallel(children=nests, max_workers=2))
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 2)
        assert run.status().counts.running == 2
        tasks.GATES[gate].set()
        assert run.settle(timeout=20).status == "succeeded"


def test_cancelling_goes_down_and_the_outcome_comes_up(gate: str) -> None:
    deep = inner(inner(tasks.wait_at.child(gate=gate)), *squares(1), child_id="deep")
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[deep]), id="outer")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
        run.cancel("enough")
        assert run.settle(timeout=20).status == "cancelled"
        for run_id in ("outer/deep", "outer/deep/inner"):
            assert orchestrator.get(run_id).status().status == "cancelled"
            assert orchestrator.get(run_id).status().settled
        assert [child.status for child in run.children()] == ["cancelled"]


def test_cancelling_reaches_a_nest_that_goes_on_after_its_decision(gate: str) -> None:
    waits = [tasks.fail.child(), tasks.wait_at.child(gate=gate), tasks.wait_at.child(gate=gate)]
    nest = inner(*waits, on_decided="continue", max_workers=2)
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[nest]), id="outer")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 2)
        assert orchestrator.get("outer/inner").result(timeout=20).status == "failed"
        run.cancel("enough")
        assert run.settle(timeout=20).status == "cancelled"
        assert orchestrator.get("outer/inner").status().settled


def test_a_nested_run_that_is_cancelled_by_itself_is_a_cancelled_child(gate: str) -> None:
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[inner(tasks.wait_at.child(gate=gate))]), id="outer")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
        orchestrator.get("outer/inner").cancel("this one only")
        assert run.settle(timeout=20).status == "failed"
        assert [child.status for child in run.children()] == ["cancelled"]


def test_pausing_does_not_go_down(gate: str) -> None:
    nest = inner(tasks.wait_at.child(gate=gate), *squares(1), max_workers=1)
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[nest, *squares(2)], max_workers=1), id="outer")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
        run.pause()
        tasks.GATES[gate].set()
        assert orchestrator.get("outer/inner").settle(timeout=20).counts.succeeded == 2
        until(lambda: run.status().counts.succeeded == 1, what="the child that the inner run is")
        assert run.status().counts.pending == 1, "the outer run starts nothing"
        run.resume()
        assert run.settle(timeout=20).counts.succeeded == 2


def test_the_first_decision_stops_the_other_nests(gate: str) -> None:
    nests = [inner(*squares(1), child_id="quick"), inner(tasks.wait_at.child(gate=gate), child_id="slow")]
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=nests, strategy="any"), id="outer")
        assert run.settle(timeout=20).status == "succeeded"
        statuses = {child.id: child.status for child in run.children()}
        assert statuses["quick"] == "succeeded"
        assert statuses["slow"] in ("cancelled", "skipped")


def test_a_retry_of_a_nested_parent_runs_again_only_what_had_failed(gate: str) -> None:
    nest = Child(
        id="inner",
        parallel=Parallel(children=[*squares(2), tasks.fail_until.child(times=2, name=gate)], on_decided="continue"),
        retry=Retry(max_attempts=3),
    )
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[nest]), id="outer")
        assert run.settle(timeout=20).status == "succeeded"
        attempts = {child.id: child.attempts for child in orchestrator.get("outer/inner").children()}
        assert attempts == {"square-0": 1, "fail_until-1": 3}
        assert types(orchestrator, "outer/inner").count("Redriven") == 2
        assert [child.attempts for child in run.children()] == [3]


def test_an_inner_run_that_is_redriven_by_itself_leaves_the_outer_one_as_it_was_decided(gate: str) -> None:
    with Orchestrator("memory:") as orchestrator:
        flaky = tasks.fail_until.child(times=1, name=f"{gate}/a").with_id("a")
        outer = orchestrator.start(Parallel(children=[inner(flaky, tasks.square.child(x=2))]), id="outer")
        assert outer.settle(timeout=20).status == "failed"
        before = outer.status()
        within = orchestrator.get("outer/inner")
        within.redrive()
        assert within.settle(timeout=20).status == "succeeded"
        assert outer.status() == before
        outer.redrive()
        assert outer.settle(timeout=20).status == "succeeded"
        assert types(orchestrator, "outer/inner").count("Redriven") == 1, "it had succeeded: there was nothing to do"
        assert tasks.CALLS[f"{gate}/a"] == 2


def test_what_was_nested_is_gone_on_with_by_the_next_orchestrator(tmp_path: Path, gate: str) -> None:
    nest = inner(inner(*squares(1), tasks.wait_at.child(gate=gate)), child_id="deep")
    with Orchestrator(tmp_path / "runs.db", shutdown_seconds=0.1) as first:
        first.start(Parallel(children=[nest], max_workers=1), id="outer")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
    tasks.GATES[gate].set()
    with Orchestrator(tmp_path / "runs.db") as second:
        assert second.resume("outer").settle(timeout=20).status == "succeeded"
        deep = second.get("outer/deep/inner")
        assert {child.id: child.attempts for child in deep.children()} == {"square-0": 1, "wait_at-1": 2}
        assert "AttemptLost" not in types(second, "outer")


def test_a_run_that_is_there_already_under_the_nested_id_fails_the_child() -> None:
    with Orchestrator("memory:") as orchestrator:
        orchestrator.start(Parallel(children=squares(1)), id="outer/inner").settle(timeout=20)
        run = orchestrator.start(Parallel(children=[inner(*squares(2))]), id="outer")
        error = run.settle(timeout=20).errors["inner"]
        assert error["type"] == "ContentConflictError"
        assert "could not be started" in error["message"]


def test_long_ids_are_cut_and_stay_apart() -> None:
    longest = "x" * 200
    nests = [inner(*squares(number), child_id=f"{number}" + "y" * 199) for number in (1, 2)]
    with Orchestrator("memory:") as orchestrator:
        assert orchestrator.start(Parallel(children=nests), id=longest).settle(timeout=20).status == "succeeded"
        ids = [status.id for status in orchestrator.list()]
        assert len(set(ids)) == 3
        assert max(map(len, ids)) == 200


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"timeout": 3}, "takes no timeout"),
        ({"on_lost": "fail"}, "takes no on_lost"),
        ({"task": "square"}, "needs either a task or a command"),
        ({"command": "true"}, "needs either a task or a command"),
        ({"input": {"x": 1}}, "takes no input"),
        ({"keys": ("a",)}, "takes no keys"),
    ],
)
def test_what_a_nested_parent_cannot_have_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Child(id="a", parallel=Parallel(children=squares(1)), **settings)


def test_what_is_wrong_deep_down_is_refused_before_anything_is_written() -> None:
    unknown = inner(inner(Child(task="nobody"), child_id="y"), child_id="x")
    impossible = inner(*squares(1), strategy=Threshold(count=2))
    with Orchestrator("memory:") as orchestrator:
        with pytest.raises(UnknownTaskError, match=r"children\[0\] \('x'\): children\[0\] \('y'\): no task is named"):
            orchestrator.start(Parallel(children=[unknown]))
        with pytest.raises(UsageError, match=r"children\[0\] \('inner'\): .* needs at least 2 successes, has 1 child"):
            orchestrator.start(Parallel(children=[impossible]))
        assert orchestrator.list() == []


def nest_of(depth: int) -> Parallel:
    parallel = Parallel(children=squares(1))
    for _ in range(depth):
        parallel = Parallel(children=[Child(id="n", parallel=parallel)])
    return parallel


def test_nests_that_are_too_deep_are_refused() -> None:
    with Orchestrator("memory:", limits=Limits(nesting_depth_max=3)) as orchestrator:
        assert orchestrator.start(nest_of(3)).settle(timeout=20).status == "succeeded"
        with pytest.raises(LimitExceededError, match="nesting_depth_max of 3"):
            orchestrator.start(nest_of(4))
    with pytest.raises(UsageError, match=f"nested more than {NESTING_DEPTH_MAX} levels deep"):
        nest_of(1_000_000)


def test_a_resume_needs_the_tasks_of_nested_children_too(tmp_path: Path, gate: str) -> None:
    with Orchestrator(tmp_path / "runs.db", shutdown_seconds=0.1) as first:
        first.start(Parallel(children=[inner(tasks.wait_at.child(gate=gate))]), id="outer")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
    tasks.GATES[gate].set()
    registry = TaskRegistry()
    registry.add(Task(tasks.square.function, "square"))
    with (
        Orchestrator(tmp_path / "runs.db", tasks=registry) as second,
        pytest.raises(UnknownTaskError, match="wait_at"),
    ):
        second.resume("outer")
    with Orchestrator(tmp_path / "runs.db") as third:
        assert third.resume("outer").settle(timeout=20).status == "succeeded"


def test_the_same_content_is_the_same_run() -> None:
    def asked() -> Parallel:
        return Parallel(children=[inner(inner(*squares(1, 2)))])

    with Orchestrator("memory:", max_workers=3) as orchestrator:
        run: Run = orchestrator.start(asked(), id="r")
        run.settle(timeout=20)
        assert orchestrator.start(asked(), id="r").result(timeout=20).status == "succeeded"


def test_no_task_can_have_the_name_of_nested_parents() -> None:
    with pytest.raises(UsageError, match="cannot be named 'parallel'"):
        TaskRegistry().add(Task(tasks.square.function, "parallel"))
