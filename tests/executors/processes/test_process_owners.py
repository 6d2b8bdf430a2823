"""Worker processes whose executor is closed, or whose owner ends: nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.desk import Desk, MakeDesk, children, descriptors, gone, pid_in, pids
from tests.support.waiting import until

from actors.executors.processes import ProcessExecutor


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
