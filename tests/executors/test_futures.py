"""Executors of the user's own: threads, processes, and ones that misbehave."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.desk import Desk, pid_in
from tests.support.waiting import until

from actors.executors.futures import FuturesExecutor
from actors.executors.futures_call import HERE, Callee
from orchestrator import current_child, tasks

Make = Callable[..., Desk]
LOCAL: dict[str, Callable[..., Any]] = {}


def callee(name: str) -> Callee:
    if name.startswith("violent."):
        found = tasks.TASKS.find(name)
        return Callee(found, found.function)
    return Callee(LOCAL[name], LOCAL[name])


class Local(Desk):
    """A desk whose tasks may be any functions of a test."""

    def run_here(self, function: Callable[..., Any], child_id: str = "a", **limits: Any) -> None:
        name = f"{function.__qualname__}-{id(function)}"
        LOCAL[name] = function
        self.submit(self.work("x", child_id, limits=limits)._replace(task=name))


@pytest.fixture
def make() -> Iterator[Callable[[Executor], Local]]:
    made: list[Local] = []

    def make(executor: Executor) -> Local:
        made.append(Local(FuturesExecutor(callee, executor, name="mine", payload_bytes_max=1_000)))
        return made[-1]

    yield make
    for desk in made:
        desk.executor.close(grace_seconds=1)
    LOCAL.clear()
    until(lambda: not HERE, what="the end of all futures")


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def test_tasks_run_in_threads_of_the_users(make: Callable[[Executor], Local], threads: ThreadPoolExecutor) -> None:
    desk = make(threads)

    def look() -> Any:
        child = current_child()
        child.heartbeat(0.5, "half")
        return [threading.current_thread().name.startswith("ThreadPool"), child.key, child.attempt]

    desk.run_here(look)
    assert desk.ending().output == '[true,"parent/a",1]'
    assert [(said.part, said.message) for said in desk.progress["a"]] == [(0.5, "half")]
    assert desk.output("later", "b", x=1) == 2
    assert desk.run("fail", "c", how="exit").outcome == "failed"
    assert desk.error("c")["type"] == "SystemExit"
    assert desk.run("give", "d", size=5_000).outcome == "failed"
    assert "payload_bytes_max" in desk.error("d")["message"]
    desk.submit(desk.work("later", "b", x=1))
    assert desk.ending("b", calls=2).outcome == "succeeded"
    desk.executor.close(grace_seconds=1)
    assert threads.submit(int).result(5) == 0, "it was not shut down"


def test_tasks_run_in_processes_of_the_users(
    make: Callable[[Executor], Local], processes: ProcessPoolExecutor, tmp_path: Path
) -> None:
    desk = make(processes)
    who = desk.output("who")
    assert who["pid"] != os.getpid()
    assert who["ids"] == ["parent", "a", 1]
    assert desk.run("fail", "b", how="a reason").outcome == "failed"
    assert desk.error("b")["type"] == "ValueError"

    desk.run_here(lambda: 1, "c")
    assert desk.ending("c").outcome == "failed"
    assert "it is a lambda" in desk.error("c")["message"]

    gate = tmp_path / "gate"
    limits = {"grace_seconds": 0.2}
    desk.submit(desk.work("wait_for", "d", limits=limits, path=str(gate), begun=str(tmp_path / "d")))
    pid_in(tmp_path / "d")
    desk.cancel("d")
    assert desk.ending("d").outcome == "cancelled", "it cannot listen, and is given up"
    desk.executor.forget([desk.key("d")])
    gate.touch()
    late = desk.ending("d", calls=2)
    assert (late.outcome, late.late) == ("cancelled" if late.error else "succeeded", True)


def test_a_pool_that_breaks_loses_its_attempts_and_takes_no_more(
    make: Callable[[Executor], Local], processes: ProcessPoolExecutor, tmp_path: Path
) -> None:
    desk = make(processes)
    for name in ("other", "second"):
        desk.submit(desk.work("wait_for", name, path=str(tmp_path / f"{name} ends"), begun=str(tmp_path / name)))
        pid_in(tmp_path / name)
    (tmp_path / "second ends").touch()  # before that the pool may not watch its second process yet
    assert desk.ending("second").outcome == "succeeded"
    desk.submit(desk.work("kill", number=signal.SIGKILL))
    for child_id in ("a", "other"):
        ending = desk.ending(child_id)
        assert ending.outcome is None
        assert (ending.lost or "").startswith("executor 'mine' broke: BrokenProcessPool: ")
    assert desk.run("double", "b", x=1).outcome == "failed"
    assert desk.error("b")["type"] == "TaskNotStarted"
    assert "does not take it: BrokenProcessPool" in desk.error("b")["message"]


def test_what_has_not_begun_is_taken_back_and_what_listens_ends(
    make: Callable[[Executor], Local], threads: ThreadPoolExecutor
) -> None:
    desk, begun, ran = make(threads), threading.Semaphore(0), []

    def listen() -> None:
        begun.release()
        assert current_child().cancelled.wait(30)
        raise RuntimeError("as asked")

    desk.run_here(listen, "a")
    desk.run_here(listen, "b")
    assert begun.acquire(timeout=30)
    assert begun.acquire(timeout=30)
    desk.run_here(lambda: ran.append(1), "c")
    desk.cancel("c")
    assert desk.error("c") == {"type": "Cancelled", "message": "enough"}
    desk.cancel("a")
    assert desk.ending("a").outcome == "cancelled"
    assert desk.error("a")["message"] == "as asked"
    desk.cancel("b")
    assert desk.ending("b").outcome == "cancelled"
    assert not ran


def test_what_does_not_listen_is_given_up_and_ends_late(
    make: Callable[[Executor], Local], threads: ThreadPoolExecutor
) -> None:
    desk, begun, gate = make(threads), threading.Semaphore(0), threading.Event()

    def deaf() -> int:
        begun.release()
        gate.wait(30)
        return 5

    desk.run_here(deaf, "a", grace_seconds=0.05)
    desk.run_here(deaf, "b", timeout_seconds=0.3)
    assert begun.acquire(timeout=30)
    assert begun.acquire(timeout=30)
    desk.cancel("a")
    assert desk.ending("a").outcome == "cancelled"
    assert desk.ending("b").outcome == "timed_out"
    desk.run_here(deaf, "c", grace_seconds=0.0)
    desk.cancel("c")
    assert desk.ending("c").outcome == "cancelled"
    desk.executor.forget([desk.key("a"), desk.key("b"), desk.key("c")])
    gate.set()
    for child_id in ("a", "b"):
        late = desk.ending(child_id, calls=2)
        assert (late.late, late.output) == (True, "5")
    assert len(desk.endings["c"]) == 1, "it never began"


def test_time_spent_waiting_for_the_executor_does_not_count(
    make: Callable[[Executor], Local], threads: ThreadPoolExecutor
) -> None:
    desk, gate = make(threads), threading.Event()
    for child_id in ("a", "b"):
        desk.run_here(lambda: gate.wait(30), child_id)
    desk.run_here(lambda: 7, "c", timeout_seconds=0.2)
    never = threading.Event()
    never.wait(0.6)
    assert not desk.endings["c"]
    gate.set()
    assert desk.ending("c").output == "7"


def test_who_is_silent_for_too_long_is_given_up_where_that_can_be_heard(
    make: Callable[[Executor], Local], threads: ThreadPoolExecutor
) -> None:
    desk, gate = make(threads), threading.Event()
    desk.run_here(lambda: gate.wait(30), heartbeat_timeout_seconds=0.1)
    assert desk.ending().outcome == "timed_out"
    assert desk.error()["type"] == "HeartbeatMissed"
    gate.set()


class Odd(Executor):
    """An executor that does with work what it is told."""

    def __init__(self, act: Callable[[Future[Any]], object]) -> None:
        self._act = act

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._act(future)
        return future


class UnpleasantError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def raise_unpleasant(_: Any) -> None:
    raise UnpleasantError


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (raise_unpleasant, "does not take it: UnpleasantError: "),
        (lambda _: sys.exit("no"), "does not take it: SystemExit: no"),
        (lambda future: future.set_exception(UnpleasantError()), "could not run it: UnpleasantError: "),
        (lambda future: future.set_exception(KeyboardInterrupt()), "could not run it: KeyboardInterrupt: "),
        (lambda future: future.set_result(5), "gave back something else"),
        (lambda future: future.set_result('["succeeded", 5, null]'), "gave back something else"),
        (lambda future: future.set_result("x" * 2_000_000), "gave back something else"),
    ],
)
def test_what_an_executor_does_instead_is_an_error_of_the_attempt(
    make: Callable[[Executor], Local], act: Callable[[Future[Any]], object], message: str
) -> None:
    desk = make(Odd(act))
    assert desk.run("double", x=1).outcome == "failed"
    assert message in desk.error()["message"]
    HERE.clear()


def test_a_future_that_somebody_else_cancels_is_a_lost_attempt(make: Callable[[Executor], Local]) -> None:
    desk = make(Odd(lambda future: future.cancel()))
    for attempt in (1, 2):
        desk.submit(desk.work("double", x=1)._replace(key=desk.key("a")._replace(attempt=attempt)))
        assert desk.ending(calls=attempt).lost == "executor 'mine' cancelled it"
    desk.submit(desk.work("double", x=1)._replace(key=desk.key("a")._replace(attempt=3)))
    assert desk.ending(calls=3).outcome == "failed", "it would be so for ever"
    assert desk.error()["message"] == "executor 'mine' cancelled it (3 times)"


def test_an_executor_whose_futures_say_nothing_keeps_nobody_waiting(make: Callable[[Executor], Local]) -> None:
    desk = make(Odd(lambda future: None))
    assert desk.run("double", limits={"timeout_seconds": 0.2}, x=1).outcome == "timed_out"


def test_an_executor_that_never_takes_work_holds_up_neither_timeouts_nor_close() -> None:
    gate = threading.Event()
    desk = Local(FuturesExecutor(callee, Odd(lambda future: gate.wait(30)), name="mine", payload_bytes_max=9))
    desk.submit(desk.work("double", limits={"grace_seconds": 0.1}, x=1), desk.work("double", "b", x=1))
    desk.cancel()
    assert desk.ending().outcome == "cancelled"
    desk.executor.close(grace_seconds=0.1)
    assert desk.ending("b").lost == "the orchestrator was closed before the task ended"
    gate.set()
    until(lambda: not any(thread.name == "orchestrator-futures-mine" for thread in threading.enumerate()))
    HERE.clear()


def test_close_reports_what_runs_and_what_comes_later_as_lost(
    make: Callable[[Executor], Local], threads: ThreadPoolExecutor
) -> None:
    desk, gate = make(threads), threading.Event()
    for child_id in ("a", "b", "c"):
        desk.run_here(lambda: gate.wait(30), child_id)
    until(lambda: len(HERE) == 3, what="the hand-out")
    desk.executor.close(grace_seconds=0.1)
    assert desk.ending("a").lost == "the orchestrator was closed before the task ended"
    assert (desk.ending("c").lost or "").startswith("the orchestrator was closed")
    assert desk.run("double", "d", x=1).lost == "the orchestrator was closed"
    gate.set()
    until(lambda: not HERE, what="the end of the futures")
    assert len(desk.endings["a"]) == 1
