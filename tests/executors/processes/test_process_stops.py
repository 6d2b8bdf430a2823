"""Worker processes: attempts that take too long or are asked to stop, and what they leave behind."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.support.desk import Desk, gone, pid_in, pids
from tests.support.waiting import until


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
