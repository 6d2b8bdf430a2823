"""Worker processes: what they run, and what comes of it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from tests.support.desk import Desk, MakeDesk, pid_in, pids


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
