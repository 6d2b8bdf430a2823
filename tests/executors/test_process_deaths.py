"""Workers that die of their attempts: each costs its own attempt, and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.desk import Desk, pid_in, place

from actors.executors.processes import ProcessExecutor
from actors.executors.work import Ending


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk(ProcessExecutor(place, processes_max=3, payload_bytes_max=1_000))
    yield made
    made.executor.close(grace_seconds=0)


@pytest.fixture
def neighbours(desk: Desk, tmp_path: Path) -> Iterator[None]:
    """Two attempts run in other workers all the time, and succeed."""
    gate = tmp_path / "gate"
    names = ("n1", "n2")
    desk.submit(*(desk.work("wait_for", name, path=str(gate), begun=f"{tmp_path}/{name}") for name in names))
    before = [pid_in(tmp_path / name) for name in names]
    yield
    assert all(not desk.endings[name] for name in names)
    gate.touch()
    assert [desk.ending(name) for name in names] == [Ending("succeeded", f'"{gate}"')] * 2
    assert isinstance(desk.executor, ProcessExecutor)
    assert set(before) <= set(desk.executor.process_ids)


def lost(how: str, *, number: str | None = None, status: int | None = None) -> Ending:
    return Ending(None, lost=f"worker process died: {how}", signal=number, exit_code=status)


GARBLED = lost("it wrote something else to its socket", number="SIGKILL")
SOCKET_CLOSED = "exit status 96, as when its socket is closed under it"


@pytest.mark.parametrize(
    ("name", "arguments", "ending"),
    [
        ("segfault", {}, lost("SIGSEGV", number="SIGSEGV")),
        ("leave", {"status": 3}, lost("exit status 3", status=3)),
        ("leave", {"status": 0}, lost("exit status 0", status=0)),
        ("kill", {"number": signal.SIGKILL}, lost("SIGKILL", number="SIGKILL")),
        ("kill", {"number": signal.SIGTERM}, lost("SIGTERM", number="SIGTERM")),
        ("kill", {"number": signal.SIGRTMIN + 3}, lost("signal 37", number="signal 37")),
        ("close_all", {}, lost(SOCKET_CLOSED, status=96)),
        ("garble", {"text": "lorem ipsum"}, GARBLED),
        ("garble", {"text": "\1" * 100}, GARBLED),
        ("forge", {"number": 99, "told": None}, GARBLED),
        ("forge", {"number": 3, "told": ["succeeded", "NaN", None]}, GARBLED),
        ("forge", {"number": 3, "told": ["succeeded", None, "{}"]}, GARBLED),
        ("forge", {"number": 3, "told": [1, 2]}, GARBLED),
    ],
)
@pytest.mark.usefixtures("neighbours")
def test_a_worker_that_dies_costs_its_own_attempt(
    desk: Desk, name: str, arguments: dict[str, Any], ending: Ending
) -> None:
    assert desk.run(name, **arguments) == ending
    assert desk.output("double", "next", x=1) == 2


@pytest.mark.usefixtures("neighbours")
def test_a_task_that_runs_out_of_memory_fails_and_its_worker_is_not_used_again(desk: Desk) -> None:
    assert desk.run("eat").outcome == "failed"
    assert desk.error()["type"] == "MemoryError"
    assert isinstance(desk.executor, ProcessExecutor)
    before = desk.executor.process_ids
    assert desk.output("double", "next", x=1) == 2
    assert set(desk.executor.process_ids) - set(before), "another worker did that"


@pytest.mark.usefixtures("neighbours")
def test_a_task_that_puts_a_file_in_the_place_of_its_socket_writes_nothing_of_ours_there(
    desk: Desk, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    assert desk.run("replace_all", path=str(file)) == lost(SOCKET_CLOSED, status=96)
    assert file.read_bytes() == b""


def test_a_worker_that_dies_when_it_was_asked_to_stop_was_cancelled(desk: Desk, tmp_path: Path) -> None:
    desk.submit(desk.work("bear", begun=str(tmp_path / "begun"), how="fork"))
    pid_in(tmp_path / "begun")
    desk.cancel()
    assert isinstance(desk.executor, ProcessExecutor)
    (pid,) = desk.executor.process_ids
    os.kill(pid, signal.SIGSEGV)
    assert desk.ending().outcome == "cancelled"
