"""Where children run, as the user sees it: threads and the event loop, heartbeats, and those who do not listen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from events.invariants import check_history
from events.log import open_log
from orchestrator import (
    Child,
    Orchestrator,
    Parallel,
    Retry,
    Run,
    Task,
    TaskRegistry,
    UnknownTaskError,
    UsageError,
    current_child,
)
from orchestrator.tasks import TaskSettings
from tests.support.waiting import until

GATE = threading.Event()
SEEN: list[str] = []


async def add(x: int, y: int = 1) -> int:
    await asyncio.sleep(0)
    return x + y


async def who() -> dict[str, Any]:
    child = current_child()
    await asyncio.sleep(0.001)
    assert current_child() is child
    return {"key": child.key, "attempt": child.attempt, "thread": threading.current_thread().name}


async def fail_once() -> str:
    await asyncio.sleep(0)
    if current_child().attempt == 1:
        raise ConnectionResetError("try again")
    return "done"


async def leave() -> None:
    raise SystemExit(3)


async def sleep_long() -> None:
    SEEN.append("begun")
    try:
        await asyncio.sleep(60)
    finally:
        SEEN.append("tidied up")


async def silent() -> None:
    await asyncio.sleep(60)


async def tell() -> str:
    for step in range(4):
        current_child().heartbeat(progress=step / 4, message=f"step {step}")
        await asyncio.sleep(0.005)
    return "told"


def deaf() -> str:
    SEEN.append("begun")
    GATE.wait(30)
    return "late"


def plain() -> str:
    return threading.current_thread().name


class Adder:
    """A callable object that is async."""

    async def __call__(self, x: int) -> int:
        return x + 1


def settings(**fields: Any) -> TaskSettings:
    return TaskSettings(**fields)


@pytest.fixture
def tasks() -> TaskRegistry:
    registry = TaskRegistry()
    for function in (add, who, fail_once, leave, sleep_long, silent, tell, deaf, plain):
        registry.add(Task(function, function.__name__))
    registry.add(Task(Adder(), "adder"))
    registry.add(Task(who, "who_in_a_thread", settings(executor="threads")))
    registry.add(Task(plain, "plain_async", settings(executor="async")))
    registry.add(Task(plain, "plain_nowhere", settings(executor="gpu")))
    registry.add(Task(plain, "plain_commands", settings(executor="commands")))
    return registry


@pytest.fixture
def orchestrator(tasks: TaskRegistry, tmp_path: Path) -> Iterator[Orchestrator]:
    GATE.clear()
    SEEN.clear()
    with Orchestrator(tmp_path / "runs.db", max_workers=50, tasks=tasks, shutdown_seconds=1.0) as made:
        yield made
        GATE.set()
    with open_log(tmp_path / "runs.db") as log:
        for parent_id, _ in log.parents():
            check_history([record.fact for record in log.read(parent_id)])


def child(task: str, child_id: str | None = None, **fields: Any) -> Child:
    return Child(id=child_id, task=task, **fields)


def types(run: Run) -> list[str]:
    return [event.type for event in run.history()]


# Who runs where


def test_async_tasks_run_on_one_loop_and_others_in_threads(orchestrator: Orchestrator) -> None:
    children = [child("who", "a"), child("who", "b"), child("who_in_a_thread", "c"), child("plain", "d")]
    outputs = orchestrator.start(Parallel(children=children), id="r").result(timeout=20).outputs
    assert outputs["a"] == {"key": "r/a", "attempt": 1, "thread": "orchestrator-loop"}
    assert outputs["b"]["thread"] == "orchestrator-loop"
    assert outputs["c"]["thread"].startswith("orchestrator-worker-")
    assert outputs["d"].startswith("orchestrator-worker-")


def test_async_children_take_arguments_and_give_outputs(orchestrator: Orchestrator) -> None:
    children = [child("add", f"c{x}", input={"x": x}) for x in range(200)]
    result = orchestrator.start(Parallel(children=[*children, child("adder", "object", input=4)])).result(timeout=20)
    assert result.outputs == {**{f"c{x}": x + 1 for x in range(200)}, "object": 5}


def test_what_an_async_child_raises_is_its_own_affair(orchestrator: Orchestrator) -> None:
    children = [child("leave", "a"), child("add", "b", input={"x": 1})]
    result = orchestrator.start(Parallel(children=children, on_decided="continue")).settle(timeout=20)
    assert result.errors["a"]["type"] == "SystemExit"
    assert result.outputs == {"b": 2}


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (
            "plain_nowhere",
            r"task 'plain_nowhere' is to run on executor 'gpu', which is not there; there are .*'async'.*",
        ),
        ("plain_commands", "executor 'commands', which is not there"),
        ("plain_async", "task 'plain_async' is no `async def`"),
    ],
)
def test_a_task_that_cannot_run_here_is_refused_before_anything_is_written(
    orchestrator: Orchestrator, task: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        orchestrator.start(Parallel(children=[child("plain"), child(task)]), id="r")
    assert orchestrator.list() == []


def test_a_run_is_not_resumed_where_an_executor_is_not_there(tasks: TaskRegistry, tmp_path: Path) -> None:
    """The task has moved to an executor that this process does not have."""
    GATE.clear()
    SEEN.clear()
    with Orchestrator(tmp_path / "runs.db", tasks=tasks, shutdown_seconds=0.1) as orchestrator:
        orchestrator.start(Parallel(children=[child("sleep_long")]), id="r")
        until(lambda: SEEN)
    moved = TaskRegistry()
    moved.add(Task(sleep_long, "sleep_long", settings(executor="gpu")))
    with (
        Orchestrator(tmp_path / "runs.db", tasks=moved) as orchestrator,
        pytest.raises(UnknownTaskError, match="sleep_long"),
    ):
        orchestrator.resume("r")


# Retries, heartbeats, limits


def test_a_retry_on_a_type_is_one_on_those_derived_from_it(orchestrator: Orchestrator) -> None:
    again = Retry(max_attempts=2, retry_on=(OSError,))
    run = orchestrator.start(Parallel(children=[child("fail_once", "a", retry=again)]))
    assert run.result(timeout=20).outputs == {"a": "done"}
    never = Retry(max_attempts=2, retry_on=(KeyError,))
    run = orchestrator.start(Parallel(children=[child("fail_once", "a", retry=never)]))
    assert run.settle(timeout=20).errors["a"]["message"] == "try again"


def test_a_command_cannot_be_waited_for_by_heartbeats() -> None:
    with pytest.raises(UsageError, match="a command sends no heartbeats"):
        Child(command="sleep 1", heartbeat_timeout=1)


def test_a_missed_heartbeat_is_a_timeout(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[child("silent", "a", heartbeat_timeout=0.05)]))
    result = run.settle(timeout=20)
    assert result.counts.timed_out == 1
    assert result.errors["a"]["type"] == "HeartbeatMissed"


def test_progress_comes_on_record(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[child("tell", "a", heartbeat_timeout=30)]))
    assert run.result(timeout=20).outputs == {"a": "told"}
    (told, *_) = [event for event in run.history() if event.type == "ChildProgressed"]
    assert told.data["message"].startswith("step ")


def test_a_total_timeout_is_named(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[child("silent", "a", total_timeout=0.1)]))
    assert "total_timeout" in run.settle(timeout=20).errors["a"]["message"]


# Cancelling


def test_cancelling_a_run_cancels_its_coroutines(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[child("sleep_long", f"c{n}", grace=0.05) for n in range(20)]))
    until(lambda: len(SEEN) == 20)
    run.cancel("enough")
    assert run.settle(timeout=20).counts.cancelled == 20
    assert SEEN.count("tidied up") == 20


def test_a_thread_that_does_not_listen_is_given_up_and_its_result_comes_late(orchestrator: Orchestrator) -> None:
    children = [child("deaf", "deaf", grace=0.05, timeout=0.05), child("sleep_long", "keeps the run open")]
    run = orchestrator.start(Parallel(children=children, on_decided="continue"), id="r")
    until(lambda: run.status().counts.timed_out == 1)
    assert "AttemptEndedLate" not in types(run)
    GATE.set()
    until(lambda: "AttemptEndedLate" in types(run))
    (late,) = [event for event in run.history() if event.type == "AttemptEndedLate"]
    assert (late.data["child_id"], late.data["attempt"], late.data["outcome"]) == ("deaf", 1, "succeeded")
    assert run.children(outcome="timed_out")[0].id == "deaf", "it flips nothing"


def test_a_result_that_comes_when_the_run_is_over_is_recorded_all_the_same(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[child("deaf", "deaf", grace=0.02)]), id="r")
    until(lambda: SEEN)
    run.cancel("enough")
    assert run.settle(timeout=20).status == "cancelled"
    until(lambda: not orchestrator._engine.attends_to("r"), what="the run's actor to go")
    GATE.set()
    until(lambda: types(run)[-1] == "AttemptEndedLate")
    assert run.status().status == "cancelled"
    until(lambda: not orchestrator._engine.attends_to("r"), what="the run's actor to go once more")


def test_all_executors_share_the_time_that_closing_takes(tasks: TaskRegistry, tmp_path: Path) -> None:
    """A coroutine is asked to stop while threads are waited for, not after that."""
    GATE.clear()
    SEEN.clear()

    async def listen() -> None:
        SEEN.append("begun")
        while not current_child().cancelled.is_set():
            await asyncio.sleep(0.005)
        SEEN.append("asked")
        GATE.set()

    tasks.add(Task(listen, "listen"))
    with Orchestrator(tmp_path / "runs.db", tasks=tasks, shutdown_seconds=20.0) as orchestrator:
        orchestrator.start(Parallel(children=[child("listen", "a"), child("deaf", "b")]), id="r")
        until(lambda: SEEN.count("begun") == 2)
    assert "asked" in SEEN, "the thread, which ends after it, was waited for"
    with Orchestrator(tmp_path / "runs.db", tasks=tasks) as orchestrator:
        assert {view.id: view.status for view in orchestrator.get("r").children()} == {
            "a": "succeeded",
            "b": "succeeded",
        }
