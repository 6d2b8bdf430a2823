"""The orchestrator inside a workflow engine made of pykka actors: told by message, killed, restarted."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from orchestrator import Orchestrator, RunNotFoundError, RunStatus, StoreError
from tests.examples.programs import EXAMPLES, PATIENCE_SECONDS, PYTHON, example, run, running
from tests.support.waiting import until

ENGINE = [*example("engine.py"), "--store", "runs.db"]


def make_folder(place: Path, files: int) -> dict[str, str]:
    """Make a folder of files and return their checksums by path, as the engine prints them."""
    place.mkdir()
    checksums = {}
    for number in range(files):
        content = f"{place.name} {number}".encode()
        (place / f"{number:02}").write_bytes(content)
        checksums[f"{place.name}/{number:02}"] = hashlib.sha256(content).hexdigest()
    return checksums


def printed(checksums: dict[str, str]) -> list[str]:
    return [f"{checksum}  {path}" for path, checksum in checksums.items()]


def look(store: Path, workflow: str) -> RunStatus | None:
    """Return how a workflow's run stands on record, None where there is none yet."""
    try:
        with Orchestrator(store, must_exist=True) as orchestrator:
            return orchestrator.get(workflow).status()
    except (RunNotFoundError, StoreError):
        return None


def write_to_reader(fifo: Path, content: bytes) -> bool:
    """Write to a named pipe if somebody reads from it; say whether that was so."""
    try:
        end = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:  # otherwise nobody has opened it yet
            raise
        return False
    os.write(end, content)
    os.close(end)
    return True


def test_two_workflows_go_through_all_steps(tmp_path: Path) -> None:
    first, second = make_folder(tmp_path / "first", 5), make_folder(tmp_path / "second", 40)
    done = run([*ENGINE, "first", "second"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for name, checksums in (("first", first), ("second", second)):
        begin = lines.index(f"{name}: {len(checksums)} checksums") + 1
        assert lines[begin : begin + len(checksums)] == printed(checksums)


def test_killed_in_the_middle_and_restarted_it_ends_rightly(tmp_path: Path) -> None:
    checksums, other = make_folder(tmp_path / "work", 8), make_folder(tmp_path / "other", 3)
    pipe = tmp_path / "work" / "pipe"
    os.mkfifo(pipe)  # reading it keeps one child running until we say so
    command = [*ENGINE, "work", "other"]

    def all_but_one() -> bool:
        status, beside = look(tmp_path / "runs.db", "work"), look(tmp_path / "runs.db", "other")
        return bool(
            status and status.counts.succeeded == 8 and status.counts.running == 1 and beside and beside.settled
        )

    with running(command, tmp_path) as engine:
        until(all_but_one, timeout_seconds=PATIENCE_SECONDS)
        engine.send_signal(signal.SIGKILL)
        assert engine.wait(PATIENCE_SECONDS) == -signal.SIGKILL

    with running(command, tmp_path) as engine:
        until(lambda: write_to_reader(pipe, b"at last"), timeout_seconds=PATIENCE_SECONDS)
        out, err = engine.communicate(timeout=PATIENCE_SECONDS)
    assert (engine.returncode, err) == (0, "")
    checksums["work/pipe"] = hashlib.sha256(b"at last").hexdigest()
    assert "work: going on where it was interrupted" in out
    assert "other: going on" not in out
    assert [line for line in out.splitlines() if "  work/" in line] == printed(checksums)
    assert [line for line in out.splitlines() if "  other/" in line] == printed(other)
    check_record(tmp_path / "runs.db", children=9)


def check_record(store: Path, children: int) -> None:
    """One attempt was lost and run again; nothing finished twice, nothing else was started twice."""
    with Orchestrator(store, must_exist=True) as orchestrator:
        history = list(orchestrator.get("work").history())
    types = Counter(event.type for event in history)
    finished = Counter(event.data["child_id"] for event in history if event.type == "ChildFinished")
    assert len(finished) == children
    assert set(finished.values()) == {1}
    assert (types["AttemptLost"], types["ChildStarted"], types["OwnershipTaken"]) == (1, children + 1, 2)
    assert history[-1].type == "ParentSettled"


def test_started_again_it_runs_nothing_twice(tmp_path: Path) -> None:
    checksums = make_folder(tmp_path / "work", 4)
    first = run([*ENGINE, "work"], tmp_path)
    before = look(tmp_path / "runs.db", "work")
    again = run([*ENGINE, "work"], tmp_path)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert again.stdout.splitlines()[1:] == printed(checksums)
    assert look(tmp_path / "runs.db", "work") == before


def test_a_failed_step_ends_the_workflow_and_not_the_others(tmp_path: Path) -> None:
    make_folder(tmp_path / "good", 2)
    make_folder(tmp_path / "bad", 2)
    (tmp_path / "bad" / "broken").symlink_to("nowhere")
    done = run([*ENGINE, "good", "bad"], tmp_path)
    assert done.returncode == 1
    assert "good: 2 checksums" in done.stdout
    assert done.stderr.startswith("bad: digest failed: failed, 1 of 3 ended without success")


def test_other_content_under_the_same_name_is_refused_by_message(tmp_path: Path) -> None:
    make_folder(tmp_path / "work", 2)
    assert run([*ENGINE, "work"], tmp_path).returncode == 0
    (tmp_path / "work" / "new").touch()
    done = run([*ENGINE, "work"], tmp_path)
    assert done.returncode == 1
    assert "a run of this id exists with other content" in done.stderr


def test_nobody_elses_actors_are_touched(tmp_path: Path) -> None:
    make_folder(tmp_path / "work", 2)
    program = """
import sys
import pykka
from engine import main

class Bystander(pykka.ThreadingActor):
    def on_receive(self, message):
        return message

bystander = Bystander.start()
sys.argv = ["engine.py", "--store", "runs.db", "work"]
status = main()
assert bystander.ask("still there?", timeout=10) == "still there?"
assert [type(ref) for ref in pykka.ActorRegistry.get_all()] == [pykka.ActorRef]
bystander.stop()
sys.exit(status)
"""
    done = run([*PYTHON, "-c", f"import sys; sys.path.insert(0, {str(EXAMPLES)!r})\n{program}"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["nowhere"], ["work", "elsewhere/work"]])
def test_folders_it_cannot_take_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "elsewhere" / "work").mkdir(parents=True)
    done = run([*ENGINE, *arguments], tmp_path)
    assert done.returncode == 2
    assert not (tmp_path / "runs.db").exists()
