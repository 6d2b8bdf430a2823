"""Shell commands that are stopped: by their time, by a cancel, and with everything that they began."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.executors.conftest import Desk

MakeDesk = Callable[..., "Desk"]


def test_timeout_of_a_command_that_ignores_sigterm(make_desk: MakeDesk) -> None:
    desk = make_desk(stop_grace_seconds=0.2)
    began = time.monotonic()
    assert desk.run("trap '' TERM; echo on; sleep 1000; sleep 1000", timeout_seconds=0.3).outcome == "timed_out"
    assert 0.5 <= time.monotonic() - began < 5
    error = desk.error()
    assert (error["type"], error["message"]) == ("TimedOut", "ran longer than its timeout of 0.3 s")
    assert (error["signal"], error["stdout"]) == ("SIGKILL", "on\n")


@pytest.mark.parametrize("timeout_seconds", [0.3, None])
def test_a_command_may_have_a_grace_of_its_own(
    make_desk: MakeDesk, tmp_path: Path, pid_in: Callable[[Path], int], timeout_seconds: float | None
) -> None:
    """Past its timeout as well as when it is asked to stop; its neighbour has that of all others."""
    desk = make_desk(stop_grace_seconds=1000)
    deaf = f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.01; done"
    desk.submit(desk.work(deaf, timeout_seconds=timeout_seconds)._replace(grace_seconds=0.1))
    pid_in(tmp_path / "pid")
    if timeout_seconds is None:
        desk.executor.cancel([desk.key()], reason="enough")
    assert desk.ending().outcome == ("cancelled" if timeout_seconds is None else "timed_out")
    assert desk.error()["signal"] == "SIGKILL"


def test_a_command_whose_whole_time_is_up_says_so(desk: Desk) -> None:
    desk.submit(desk.work("sleep 1000", timeout_seconds=0.1)._replace(timeout_name="total_timeout"))
    assert desk.error()["message"] == "ran longer than the 0.1 s that were left of its total_timeout"


@pytest.mark.parametrize("seconds", [1000, 1e9, 1e15, 1e300])
def test_a_timeout_that_is_not_reached_changes_nothing(
    desk: Desk, seconds: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """However far away it is: not every number of seconds can be waited for at a time."""
    assert desk.run(f"echo once >> {tmp_path}/runs; sleep 0.1", timeout_seconds=seconds).outcome == "succeeded"
    assert (tmp_path / "runs").read_text() == "once\n"
    assert capfd.readouterr().err == ""


def test_cancel(make_desk: MakeDesk, tmp_path: Path, pid_in: Callable[[Path], int]) -> None:
    desk = make_desk(stop_grace_seconds=1000)
    desk.submit(desk.work(f"echo $$ > {tmp_path}/pid; exec sleep 1000"))
    pid_in(tmp_path / "pid")
    desk.executor.cancel([desk.key(), desk.key("unknown")], reason="the parent was decided")
    desk.executor.cancel([desk.key()], reason="again")
    assert desk.ending().outcome == "cancelled"
    error = desk.error()
    assert (error["type"], error["message"], error["signal"]) == ("Cancelled", "the parent was decided", "SIGTERM")
    desk.executor.cancel([desk.key()], reason="too late")
    assert desk.run("true", "b").outcome == "succeeded"
    assert len(desk.endings["a"]) == 1


def test_cancel_of_many_that_are_still_waiting(desk: Desk, tmp_path: Path) -> None:
    names = [str(number) for number in range(300)]
    desk.submit(*(desk.work(f"echo run >> {tmp_path}/runs; exec sleep 1000", name) for name in names))
    desk.executor.cancel([desk.key(name) for name in names], reason="enough")
    assert {desk.ending(name).outcome for name in names} == {"cancelled"}
    assert not (tmp_path / "runs").exists() or len((tmp_path / "runs").read_text().split()) < 300


def test_cancelled_is_also_what_exits_with_0_when_asked_to_stop(
    desk: Desk, tmp_path: Path, pid_in: Callable[[Path], int]
) -> None:
    desk.submit(desk.work(f"trap 'exit 0' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.01; done"))
    pid_in(tmp_path / "pid")
    desk.executor.cancel([desk.key()], reason="enough")
    assert desk.ending().outcome == "cancelled"
    assert desk.error()["exit_status"] == 0


def test_the_grace_is_for_the_whole_group_not_just_for_its_shell(
    make_desk: MakeDesk, tmp_path: Path, pid_in: Callable[[Path], int]
) -> None:
    desk = make_desk(stop_grace_seconds=20)
    tidy = f"trap 'sleep 0.2; echo tidied; exit' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.01; done"
    desk.submit(desk.work(f'sh -c "{tidy.replace("$", chr(92) + "$")}"; true'))
    pid_in(tmp_path / "pid")
    desk.executor.cancel([desk.key()], reason="enough")
    assert desk.ending().outcome == "cancelled"
    assert desk.error()["signal"] == "SIGTERM"
    assert desk.error()["stdout"] == "tidied\n"


@pytest.mark.parametrize("background", ["sleep 1000 &", "timeout 900 sleep 1000 &", "(trap '' TERM; sleep 1000) &"])
@pytest.mark.parametrize("stopped", [False, True])
def test_nothing_of_a_command_outlives_it(
    desk: Desk,
    tmp_path: Path,
    pid_in: Callable[[Path], int],
    gone: Callable[[int], bool],
    eventually: Callable[..., None],
    background: str,
    stopped: bool,
) -> None:
    last = "exec sleep 1000" if stopped else "true"
    assert desk.run(f"{background} echo $! > {tmp_path}/pid; {last}", timeout_seconds=0.3 if stopped else None)
    eventually(lambda: gone(pid_in(tmp_path / "pid")), 5)


def test_what_leaves_the_session_is_on_its_own(
    desk: Desk, tmp_path: Path, pid_in: Callable[[Path], int], gone: Callable[[int], bool]
) -> None:
    file = tmp_path / "pid"
    leave = f"setsid -f sh -c 'echo $$ > {file}; exec sleep 1000'"
    assert desk.run(f"{leave}; while [ ! -s {file} ]; do sleep 0.01; done").outcome == "succeeded"
    assert not gone(pid_in(file))
    os.kill(pid_in(file), signal.SIGKILL)
