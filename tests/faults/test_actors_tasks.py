"""Python tasks that do everything a task should not. Each ends with one clear outcome, its neighbours with theirs."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Child, Limits, Orchestrator, Parallel, TaskRegistry, current_child
from orchestrator.tasks import Task
from tests.faults.table import Tally
from tests.faults.verdict import judge_file
from tests.support.waiting import until

LONG = 30_000_000


class BaseOnly(BaseException):
    """Nobody's `except Exception` catches it."""


class MuteError(Exception):
    def __str__(self) -> str:
        raise SystemExit("not even my text")


class VerboseError(Exception):
    def __str__(self) -> str:
        return "x" * LONG


class ShamelessError(Exception):
    """Breaks whoever prints its traceback."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__notes__":
            raise RuntimeError("no notes")
        return super().__getattribute__(name)


class Nameless(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__qualname__", "__module__", "__name__"):
            raise RuntimeError("no name")
        return super().__getattribute__(name)


class UnnamedError(Exception, metaclass=Nameless):
    pass


def broken_syntax() -> SyntaxError:
    error = SyntaxError("broken")
    error.text, error.lineno, error.offset, error.filename = 5, "x", "y", "f"  # type: ignore[assignment]
    return error


def chained() -> Exception:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    return first


def deep() -> Any:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


def wide() -> Any:
    """Small in memory; beyond every measure as text."""
    value: list[Any] = [1]
    for _ in range(150):
        value = [value, value]
    return value


def cyclic() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


RAISED: dict[str, Callable[[], BaseException]] = {
    "SystemExit": lambda: SystemExit(7),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "BaseOnly": lambda: BaseOnly("base"),
    "CancelledError": asyncio.CancelledError,
    "Mute": MuteError,
    "Verbose": VerboseError,
    "Shameless": ShamelessError,
    "Unnamed": UnnamedError,
    "SyntaxError": broken_syntax,
    "ExceptionGroup": lambda: ExceptionGroup("many", [ValueError(str(number)) for number in range(1000)]),
    "StopIteration": StopIteration,
    "MemoryError": MemoryError,
    "UnicodeError": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "\ud800"),
    "chained": chained,
}
RETURNED: dict[str, Callable[[], Any]] = {
    "deep": deep,
    "wide": wide,
    "cyclic": cyclic,
    "huge": lambda: "x" * LONG,
    "many": lambda: [0] * 5_000_000,
    "set": lambda: {1},
    "nan": lambda: float("nan"),
    "digits": lambda: 10**5_000,
    "lambda": lambda: cyclic,
    "keys": lambda: {1: 2},
    "generator": lambda: (number for number in range(3)),
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def registry(**functions: Callable[..., Any]) -> TaskRegistry:
    made = TaskRegistry()
    for name, function in functions.items():
        made.add(Task(function, name))
    return made


def fine() -> str:
    return "fine"


@pytest.fixture
def open_with(store: Path) -> Iterator[Callable[..., Orchestrator]]:
    opened: list[Orchestrator] = []

    def make(tasks: TaskRegistry, **options: Any) -> Orchestrator:
        settings: dict[str, Any] = {"tasks": tasks, "max_workers": 4, "shutdown_seconds": 1.0}
        opened.append(Orchestrator(store, **settings | options))
        return opened[-1]

    yield make
    for orchestrator in opened:
        orchestrator.close()


def test_whatever_a_task_raises_fails_it_and_nobody_else(
    open_with: Callable[..., Orchestrator], store: Path, tally: Tally
) -> None:
    def throw(what: str) -> None:
        raise RAISED[what]()

    orchestrator = open_with(registry(throw=throw, fine=fine))
    children = [Child(id=name, task="throw", input={"what": name}) for name in RAISED]
    neighbours = [Child(id=f"fine-{name}", task="fine") for name in RAISED]
    run = orchestrator.start(Parallel(children=[*children, *neighbours], on_decided="continue", child_timeout=30))
    result = run.settle(timeout=60)
    assert (result.counts.failed, result.counts.succeeded) == (len(RAISED), len(RAISED))
    for name, error in result.errors.items():
        assert isinstance(error["type"], str), name
        assert isinstance(error["message"], str), name
        assert len(str(error)) < 100_000
    orchestrator.close()
    judge_file(store, max_workers=4)
    tally("tasks: what they raise", rounds=1, faults=len(RAISED), lost=0, double=0, completed=1)


def test_whatever_a_task_returns_is_kept_or_refused_with_a_reason(
    open_with: Callable[..., Orchestrator], store: Path, tally: Tally
) -> None:
    def give(what: str) -> Any:
        return RETURNED[what]()

    orchestrator = open_with(registry(give=give, fine=fine), limits=Limits(payload_bytes_max=1_048_576))
    children = [Child(id=name, task="give", input={"what": name}) for name in RETURNED]
    parallel = Parallel(children=[*children, Child(task="fine")], on_decided="continue", child_timeout=30)
    run = orchestrator.start(parallel)
    result = run.settle(timeout=60)
    assert result.counts.failed == len(RETURNED)
    assert {error["type"] for error in result.errors.values()} == {"InvalidPayloadError", "LimitExceededError"}
    assert "payload_bytes_max" in result.errors["wide"]["message"]
    orchestrator.close()
    judge_file(store, max_workers=4)
    tally("tasks: what they return", rounds=1, faults=len(RETURNED), lost=0, refused=len(RETURNED), completed=1)


def test_tasks_that_block_past_their_timeout_are_bounded_by_a_limit(
    open_with: Callable[..., Orchestrator], tally: Tally
) -> None:
    """Each keeps its thread. Over the limit others fail with its name, instead of threads without end."""
    gate = threading.Event()

    def stuck() -> None:
        gate.wait(60)

    before = threading.active_count()
    orchestrator = open_with(registry(stuck=stuck, fine=fine), limits=Limits(abandoned_threads_max=20))
    try:
        children = [Child(task="stuck") for _ in range(60)]
        run = orchestrator.start(Parallel(children=children, on_decided="continue", child_timeout=0.05))
        result = run.settle(timeout=60)
        assert threading.active_count() - before < 20 + 4 + 10
        assert result.counts.timed_out + result.counts.failed == 60
        assert result.counts.timed_out >= 20
        messages = {error["message"] for error in result.errors.values() if error["type"] != "TimedOut"}
        assert len(messages) == 1
        assert "abandoned_threads_max" in messages.pop()
        assert orchestrator.start(Parallel(children=[Child(task="fine")])).settle(timeout=20).status == "failed"
    finally:
        gate.set()
    until(lambda: threading.active_count() - before < 12, what="the stuck threads to end")
    again = orchestrator.start(Parallel(children=[Child(task="fine")]), id="again").settle(timeout=20)
    assert again.status == "succeeded"
    tally("tasks: blocked past their timeout", rounds=1, faults=60, refused=result.counts.failed, completed=3)


def test_threads_that_cannot_be_started_fail_children_and_nothing_else(
    open_with: Callable[..., Orchestrator], monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    orchestrator = open_with(registry(fine=fine))
    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if "worker" in thread.name:
            raise RuntimeError("can't start new thread")
        begin(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        run = orchestrator.start(Parallel(children=[Child(task="fine") for _ in range(20)], on_decided="continue"))
        result = run.settle(timeout=20)
        assert result.counts.failed == 20
        assert "can't start new thread" in result.errors["fine-0"]["message"]
    run = orchestrator.start(Parallel(children=[Child(task="fine") for _ in range(20)]), id="later")
    assert run.settle(timeout=20).status == "succeeded"
    tally("tasks: no threads to be had", rounds=1, faults=20, refused=20, completed=2)


def test_tasks_that_change_the_process_do_not_change_the_record(
    open_with: Callable[..., Orchestrator], store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    """Another working folder, children of their own, threads that outlive them, commands beside them."""
    monkeypatch.chdir(tmp_path)
    gate = threading.Event()
    left: list[threading.Thread] = []

    def leave() -> str:
        os.chdir("/")
        return str(Path.cwd())

    def outlive() -> None:
        thread = threading.Thread(target=gate.wait, args=(60,))
        left.append(thread)
        thread.start()

    def child() -> int:
        return subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, check=True).returncode

    def fork() -> int:
        pid = os.fork()
        if pid == 0:
            os._exit(3)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    tasks = registry(leave=leave, outlive=outlive, child=child, fork=fork)
    orchestrator = open_with(tasks)
    children = [Child(task=name) for name in ("leave", "outlive", "child", "fork")]
    run = orchestrator.start(Parallel(children=[*children, Child(command="pwd")], max_workers=1))
    result = run.settle(timeout=30)
    assert result.status == "succeeded", result.errors
    assert result.outputs["fork-3"] == 3
    assert result.outputs["shell-4"]["stdout"] == f"{tmp_path}\n"
    gate.set()
    for thread in left:
        thread.join(10)
    orchestrator.close()
    judge_file(store, max_workers=4)
    tally("tasks: that change their process", rounds=1, faults=5, lost=0, completed=1)


def test_a_task_may_use_the_orchestrator_that_runs_it(
    open_with: Callable[..., Orchestrator], store: Path, tally: Tally
) -> None:
    holder: list[Orchestrator] = []

    def nest(depth: int) -> int:
        if not depth:
            return 1
        inner = Parallel(children=[Child(task="nest", input={"depth": depth - 1})])
        run = holder[0].start(inner, id=f"{current_child().parent_id}.{depth}")
        value = run.result(timeout=20).outputs["nest-0"]
        return int(value) + 1

    holder.append(open_with(registry(nest=nest), max_workers=8))
    run = holder[0].start(Parallel(children=[Child(task="nest", input={"depth": 3})]), id="outer")
    assert run.settle(timeout=30).outputs["nest-0"] == 4
    holder[0].close()
    assert judge_file(store, max_workers=8).settled == 4
    tally("tasks: that use their orchestrator", rounds=1, faults=3, completed=4)


def test_cancelled_coroutines_that_swallow_it_are_timed_out(
    open_with: Callable[..., Orchestrator], tally: Tally
) -> None:
    gate = threading.Event()

    async def swallow() -> None:
        while not gate.is_set():
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                continue

    def recurse() -> None:
        recurse()

    orchestrator = open_with(registry(swallow=swallow, recurse=recurse))
    children = [Child(task="swallow", timeout=0.2), Child(task="recurse"), Child(task="swallow", timeout=0.2)]
    result = orchestrator.start(Parallel(children=children, on_decided="continue")).settle(timeout=20)
    assert (result.counts.timed_out, result.counts.failed) == (2, 1)
    assert result.errors["recurse-1"]["type"] == "RecursionError"
    gate.set()
    tally("tasks: deaf or without end", rounds=1, faults=3, completed=1)


# What can only be done to a process of its own

PROGRAM = """
import os, sys, threading, time
from orchestrator import Orchestrator, Parallel, Child, task
@task
def bad(): {bad}
@task
def good(): return 1
if __name__ == "__main__":
    orchestrator = Orchestrator(sys.argv[1], max_workers=2)
    orchestrator.resume_all()
    children = [Child(task="bad", on_lost="fail", timeout=5), *[Child(task="good") for _ in range(20)]]
    run = orchestrator.start(Parallel(children=children, on_decided="continue"), id="r")
    status = run.settle(timeout=20).status
    orchestrator.close()
    raise SystemExit(0 if status in ("failed", "succeeded") else 9)
"""

PROCESS_FAULTS = {
    "exits at once": "os._exit(3)",
    "closes the standard streams": "[os.close(number) for number in (0, 1, 2)]",
    "closes them and prints": "[os.close(n) for n in (0, 1, 2)]; open('/dev/null'); sys.stdout.write('x' * 100000)",
    "deletes the store": "[os.unlink(name) for name in list(sys.argv[1:2])]",
    "kills its process": "os.kill(os.getpid(), 9)",
    "leaves a thread that raises": "threading.Thread(target=lambda: (time.sleep(1), 1 / 0), daemon=True).start()",
    "exits from a thread of its own": "threading.Thread(target=lambda: os._exit(4)).start(); time.sleep(30)",
    "dumps core": "os.abort()",
}


def test_tasks_that_attack_their_process(tmp_path: Path, chance: random.Random, rounds: int, tally: Tally) -> None:
    """The process may die. The record holds, and the next process goes on to the end."""
    for number, what in enumerate(chance.sample(sorted(PROCESS_FAULTS), 3) if rounds == 1 else PROCESS_FAULTS):
        attack(what, tmp_path / f"{number}.db", tally)


def attack(what: str, store: Path, tally: Tally) -> None:
    command = [sys.executable, "-c", PROGRAM.format(bad=PROCESS_FAULTS[what]), str(store)]
    codes = []
    for _ in range(3):
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert time.monotonic() - began < 40
        codes.append(done.returncode)
        if done.returncode == 0:
            break
        if what == "deletes the store":
            assert "events.errors.Store" in done.stderr, done.stderr
    assert what == "deletes the store" or codes[-1] == 0, done.stderr
    if store.exists():
        verdict = judge_file(store, max_workers=2)
        assert verdict.settled == len(verdict.states)
    tally("tasks: that attack their process", rounds=len(codes), faults=1, lost=0, double=0, completed=1)
