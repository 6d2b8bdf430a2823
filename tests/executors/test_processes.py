"""Worker processes: what they run, how it ends, what is left. Nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.desk import Desk, children, descriptors, gone, pid_in, place
from tests.support.waiting import until

from actors.executors.processes import ProcessExecutor
from actors.executors.work import Progress

MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk() -> Iterator[MakeDesk]:
    made: list[Desk] = []

    def make(processes_max: int = 2, payload_bytes_max: int = 1_000, **options: Any) -> Desk:
        executor = ProcessExecutor(place, processes_max=processes_max, payload_bytes_max=payload_bytes_max, **options)
        made.append(Desk(executor))
        return made[-1]

    yield make
    for desk in made:
        desk.executor.close(grace_seconds=0)


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    return make_desk()


@pytest.fixture(scope="module")
def lasting() -> Iterator[Desk]:
    executor = ProcessExecutor(place, processes_max=1, payload_bytes_max=1_000)
    made = Desk(executor)
    assert made.output("double", x=1) == 2
    yield made
    executor.close(grace_seconds=0)


@pytest.fixture
def kept(lasting: Desk) -> Iterator[Desk]:
    """One worker process that goes through many tests, and must survive them all."""
    lasting.executor.forget([lasting.key(child_id) for child_id in lasting.endings])
    lasting.endings.clear()
    lasting.progress.clear()
    before = pids(lasting)
    yield lasting
    assert pids(lasting) == before


def pids(desk: Desk) -> list[int]:
    assert isinstance(desk.executor, ProcessExecutor)
    return desk.executor.process_ids


# What runs


def test_functions_and_coroutines_run_in_a_process_of_their_own_that_is_kept(desk: Desk) -> None:
    assert pids(desk) == [], "no process before the first attempt"
    assert desk.output("double", x=4) == 8
    first = pids(desk)
    assert desk.output("later", "b", x=4) == 5
    who = desk.output("who", "c")
    assert pids(desk) == first == [who["pid"]]
    assert who["pid"] == who["session"] != os.getpid(), "it leads a session of its own"
    assert who["ids"] == ["parent", "c", 1]
    assert (who["stdin"], who["folder"], who["argv"]) == ("/dev/null", str(Path.cwd()), sys.argv)
    assert who["main_thread"]


def test_there_are_as_many_processes_as_may_be_and_each_runs_one_attempt(desk: Desk, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    desk.submit(*(desk.work("wait_for", str(n), path=str(gate), begun=f"{tmp_path}/{n}") for n in range(5)))
    assert len({pid_in(tmp_path / "0"), pid_in(tmp_path / "1")}) == 2
    desk.cancel("4")
    assert desk.error("4") == {"type": "Cancelled", "message": "enough"}, "it had not begun"
    assert len(pids(desk)) == 2
    assert not (tmp_path / "2").exists()
    gate.touch()
    assert all(desk.ending(str(number)).outcome == "succeeded" for number in range(4))
    assert len(pids(desk)) == 2


def test_work_submitted_again_is_not_run_again(desk: Desk, tmp_path: Path) -> None:
    work = desk.work("wait_for", path=str(tmp_path / "gate"), begun=str(tmp_path / "begun"))
    desk.submit(work)
    pid_in(tmp_path / "begun")
    desk.submit(work)
    (tmp_path / "gate").touch()
    assert desk.ending().outcome == "succeeded"
    desk.submit(work)
    assert desk.ending(calls=2).outcome == "succeeded"
    desk.executor.forget([desk.key()])
    (tmp_path / "begun").unlink()
    desk.submit(work)
    pid_in(tmp_path / "begun")
    assert desk.ending(calls=3).outcome == "succeeded"
    assert len(pids(desk)) == 1


@pytest.mark.parametrize(
    ("how", "error"), [("exit", "SystemExit"), ("interrupt", "KeyboardInterrupt"), ("a reason", "ValueError")]
)
def test_whatever_is_raised_is_an_ending_and_the_worker_goes_on(kept: Desk, how: str, error: str) -> None:
    assert kept.run("fail", how=how).outcome == "failed"
    assert kept.error()["type"] == error
    assert "violent.py" in kept.error()["traceback"]
    before = pids(kept)
    assert kept.output("double", "b", x=1) == 2
    assert pids(kept) == before


def test_outputs_are_json_and_within_their_limit(kept: Desk) -> None:
    assert kept.run("give", size=20_000_000).outcome == "failed"
    assert kept.error()["type"] == "LimitExceededError"
    assert "payload_bytes_max" in kept.error()["message"]
    assert kept.run("odd", "b").outcome == "failed"
    assert kept.error("b")["type"] == "InvalidPayloadError"
    assert len(kept.output("give", "c", size=900)) == 900
    assert len(pids(kept)) == 1


def test_large_inputs_and_outputs_go_through(make_desk: MakeDesk) -> None:
    desk = make_desk(payload_bytes_max=8_000_000)
    assert desk.run("fail", how="y" * 3_000_000).outcome == "failed"
    assert desk.error()["message"].startswith("yyy")
    assert len(desk.output("give", "b", size=7_000_000)) == 7_000_000


def test_arguments_that_do_not_fit_fail_their_attempt(kept: Desk) -> None:
    assert kept.run("double", y=1).outcome == "failed"
    assert kept.error()["type"] == "InvalidPayloadError"


def test_a_fork_that_returns_from_its_task_is_no_second_ending(kept: Desk) -> None:
    assert kept.output("forked") == "parent"
    assert kept.output("double", "b", x=1) == 2
    assert len(kept.endings["a"]) == 1


def test_an_interrupt_does_nothing_to_a_worker(kept: Desk, tmp_path: Path) -> None:
    """Ctrl-C is for the program that owns it, which decides what follows."""
    kept.submit(kept.work("wait_for", path=str(tmp_path / "gate"), begun=str(tmp_path / "begun")))
    os.kill(pid_in(tmp_path / "begun"), signal.SIGINT)
    (tmp_path / "gate").touch()
    assert kept.ending().outcome == "succeeded"


def test_a_worker_may_have_an_orchestrator_of_its_own(kept: Desk) -> None:
    two, echoed = kept.output("nest", x=1)
    assert (two, echoed["stdout"]) == (2, "within\n")


def test_what_a_task_prints_is_printed_by_its_end(
    desk: Desk, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    desk.submit(desk.work("speak", text="hello"))
    assert desk.ending().outcome == "succeeded"
    assert capfd.readouterr().out == "hello\n"


# Heartbeats


def test_progress_is_heard_thinned_out_and_the_last_of_it_too(kept: Desk) -> None:
    kept.submit(kept.work("beat", times=5_000))
    assert kept.ending().outcome == "succeeded"
    assert 1 <= len(kept.progress["a"]) < 1_000
    assert kept.progress["a"][-1] == Progress(1.0, "5000 of 5000")


def test_heartbeats_of_a_thread_that_a_task_left_behind_are_nobodys(kept: Desk) -> None:
    kept.submit(kept.work("haunt", seconds=0.6))
    assert kept.ending().outcome == "succeeded"
    kept.submit(kept.work("nap", "b", seconds=0.3))
    assert kept.ending("b").outcome == "succeeded"
    assert not kept.progress["b"]
    assert len(pids(kept)) == 1


def test_who_gives_heartbeats_lives_and_who_does_not_is_killed(desk: Desk) -> None:
    limits = {"heartbeat_timeout_seconds": 2.5}
    desk.submit(
        desk.work("beat", "lively", limits=limits, times=35, gap_seconds=0.1),
        desk.work("beat", "silent", limits=limits, times=1, then_seconds=30.0),
    )
    assert desk.ending("silent").outcome == "timed_out"
    assert desk.error("silent")["type"] == "HeartbeatMissed"
    assert desk.ending("lively").outcome == "succeeded"


# Stopping


def test_a_task_that_takes_too_long_is_killed_and_its_neighbour_is_not(desk: Desk, tmp_path: Path) -> None:
    never, gate = str(tmp_path / "never"), tmp_path / "gate"
    desk.submit(
        desk.work("wait_for", "slow", limits={"timeout_seconds": 1.5}, path=never, begun=str(tmp_path / "slow")),
        desk.work("wait_for", "other", path=str(gate), begun=str(tmp_path / "other")),
    )
    slow, other = pid_in(tmp_path / "slow"), pid_in(tmp_path / "other")
    assert desk.ending("slow").outcome == "timed_out"
    assert desk.error("slow") == {"type": "TimedOut", "message": "ran longer than its timeout of 1.5 s"}
    assert gone(slow), "it is dead before that is told"
    assert desk.output("double", "next", x=1) == 2
    gate.touch()
    assert desk.ending("other").outcome == "succeeded"
    assert other in pids(desk)


@pytest.mark.parametrize("name", ["stop", "hog"])
def test_what_cannot_listen_is_killed_by_its_timeout(desk: Desk, name: str) -> None:
    assert desk.run(name, limits={"timeout_seconds": 0.3}).outcome == "timed_out"
    assert desk.output("double", "b", x=1) == 2


def test_a_task_that_listens_ends_by_itself_when_it_is_asked_to(kept: Desk, tmp_path: Path) -> None:
    kept.submit(kept.work("wait_for", path=str(tmp_path / "never"), begun=str(tmp_path / "begun")))
    pid = pid_in(tmp_path / "begun")
    kept.cancel()
    assert kept.ending().outcome == "cancelled"
    assert kept.error()["message"] == "stopped as asked"
    assert pids(kept) == [pid], "its worker lives"


def test_a_task_that_does_not_listen_is_killed_after_its_grace(desk: Desk, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    limits = {"grace_seconds": 0.3}
    desk.submit(desk.work("wait_for", limits=limits, path=str(tmp_path / "x"), begun=str(begun), listen=False))
    pid = pid_in(begun)
    began = time.monotonic()
    desk.cancel()
    desk.cancel(reason="once more")
    assert desk.ending().outcome == "cancelled"
    assert time.monotonic() - began >= 0.3
    assert desk.error() == {"type": "Cancelled", "message": "enough"}
    assert gone(pid)


def test_what_was_asked_to_stop_and_succeeds_all_the_same_has_succeeded(kept: Desk, tmp_path: Path) -> None:
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    kept.submit(kept.work("wait_for", path=str(gate), begun=str(begun), listen=False))
    pid_in(begun)
    kept.cancel()
    gate.touch()
    assert kept.ending().outcome == "succeeded"


@pytest.mark.parametrize("how", ["fork", "spawn", "group"])
def test_what_a_task_left_behind_dies_with_its_worker(desk: Desk, tmp_path: Path, how: str) -> None:
    begun = tmp_path / "begun"
    desk.submit(desk.work("bear", limits={"grace_seconds": 0.0}, begun=str(begun), how=how))
    offspring = pid_in(begun)
    assert not gone(offspring)
    desk.cancel()
    assert desk.ending().outcome == "cancelled"
    until(lambda: gone(offspring), what="the end of what the task left behind")


# What cannot be started


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (None, "no worker process can be had: .*No such file"),
        ("exit 1", "ended before it was ready .*status 1"),
    ],
)
def test_a_worker_that_cannot_start(make_desk: MakeDesk, tmp_path: Path, script: str | None, complaint: str) -> None:
    program = tmp_path / "python"
    if script is not None:
        write_program(program, script)
    desk = make_desk(program=str(program))
    desk.submit(desk.work("double", x=1), desk.work("double", "also", x=1))
    for child_id in ("a", "also"):
        assert desk.ending(child_id).outcome == "failed"
        assert desk.error(child_id)["type"] == "TaskNotStarted"
    assert re.search(complaint, desk.error()["message"])
    write_program(program, f'exec "{sys.executable}" "$@"')
    assert desk.output("double", "b", x=1) == 2


def test_a_python_that_does_not_know_its_own_program(make_desk: MakeDesk) -> None:
    desk = make_desk(program="")
    assert desk.run("double", x=1).outcome == "failed"
    assert "sys.executable is empty" in desk.error()["message"]


def test_a_thread_that_cannot_start(make_desk: MakeDesk) -> None:
    before = descriptors()
    desk = make_desk()
    usual = threading.stack_size(2**47)  # more than there can be
    try:
        desk.run("double", x=1)
    finally:
        threading.stack_size(usual)
    assert "can't start new thread" in desk.error()["message"]
    assert descriptors() == before
    assert desk.output("double", "b", x=1) == 2


def test_workers_take_turns_where_there_are_too_few_descriptors_for_all(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(SHORT)
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=100)
    assert (done.stdout, done.stderr) == ("succeeded\n" * 40, "")


SHORT = """
import resource
from threading import Semaphore
from actors.executors.processes import ProcessExecutor
from actors.executors.process_tasks import TaskPlace
from actors.executors.work import AttemptKey, Work

resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
ended = Semaphore(0)
outcomes = []

def done(key, ending):
    outcomes.append(ending.outcome or ending)
    ended.release()

place = TaskPlace("time", "sleep")
executor = ProcessExecutor(lambda name: place, processes_max=40, payload_bytes_max=100)
executor.submit([Work(AttemptKey("p", str(n), 1), n, "sleep", "0.02") for n in range(40)], done)
for _ in range(40):
    ended.acquire()
executor.close(grace_seconds=5)
for outcome in outcomes:
    print(outcome)
"""


def test_a_worker_that_does_not_come_up_is_given_up(make_desk: MakeDesk, tmp_path: Path) -> None:
    program = tmp_path / "python"
    write_program(program, "exec sleep 1000")
    desk = make_desk(program=str(program), start_seconds=0.2)
    assert desk.run("double", x=1).outcome == "failed"
    assert "did not load it within" in desk.error()["message"]
    assert pids(desk) == []


# The executor ends


def test_close_leaves_no_process_thread_or_descriptor(make_desk: MakeDesk, tmp_path: Path) -> None:
    before = (descriptors(), set(threading.enumerate()), children())
    desk = make_desk(3)
    assert desk.output("double", "ended", x=1) == 2
    never = str(tmp_path / "never")
    desk.submit(
        desk.work("wait_for", "deaf", path=never, begun=str(tmp_path / "deaf"), listen=False),
        desk.work("wait_for", "listens", path=never, begun=str(tmp_path / "listens")),
        desk.work("stop", "stopped", begun=str(tmp_path / "stopped")),
        desk.work("double", "waits", x=1),
    )
    running = [pid_in(tmp_path / name) for name in ("deaf", "listens", "stopped")]
    began = time.monotonic()
    desk.executor.close(grace_seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 20
    assert all(map(gone, running))
    names = ("deaf", "listens", "stopped", "waits")
    assert {desk.ending(name).lost for name in names} == {"the orchestrator was closed"}
    assert desk.run("double", "late", x=1).lost == "the orchestrator was closed"
    assert (descriptors(), set(threading.enumerate()), children()) == before
    desk.executor.close(grace_seconds=0)


def test_workers_with_nothing_to_do_end_in_order_when_they_are_sent_home(desk: Desk, tmp_path: Path) -> None:
    desk.output("double", x=1)
    (pid,) = pids(desk)
    began = time.monotonic()
    desk.executor.close(grace_seconds=60)
    assert time.monotonic() - began < 30
    assert gone(pid)


def test_close_from_within_a_done(make_desk: MakeDesk) -> None:
    threads, before = set(threading.enumerate()), children()
    desk = make_desk()
    desk.executor.submit([desk.work("double", x=1)], lambda *_: desk.executor.close(grace_seconds=1))
    until(lambda: set(threading.enumerate()) == threads and children() == before, what="the end of the executor")
    assert desk.run("double", "b", x=1).lost == "the orchestrator was closed"


# The owner ends

OWNER = """
import json, os, sys, threading
from pathlib import Path
from tests.support.desk import Desk, pid_in, place
from actors.executors.processes import ProcessExecutor

executor = ProcessExecutor(place, processes_max=8, payload_bytes_max=1000, owner="somebody")
desk = Desk(executor)
for number, (name, arguments) in enumerate(json.loads(sys.argv[1])):
    desk.submit(desk.work(name, str(number), **arguments))
running = [pid_in(Path(path)) for path in sys.argv[2:]]  # a fork in the middle of a start would hold up that start
if running and os.fork() == 0:
    threading.Event().wait()
print("up", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def start_owner() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a process that has workers; it leads its own group, which ends with the test."""
    started = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", OWNER, *arguments]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0))
        return started[-1]

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("forked", [False, True])
def test_workers_die_with_an_owner_that_is_killed(
    start_owner: Callable[..., subprocess.Popen[str]], tmp_path: Path, forked: bool
) -> None:
    """Whatever they are at. Where a fork of the owner holds their sockets open, only those that look can know."""
    names = ["wait", "bear", "stop", "hog"][: 2 if forked else 4]
    tasks = {
        "wait": ["wait_for", {"path": str(tmp_path / "never"), "begun": str(tmp_path / "wait"), "listen": False}],
        "bear": ["bear", {"begun": str(tmp_path / "bear"), "how": "fork"}],
        "stop": ["stop", {"begun": str(tmp_path / "stop")}],
        "hog": ["hog", {"begun": str(tmp_path / "hog")}],
    }
    owner = start_owner(
        json.dumps([tasks[name] for name in names]), *(str(tmp_path / name) for name in names if forked)
    )
    running = [pid_in(tmp_path / name) for name in names]
    assert not any(map(gone, running))
    owner.kill()
    began = time.monotonic()
    until(lambda: all(map(gone, running)), timeout_seconds=10, what="the end of all workers")
    print(f"all workers gone {time.monotonic() - began:.3f} s after their owner")


def test_who_resumes_kills_what_an_owner_left(
    desk: Desk, start_owner: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """An owner that is gone, as far as anybody can tell, and whose worker is not."""
    start_owner(json.dumps([["hog", {"begun": str(tmp_path / "hog")}]]))
    pid = pid_in(tmp_path / "hog")
    assert isinstance(desk.executor, ProcessExecutor)
    desk.executor.end_leftovers("somebody else", [desk.key()])
    assert not gone(pid)
    desk.executor.end_leftovers("somebody", [desk.key()])
    until(lambda: gone(pid), what="the end of the worker")


def test_a_worker_starts_with_little_more_than_the_standard_library() -> None:
    script = "import sys; import actors.executors.process_worker; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"asyncio", "subprocess", "logging", "pydantic", "pykka", "orchestrator", "events.strategy", "inspect"}
    assert not heavy & set(modules)
