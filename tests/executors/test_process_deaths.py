"""Workers that die of their attempts: each costs its own attempt, and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.desk import Desk, pid_in, place

from actors.executors.attempt import Attempt
from actors.executors.process_endings import ending_of, progress_of
from actors.executors.process_frames import CANCEL, RUN, TO_WORKER, Frames, frame
from actors.executors.processes import ProcessExecutor
from actors.executors.work import Ending


class Crew(Desk):
    """Three workers at most, two of which run neighbours all the time."""

    def __init__(self, folder: Path) -> None:
        self.processes = ProcessExecutor(place, processes_max=3, payload_bytes_max=1_000)
        super().__init__(self.processes)
        self.gate = folder / "gate"
        self.names = ("n1", "n2")
        self.submit(
            *(self.work("wait_for", name, path=str(self.gate), begun=f"{folder}/{name}") for name in self.names)
        )
        self.neighbours = {pid_in(folder / name) for name in self.names}


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """One executor for all deaths: its neighbours must outlive every one of them, and succeed."""
    made = Crew(tmp_path_factory.mktemp("crew"))
    try:
        yield made
        made.gate.touch()
        outcomes = [made.ending(name) for name in made.names]
        assert outcomes == [Ending("succeeded", f'"{made.gate}"')] * 2
    finally:
        made.executor.close(grace_seconds=0)


@pytest.fixture
def desk(crew: Crew) -> Iterator[Desk]:
    """The same for one test; its child `a` is a new one."""
    yield crew
    for child_id in ("a", "next"):
        crew.executor.forget([crew.key(child_id)])
        crew.endings.pop(child_id, None)
    assert crew.neighbours <= set(crew.processes.process_ids)
    assert not any(crew.endings[name] for name in crew.names)


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
        ("forge", {"number": 999, "told": ["succeeded", "1", None]}, GARBLED),
    ],
)
def test_a_worker_that_dies_costs_its_own_attempt(
    desk: Desk, name: str, arguments: dict[str, Any], ending: Ending
) -> None:
    assert desk.run(name, **arguments) == ending
    assert desk.output("double", "next", x=1) == 2


def test_a_task_that_runs_out_of_memory_fails_and_its_worker_is_not_used_again(desk: Desk) -> None:
    assert desk.run("eat").outcome == "failed"
    assert desk.error()["type"] == "MemoryError"
    assert isinstance(desk.executor, ProcessExecutor)
    before = set(desk.executor.process_ids)
    assert desk.output("double", "next", x=1) == 2
    assert set(desk.executor.process_ids) - before, "another worker did that"


def test_a_task_that_puts_a_file_in_the_place_of_its_socket_writes_nothing_of_ours_there(
    desk: Desk, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    assert desk.run("replace_all", path=str(file)) == lost(SOCKET_CLOSED, status=96)
    assert file.read_bytes() == b""


def test_a_worker_that_dies_when_it_was_asked_to_stop_was_cancelled(desk: Desk, crew: Crew, tmp_path: Path) -> None:
    desk.submit(desk.work("bear", begun=str(tmp_path / "begun"), how="fork"))
    pid_in(tmp_path / "begun")
    desk.cancel()
    (pid,) = set(crew.processes.process_ids) - crew.neighbours
    os.kill(pid, signal.SIGSEGV)
    assert desk.ending().outcome == "cancelled"


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        (None, "no ending"),
        ({}, "no ending"),
        ([1, 2], "no ending"),
        (["succeeded", None, "{}"], "no ending"),
        (["succeeded", "NaN", None], "NaN is no JSON"),
        (["succeeded", "[" * 100_000, None], "nested too deeply"),
        (["failed", "1", None], "no ending"),
        (["failed", None, "{"], "Expecting"),
        (["lost", None, "{}"], "no ending"),
        ([["failed"], None, "{}"], "no ending"),
    ],
)
def test_what_is_no_ending_is_none(desk: Desk, told: Any, complaint: str) -> None:
    attempt = Attempt(desk.work("double"), desk.done, desk.hear)
    with pytest.raises(ValueError, match=complaint):
        ending_of(told, attempt, closing=False)


@pytest.mark.parametrize(
    "said", [None, [1], [2.0, None], [float("nan"), None], [None, 3], [None, "x" * 1_001], [True, ""]]
)
def test_what_is_no_heartbeat_is_none(said: Any) -> None:
    with pytest.raises(ValueError, match="no heartbeat"):
        progress_of(said)


def test_frames_are_taken_in_however_they_are_cut() -> None:
    whole = frame(RUN, 1, {"a": 1}) + frame(CANCEL, 2) + frame(RUN, 3, "x" * 300)
    for size in (1, 2, 7, 13, len(whole)):
        frames = Frames(TO_WORKER)
        parts = [whole[start : start + size] for start in range(0, len(whole), size)]
        taken = [said for part in parts for said in frames.take(part)]
        assert [(said.kind, said.number) for said in taken] == [(RUN, 1), (CANCEL, 2), (RUN, 3)]
        assert (taken[0].value(), taken[2].value()) == ({"a": 1}, "x" * 300)
