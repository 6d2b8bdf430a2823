"""Worker processes that cannot be started, or do not come up."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.support.desk import MakeDesk, descriptors, pids


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


def test_a_worker_starts_with_little_more_than_the_standard_library() -> None:
    script = "import sys; import actors.executors.process_worker; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"asyncio", "subprocess", "logging", "pydantic", "pykka", "orchestrator", "events.strategy", "inspect"}
    assert not heavy & set(modules)
