"""Snapshots as users meet them: long runs go on without a look at all of their record, and nothing else is changed."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from events.log import EventLog, open_log
from events.log.audit import Audit
from orchestrator import Orchestrator, Parallel, RunHaltedError, StoreDamagedError
from orchestrator.queries import Following, status_of
from tests.face import tasks
from tests.support.places import LASTING, place_of
from tests.support.waiting import until

CHILDREN = 40


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a snapshot after every few events, as fast as they come."""
    monkeypatch.setattr("actors.system.EVENTS_MIN", 30)
    monkeypatch.setattr("actors.snapshots.SECONDS_PER_CHILD", 0.0)


@pytest.fixture(params=LASTING)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place of each kind that outlives a process, where there is no store yet."""
    return place_of(request, tmp_path)


def versions(store: Path | str, run_id: str = "r") -> list[int]:
    with open_log(store) as log:
        return [snapshot.version for snapshot in log.recorder.snapshots(run_id)]


def interrupted(store: Path | str, gate: str) -> None:
    """Leave a run that has a snapshot, children that have ended, and one that was interrupted."""
    children = [tasks.square.child(x=x) for x in range(CHILDREN)]
    children.insert(20, tasks.wait_at.child(gate=gate))
    with Orchestrator(store, max_workers=1, shutdown_seconds=0.1) as first:
        first.start(Parallel(children=children), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1 and versions(store))
    tasks.GATES[gate].set()


def altered_early(store: Path) -> None:
    """Alter an event that every snapshot is far beyond."""
    with closing(sqlite3.connect(store)) as raw, raw:
        raw.execute("UPDATE events SET data = data || ' ' WHERE version = 3")


def test_an_interrupted_run_goes_on_from_its_snapshot(place: str, gate: str) -> None:
    interrupted(place, gate)
    with Orchestrator(place) as second:
        result = second.resume("r").settle(timeout=30)
        assert result.status == "succeeded"
        assert len(result.outputs) == CHILDREN + 1
    with open_log(place) as log:
        assert [*Audit(log).verify()] == []
        newest = log.recorder.snapshots("r")[0]
        head = log.head("r")
        assert head is not None
        assert head.version - newest.version < 5, "a settled run's last snapshot is of its end"


def test_before_the_snapshot_nobody_looks_when_a_run_is_opened_and_the_audit_does(store: Path, gate: str) -> None:
    """The price of not reading everything, said on the page about security."""
    interrupted(store, gate)
    altered_early(store)
    with Orchestrator(store) as second:
        second.resume("r")
        until(lambda: second.get("r").status().settled)
    with open_log(store) as log:
        assert ("r", 3) in [(finding.id, finding.version) for finding in Audit(log).verify()]


def test_from_the_snapshot_on_damage_halts_the_run_and_no_other(store: Path, gate: str) -> None:
    interrupted(store, gate)
    with Orchestrator(store) as other:
        other.start(Parallel(children=[tasks.square.child(x=1)]), id="sound").settle(timeout=30)
    with closing(sqlite3.connect(store)) as raw, raw:
        raw.execute("UPDATE events SET data = data || ' ' WHERE parent = 1 AND version = ?", (versions(store)[0],))
    with Orchestrator(store) as second:
        with pytest.raises((RunHaltedError, StoreDamagedError)):
            second.resume("r")
        assert second.get("sound").status().status == "succeeded"
        assert second.start(Parallel(children=[tasks.square.child(x=1)]), id="new").settle(timeout=30).status
        assert [run.id for run in second.list()] == ["sound", "new"]


def test_a_damaged_snapshot_is_logged_and_replaced(store: Path, gate: str, caplog: pytest.LogCaptureFixture) -> None:
    interrupted(store, gate)
    with closing(sqlite3.connect(store)) as raw, raw:
        raw.execute("UPDATE snapshots SET body = zeroblob(100)")
    caplog.set_level(logging.WARNING)
    with Orchestrator(store) as second:
        assert second.resume("r").settle(timeout=30).status == "succeeded"
    assert "its snapshot of version" in caplog.text
    with open_log(store) as log:
        assert [*Audit(log).verify()] == []
        assert log.snapshots.latest("r") is not None


def test_status_is_the_same_at_every_position_and_time(place: str, gate: str) -> None:
    interrupted(place, gate)
    with Orchestrator(place) as second:
        second.resume("r").settle(timeout=30)
    with open_log(place) as log:
        with_snapshots = _all_statuses(log)
        log.recorder.drop_snapshots("r")
        assert _all_statuses(log) == with_snapshots


def _all_statuses(log: EventLog) -> list[object]:
    last = log.last_position()
    begun = status_of(log, "r").created_at
    assert begun is not None
    times = [begun + timedelta(milliseconds=number) for number in range(0, 400, 20)]
    return [
        Following(log, "r").look()[1],
        status_of(log, "r"),
        *(status_of(log, "r", at=position) for position in range(1, last + 1, 7)),
        *(status_of(log, "r", at=time) for time in times),
    ]


def test_a_small_run_has_none(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with Orchestrator(store) as orchestrator:
        orchestrator.start(Parallel(children=[tasks.square.child(x=x) for x in range(20)]), id="r").settle(timeout=30)
    assert versions(store) == []


def test_a_run_in_memory_has_them_too() -> None:
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[tasks.square.child(x=x) for x in range(40)]), id="r")
        run.settle(timeout=30)
        log = orchestrator._engine.log
        until(lambda: log.recorder.snapshots("r"))
        assert run.status().counts.succeeded == 40


def test_a_redriven_run_goes_on_from_the_snapshot_of_its_end(place: str) -> None:
    with Orchestrator(place) as orchestrator:
        children = [tasks.fail.child() for _ in range(CHILDREN)]
        orchestrator.start(Parallel(children=children, on_decided="continue"), id="r").settle(timeout=30)
    assert versions(place)
    with Orchestrator(place) as second:
        run = second.get("r")
        run.redrive()
        assert run.settle(timeout=30).status == "failed"
        assert {child.attempts for child in run.children()} == {2}
    with open_log(place) as log:
        assert [*Audit(log).verify()] == []
