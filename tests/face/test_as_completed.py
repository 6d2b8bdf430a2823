"""Children as they end, whoever works on the run."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from orchestrator import (
    DeadlineExceededError,
    Orchestrator,
    OrchestratorError,
    Parallel,
    RunHaltedError,
)
from tests.face import tasks, typed_tasks
from tests.face.typed_tasks import SMALL
from tests.support.places import EVERYWHERE, place_of
from tests.support.waiting import until


@pytest.fixture(params=EVERYWHERE)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return place_of(request, tmp_path)


@pytest.fixture
def orchestrator(store: str) -> Iterator[Orchestrator]:
    with Orchestrator(store, max_workers=4, limits=SMALL) as made:
        yield made


def test_children_come_as_they_end_each_once(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(Parallel(children=[typed_tasks.gated.child(number=n, gate=gate) for n in range(4)]))
    order = [2, 0, 3, 1]
    tasks.GATES[f"{gate}/2"].set()
    until(lambda: run.status().counts.succeeded == 1)
    tasks.GATES[f"{gate}/0"].set()
    until(lambda: run.status().counts.succeeded == 2)
    coming = run.as_completed(timeout=30)
    seen = [next(coming).output, next(coming).output]
    for number in order[2:]:
        tasks.GATES[f"{gate}/{number}"].set()
        child = next(coming)
        assert (child.status, child.attempts, child.task) == ("succeeded", 1, "gated")
        assert child.finished_at is not None
        seen.append(child.output)
    assert seen == order
    assert list(coming) == []
    assert [child.output for child in run.as_completed(timeout=30)] == order, "all of it once more"


def test_waiting_for_children_has_a_deadline(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(Parallel(children=[tasks.square.child(x=2), tasks.wait_at.child(gate=gate)]))
    coming = run.as_completed(timeout=0.5)
    assert next(coming).output == 4
    with pytest.raises(DeadlineExceededError, match=r"not settled within 0\.5 s"):
        next(coming)
    tasks.GATES[gate].set()
    assert len(list(run.as_completed(timeout=20))) == 2


def test_children_that_fail_or_never_start_come_too(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[tasks.fail.child(), *[tasks.square.child(x=1)] * 3], max_workers=1))
    came = {child.id: child.status for child in run.as_completed(timeout=20)}
    assert came == {"fail-0": "failed", "square-1": "skipped", "square-2": "skipped", "square-3": "skipped"}


def test_a_closed_orchestrator_ends_the_wait(gate: str) -> None:
    with Orchestrator("memory:", shutdown_seconds=0.1) as orchestrator:
        run = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=gate)]))
        coming = run.as_completed(timeout=20)
        closer = threading.Timer(0.2, orchestrator.close)
        closer.start()
        with pytest.raises(OrchestratorError):
            next(coming)
        closer.join()


OTHER = """
import sys
from orchestrator import Orchestrator, Parallel
from tests.face import tasks, typed_tasks
with Orchestrator(sys.argv[1], max_workers=2) as orchestrator:
    first, days = typed_tasks.datetime(2026, 1, 1), [typed_tasks.timedelta(days=n) for n in range(6)]
    children = [typed_tasks.shifted.child(when=first, by=each) for each in days]
    last = tasks.wait_at.child(gate=sys.argv[2])
    run = orchestrator.start(Parallel(children=[*children, last], max_workers=2), id="r")
    print("started", flush=True)
    sys.stdin.readline()
    tasks.GATES[sys.argv[2]].set()
    run.settle(timeout=30)
"""


def test_children_of_another_process_come_as_they_end(tmp_path: Path, gate: str) -> None:
    store = tmp_path / "runs.db"
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, store, gate],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path.cwd(),
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "started\n"
        with Orchestrator(store) as orchestrator:
            coming = orchestrator.get("r").as_completed(timeout=30)
            first = [next(coming) for _ in range(6)]
            assert sorted(child.output for child in first) == [
                datetime.fromisoformat(f"2026-01-0{day}") for day in range(1, 7)
            ]
            other.communicate("go on\n", timeout=30)
            assert [child.output for child in coming] == [gate]
        assert other.returncode == 0


def test_the_owner_of_the_run_killed_ends_the_wait(tmp_path: Path, gate: str) -> None:
    store = tmp_path / "runs.db"
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, store, gate],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path.cwd(),
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "started\n"
        with Orchestrator(store) as orchestrator:
            coming = orchestrator.get("r").as_completed(timeout=30)
            got = [next(coming).id for _ in range(6)]
            other.kill()
            with pytest.raises(RunHaltedError, match="nobody works on run 'r' any more"):
                next(coming)
            tasks.GATES[gate].set()
            run = orchestrator.resume("r")
            again = [child.id for child in run.as_completed(timeout=30)]
            assert again[:6] == got, "those that had ended come first, in the same order"
            assert again[6:] == ["wait_at-6"]
        assert other.wait(10) == -9
