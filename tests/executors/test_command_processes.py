"""Shell commands: what is left when the owner, the spawner or the executor ends. Nothing."""

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
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.executors import commands, spawner_link
from orchestrator import Child, Orchestrator, Parallel

if TYPE_CHECKING:
    from tests.executors.conftest import Desk

MakeDesk = Callable[..., "Desk"]
PidIn = Callable[[Path], int]
Gone = Callable[[int], bool]

OWNER = """
import json, os, sys, threading
from actors.executors.commands import CommandExecutor
from actors.executors.work import AttemptKey, Work

executor = CommandExecutor()
commands = json.loads(sys.argv[1])
works = [Work(AttemptKey("p", str(n), 1), n, "shell", json.dumps({"command": c})) for n, c in enumerate(commands)]
executor.submit(works, lambda *_: None)
if len(sys.argv) > 2 and os.fork() == 0:
    os.execvp("sleep", ["sleep", "1000"]) if sys.argv[2] == "exec" else threading.Event().wait()
print(executor.spawner_process_id, flush=True)
threading.Event().wait()
"""


@pytest.fixture
def start_owner() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a process that runs commands; it leads its own group, which ends with the test."""
    started = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", OWNER, *arguments]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0))
        return started[-1]

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def sleepers(folder: Path) -> list[str]:
    """Commands of every kind that would rather go on; each writes its process id into a file."""
    lines = [
        f"echo $$ > {folder}/0; exec sleep 1000",
        f"trap '' TERM; echo $$ > {folder}/1; sleep 1000; sleep 1000",
        f"sleep 1000 & echo $! > {folder}/2; sleep 1000",
        f"timeout 900 sleep 1000 & echo $! > {folder}/3; wait",
        f"trap '' TERM HUP INT; (env -i sleep 1000) & echo $! > {folder}/4; wait",
    ]
    return [f"{line}; true" for line in lines]


def pids(folder: Path, pid_in: PidIn) -> list[int]:
    return [pid_in(folder / str(number)) for number in range(5)]


# The owner ends


@pytest.mark.parametrize("forked", [(), ("fork",), ("exec",)])
def test_commands_and_spawner_die_with_an_owner_that_is_killed(
    start_owner: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    pid_in: PidIn,
    gone: Gone,
    eventually: Callable[..., None],
    forked: tuple[str, ...],
) -> None:
    """Even where the owner had forked, so that a child of its holds the socket to the spawner open."""
    owner = start_owner(json.dumps(sleepers(tmp_path)), *forked)
    assert owner.stdout is not None
    running = [int(owner.stdout.readline()), *pids(tmp_path, pid_in)]
    assert not any(map(gone, running))
    owner.kill()
    eventually(lambda: all(map(gone, running)), 1)


def test_an_owner_that_is_killed_at_once_leaves_nothing(
    start_owner: Callable[..., subprocess.Popen[str]], tmp_path: Path, gone: Gone, eventually: Callable[..., None]
) -> None:
    """Wherever the spawner was: at its start, between two commands, within one of them."""
    commands = [f"echo $$ >> {tmp_path}/pids; exec sleep 1000"] * 40
    for pause_seconds in (0.0, 0.01, 0.02, 0.03, 0.05):
        owner = start_owner(json.dumps(commands))
        assert owner.stdout is not None
        spawner = int(owner.stdout.readline())
        threading.Event().wait(pause_seconds)
        owner.kill()
        eventually(lambda spawner=spawner: gone(spawner), 5)
        started = (tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []
        assert all(gone(int(pid)) for pid in started)


# The spawner ends


def test_a_spawner_that_is_killed(
    desk: Desk, tmp_path: Path, pid_in: PidIn, gone: Gone, eventually: Callable[..., None]
) -> None:
    desk.submit(*(desk.work(command, str(number)) for number, command in enumerate(sleepers(tmp_path))))
    running = pids(tmp_path, pid_in)
    spawner = desk.executor.spawner_process_id
    assert spawner is not None
    os.kill(spawner, signal.SIGKILL)
    for number in range(5):
        ending = desk.ending(str(number))
        assert (ending.outcome, ending.lost) == (None, "the spawner process died (signal 9)")
    eventually(lambda: all(map(gone, running)), 1)
    assert desk.run("echo on", "next").outcome == "succeeded"
    assert desk.executor.spawner_process_id != spawner


@pytest.mark.parametrize("round_number", range(10))
def test_a_spawner_that_is_killed_before_it_could_tell_what_it_started(
    desk: Desk, tmp_path: Path, gone: Gone, eventually: Callable[..., None], round_number: int
) -> None:
    pids = tmp_path / "pids"
    names = [f"{round_number}-{number}" for number in range(20)]
    desk.submit(*(desk.work(f"echo $$ >> {pids}; exec sleep 1000", name) for name in names))
    eventually(lambda: pids.exists() and pids.read_text())
    spawner = desk.executor.spawner_process_id
    assert spawner is not None
    os.kill(spawner, signal.SIGKILL)
    assert all(desk.ending(name).lost for name in names)
    eventually(lambda: all(gone(int(pid)) for pid in pids.read_text().split()), 5)


def test_only_its_owner_ends_the_spawner(desk: Desk) -> None:
    assert desk.run("true").outcome == "succeeded"
    spawner = desk.executor.spawner_process_id
    assert spawner is not None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(spawner, number)
    assert desk.run("true", "b").outcome == "succeeded"
    assert desk.executor.spawner_process_id == spawner


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        ("/no/such/python", "could not be started: .*No such file"),
        ("/bin/false", "ended before it was ready .*status 1"),
    ],
)
def test_a_spawner_that_cannot_start(desk: Desk, monkeypatch: Any, program: str, complaint: str) -> None:
    monkeypatch.setattr(sys, "executable", program)
    assert desk.run("true").outcome == "failed"
    assert re.search(complaint, desk.error()["message"])
    monkeypatch.undo()
    assert desk.run("true", "b").outcome == "succeeded"


def test_a_thread_that_cannot_start(make_desk: MakeDesk, monkeypatch: Any) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = (descriptors(), children())
    desk = make_desk()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        desk.run("true")
    assert "can't start new thread" in desk.error()["message"]
    assert (descriptors(), children()) == before
    assert desk.run("true", "b").outcome == "succeeded"


def test_the_spawner_starts_with_little_more_than_the_standard_library() -> None:
    script = "import sys; sys.path.append(sys.argv[1]); import actors.executors.spawner; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", script, str(spawner_link._ROOT)]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    heavy = {"typing", "json", "re", "subprocess", "pathlib", "logging", "asyncio", "pydantic", "pykka", "events"}
    assert not heavy & set(modules)


# The executor ends


def descriptors() -> dict[int, str]:
    """Return the open descriptors of this process, and what they are."""
    found = {}
    for number in range(1000):
        with suppress(FileNotFoundError):
            found[number] = str(Path(f"/proc/self/fd/{number}").readlink())
    return found


def children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


@pytest.mark.parametrize("keep_raw", [False, True])
def test_close_leaves_no_process_thread_or_descriptor(
    make_desk: MakeDesk, tmp_path: Path, pid_in: PidIn, gone: Gone, keep_raw: bool
) -> None:
    before = (descriptors(), set(threading.enumerate()), children())
    desk = make_desk(keep_raw=keep_raw, output_bytes_max=10)
    assert desk.executor.spawner_process_id is None
    ended = desk.run("head -c 100000 /dev/zero", "ended")
    desk.submit(*(desk.work(command, str(number)) for number, command in enumerate(sleepers(tmp_path))))
    running = pids(tmp_path, pid_in)
    began = time.monotonic()
    desk.executor.close(grace_seconds=0.3)
    assert time.monotonic() - began < 2
    assert all(map(gone, running))
    assert {desk.ending(str(number)).lost for number in range(5)} == {"the orchestrator was closed"}
    if keep_raw:
        ended.raw.close()
    assert (descriptors(), set(threading.enumerate()), children()) == before


def test_close_kills_what_ignores_sigterm_after_the_grace(
    desk: Desk, tmp_path: Path, pid_in: PidIn, gone: Gone
) -> None:
    desk.submit(desk.work(f"trap '' TERM; echo $$ > {tmp_path}/pid; sleep 1000; sleep 1000", timeout_seconds=900))
    pid = pid_in(tmp_path / "pid")
    began = time.monotonic()
    desk.executor.close(grace_seconds=0.5)
    assert 0.5 <= time.monotonic() - began < 2
    assert gone(pid)


def test_close_reports_what_waits_and_what_comes_later_as_lost(make_desk: MakeDesk) -> None:
    desk = make_desk(keep_raw=True, raw_open_max=0)
    desk.submit(desk.work("true"))
    desk.executor.close(grace_seconds=1)
    assert desk.ending().lost == "the orchestrator was closed"
    assert desk.run("true", "b").lost == "the orchestrator was closed"
    desk.executor.close(grace_seconds=1)
    assert desk.executor.spawner_process_id is None


def test_close_keeps_the_endings_of_commands_that_had_ended(desk: Desk) -> None:
    desk.run("true")
    desk.executor.close(grace_seconds=1)
    desk.submit(desk.work("true"))
    assert desk.ending(calls=2).outcome == "succeeded"


def test_close_from_within_a_done(make_desk: MakeDesk, eventually: Callable[..., None]) -> None:
    threads = set(threading.enumerate())
    desk = make_desk()
    desk.executor.submit([desk.work("true")], lambda *_: desk.executor.close(grace_seconds=1))
    desk.submit(desk.work("sleep 1000", "b"))
    assert desk.ending("b").lost == "the orchestrator was closed"
    eventually(lambda: set(threading.enumerate()) == threads)


def test_close_of_a_spawner_that_does_not_answer(
    desk: Desk, monkeypatch: Any, tmp_path: Path, pid_in: PidIn, gone: Gone
) -> None:
    monkeypatch.setattr(spawner_link, "_EXIT_SECONDS", 0.1)
    monkeypatch.setattr(commands, "_CLOSE_MARGIN_SECONDS", 0.1)
    desk.submit(desk.work(f"echo $$ > {tmp_path}/pid; exec sleep 1000"))
    pid = pid_in(tmp_path / "pid")
    spawner = desk.executor.spawner_process_id
    assert spawner is not None
    os.kill(spawner, signal.SIGSTOP)
    desk.executor.close(grace_seconds=0)
    assert gone(spawner)
    assert gone(pid)


# Too little of something


def test_more_commands_than_descriptors_take_turns(tmp_path: Path) -> None:
    script = OWNER.replace(
        "executor = ", "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60)); executor = "
    )
    told = (
        "lambda key, ending: os.write(1, ending.outcome.encode() + bytes([10]))"  # a daemon's print may abort an exit
    )
    script = script.replace("lambda *_: None", told)
    script = script.replace("print(executor.spawner_process_id, flush=True)", "").replace(
        "threading.Event().wait()", "sys.stdin.read()"
    )
    commands = json.dumps(["sleep 0.05"] * 100)
    with subprocess.Popen(
        [sys.executable, "-c", script, commands], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdin is not None
        assert owner.stdout is not None
        assert [owner.stdout.readline() for _ in range(100)] == ["succeeded\n"] * 100
        owner.stdin.close()
    assert owner.returncode == 0


def test_a_command_that_kills_its_spawner_fails_in_the_end_and_its_neighbours_do_not(tmp_path: Path) -> None:
    with Orchestrator(tmp_path / "runs.db", max_workers=3) as orchestrator:
        poison = Child(id="poison", command="kill -9 $PPID; sleep 20")
        others = [Child(id=f"other-{number}", command=f"echo {number}") for number in range(6)]
        run = orchestrator.start(Parallel(children=[others[0], poison, *others[1:]], on_decided="continue"))
        result = run.settle(timeout=60)
        assert result.counts.succeeded == 6
        assert "died" in result.errors["poison"]["message"]
        attempts = {child.id: child.attempts for child in run.children()}
        assert attempts["poison"] <= 4
        assert max(attempts.values()) <= 4
