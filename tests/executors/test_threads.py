"""The thread executor's promises: idempotent, nothing raised, no thread wasted, none left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.waiting import until

from actors.executors.threads import ThreadExecutor
from actors.executors.work import AttemptKey, Ending, Work
from orchestrator import current_child


class Endings:
    """What was reported, in order."""

    def __init__(self) -> None:
        self.all: list[tuple[AttemptKey, Ending]] = []

    def __call__(self, key: AttemptKey, ending: Ending) -> None:
        self.all.append((key, ending))

    def of(self, child_id: str) -> Ending:
        until(lambda: any(key.child_id == child_id for key, _ in self.all), what=f"the ending of {child_id}")
        return next(ending for key, ending in self.all if key.child_id == child_id)


@pytest.fixture
def tasks() -> dict[str, Callable[..., Any]]:
    return {"nothing": lambda: None, "double": lambda x: 2 * x}


@pytest.fixture
def executor(tasks: dict[str, Callable[..., Any]]) -> Iterator[ThreadExecutor]:
    made = ThreadExecutor(lambda name: tasks[name], threads_max=8, payload_bytes_max=10_000)
    yield made
    made.close(grace_seconds=5)


def work(child_id: str, task: str = "nothing", arguments: str = "{}", timeout_seconds: float | None = None) -> Work:
    return Work(AttemptKey("p", child_id, 1), 0, task, arguments, timeout_seconds)


def test_arguments_are_named_or_the_only_one_or_none(executor: ThreadExecutor) -> None:
    done = Endings()
    executor.submit(
        [work("named", "double", '{"x":2}'), work("only", "double", "3"), work("none", "nothing", "null")], done
    )
    assert done.of("named") == Ending("succeeded", "4")
    assert done.of("only") == Ending("succeeded", "6")
    assert done.of("none") == Ending("succeeded", "null")


def test_work_submitted_again_is_not_run_again(executor: ThreadExecutor, tasks: dict[str, Callable[..., Any]]) -> None:
    calls: list[int] = []
    gate = threading.Event()

    def count() -> None:
        calls.append(1)
        gate.wait(20)

    tasks["count"] = count
    first, second, third = Endings(), Endings(), Endings()
    executor.submit([work("a", "count")], first)
    until(lambda: calls)
    executor.submit([work("a", "count")], second)
    gate.set()
    assert second.of("a").outcome == "succeeded"
    assert not first.all, "the one who asked last is told"
    executor.submit([work("a", "count")], third)
    assert third.of("a").outcome == "succeeded"
    assert calls == [1]
    executor.forget([AttemptKey("p", "a", 1)])
    executor.submit([work("a", "count")], Endings())
    until(lambda: calls == [1, 1])


def test_work_cancelled_before_it_began_never_runs(
    executor: ThreadExecutor, tasks: dict[str, Callable[..., Any]]
) -> None:
    gate, ran = threading.Event(), []
    tasks["block"] = lambda: gate.wait(20)
    tasks["mark"] = lambda: ran.append(1)
    done = Endings()
    executor.submit([work(f"b{number}", "block") for number in range(8)], done)
    executor.submit([work("late", "mark")], done)
    executor.cancel([AttemptKey("p", "late", 1), AttemptKey("p", "nobody", 1)], reason="not wanted")
    ending = done.of("late")
    assert ending.outcome == "cancelled"
    assert "not wanted" in (ending.error or "")
    gate.set()
    until(lambda: len(done.all) == 9)
    assert not ran


def test_a_running_task_sees_that_it_is_cancelled(
    executor: ThreadExecutor, tasks: dict[str, Callable[..., Any]]
) -> None:
    begun = threading.Event()

    def listen() -> None:
        begun.set()
        assert current_child().cancelled.wait(20)
        raise RuntimeError("stopping")

    tasks["listen"] = listen
    done = Endings()
    executor.submit([work("a", "listen")], done)
    assert begun.wait(20)
    executor.cancel([AttemptKey("p", "a", 1)], reason="enough")
    assert done.of("a").outcome == "cancelled"


def test_tiny_tasks_never_hold_up_long_ones(executor: ThreadExecutor, tasks: dict[str, Callable[..., Any]]) -> None:
    """After thousands of tiny tasks one thread is woken for a hand-out; long ones must still all begin."""
    done = Endings()
    for batch in range(200):
        executor.submit([work(f"{batch}-{number}") for number in range(8)], done)
        until(lambda batch=batch: len(done.all) == 8 * (batch + 1))  # type: ignore[misc]
    assert executor._handout.tiny
    together = threading.Barrier(8)
    tasks["meet"] = lambda: together.wait(20) and None
    executor.submit([work(f"meet-{number}", "meet") for number in range(8)], done)
    until(lambda: len(done.all) == 1_608)
    assert all(ending.outcome == "succeeded" for _, ending in done.all)


def test_a_thread_lost_to_a_stuck_task_is_replaced(
    executor: ThreadExecutor, tasks: dict[str, Callable[..., Any]]
) -> None:
    gate = threading.Event()
    tasks["stuck"] = lambda: gate.wait(20)
    done = Endings()
    executor.submit([work(f"stuck-{number}", "stuck", timeout_seconds=0.02) for number in range(8)], done)
    for number in range(8):
        assert done.of(f"stuck-{number}").outcome == "timed_out"
    executor.submit([work("next", "double", "1")], done)
    assert done.of("next") == Ending("succeeded", "2")
    gate.set()
    until(lambda: len(executor._threads) <= 8)
    assert len(done.all) == 9, "what a stuck task returns late is told to nobody"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError(), StopIteration()])
def test_whatever_a_task_raises_is_an_ending(
    executor: ThreadExecutor, tasks: dict[str, Callable[..., Any]], error: BaseException
) -> None:
    def throw() -> None:
        raise error

    tasks["throw"] = throw
    done = Endings()
    executor.submit([work("a", "throw"), work("b", "double", "1")], done)
    assert done.of("a").outcome == "failed"
    assert type(error).__name__ in (done.of("a").error or "")
    assert done.of("b").outcome == "succeeded"


def test_closing_reports_what_was_interrupted_as_lost(tasks: dict[str, Callable[..., Any]]) -> None:
    executor = ThreadExecutor(lambda name: tasks[name], threads_max=1, payload_bytes_max=1_000)
    begun = threading.Event()

    def listen() -> None:
        begun.set()
        current_child().cancelled.wait(20)
        raise RuntimeError("stopping")

    tasks["listen"] = listen
    done = Endings()
    executor.submit([work("running", "listen"), work("queued")], done)
    assert begun.wait(20)
    executor.close(grace_seconds=10)
    for child_id in ("running", "queued"):
        assert done.of(child_id).outcome is None
        assert "closed" in (done.of(child_id).lost or "")
    assert not executor._threads


def test_closing_while_a_thread_begins_waits_for_it(
    tasks: dict[str, Callable[..., Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = ThreadExecutor(lambda name: tasks[name], threads_max=4, payload_bytes_max=1_000)
    raised: list[Exception] = []

    def close() -> None:
        try:
            executor.close(grace_seconds=10)
        except RuntimeError as error:
            raised.append(error)

    begin = threading.Thread.start
    closer = threading.Thread(target=close)

    def start(thread: threading.Thread) -> None:
        if thread is not closer and not closer.ident:
            closer.start()
            closer.join(0.2)  # it either goes wrong at once or waits for the thread that begins here
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    executor.submit([work("a")], Endings())
    closer.join(20)
    assert not closer.is_alive()
    assert raised == []
    assert not executor._threads


def test_finished_work_with_a_timeout_leaves_nothing_behind(executor: ThreadExecutor) -> None:
    done = Endings()
    executor.submit([work(str(number), timeout_seconds=600) for number in range(500)], done)
    until(lambda: len(done.all) == 500)
    until(lambda: not executor._roll.open and "look" not in executor._alarms._due)
    assert not executor._alarms._due
    executor.forget([AttemptKey("p", str(number), 1) for number in range(500)])
    assert not executor._roll._known


def test_twenty_milliseconds_are_waited_for_side_by_side(
    executor: ThreadExecutor, tasks: dict[str, Callable[..., Any]]
) -> None:
    """Eight sleepers at a time, never one after the other: a ratio, not a time."""
    running: list[int] = []
    most: list[int] = []

    def doze() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()

    tasks["doze"] = doze
    done = Endings()
    executor.submit([work(str(number), "doze") for number in range(64)], done)
    until(lambda: len(done.all) == 64)
    assert max(most) == 8
