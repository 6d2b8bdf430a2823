"""Worker processes: heartbeats that come through, and what happens where none do."""

from __future__ import annotations

from tests.support.desk import Desk, pids

from actors.executors.work import Progress


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
