"""Control of a run that another process works on at full speed, or that nobody works on any more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from events.invariants import check_history
from events.log import open_log
from orchestrator import Orchestrator, Run, RunHaltedError, StepOrderError, TaskRegistry, Threshold, UnknownTaskError
from tests.face.owner import RUN_ID, no_op
from tests.support.places import LASTING, place_of
from tests.support.waiting import until

CALL_SECONDS = 20.0
"""No call may take so long; the benchmark `control` says how long they take."""

Begin = Callable[[int], "subprocess.Popen[str]"]


@pytest.fixture(params=LASTING)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return place_of(request, tmp_path)


@pytest.fixture
def begin(store: str) -> Iterator[Begin]:
    processes: list[subprocess.Popen[str]] = []

    def start(children: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.face.owner", store, str(children)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def types(run: Run) -> list[str]:
    return [event.type for event in run.history()]


def has_begun(run: Run) -> bool:
    return bool(run._engine.log.recorder.stream(run.id, types=("ChildFinished",), limit=1))


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_busy_owner_is_paused_changed_resumed_and_cancelled(store: str, begin: Begin) -> None:
    owner = begin(10_000)
    with Orchestrator(store, max_workers=1) as elsewhere:
        run = elsewhere.get(RUN_ID)
        until(lambda: has_begun(run))
        paused = run.pause("stop", timeout=CALL_SECONDS)
        assert not paused.settled
        until(lambda: run.status().counts.running == 0)
        resting = run.status()
        changed = run.update(max_workers=2, timeout=CALL_SECONDS)
        assert changed.version == resting.version + 1, "nothing else went on record"
        resumed = run.resume(timeout=CALL_SECONDS)
        assert resumed.version == resting.version + 2
        until(lambda: run.status().counts.succeeded > resting.counts.succeeded)
        cancelled = run.cancel("enough", timeout=CALL_SECONDS)
        assert cancelled.status == "cancelled"
        assert run.settle(timeout=60).status == "cancelled"
        order = types(run)
        wanted = ["Paused", "LimitsChanged", "Resumed", "CancelRequested", "ParentDecided", "ParentSettled"]
        assert [name for name in order if name in wanted] == wanted
        assert "ChildStarted" not in order[order.index("Paused") : order.index("Resumed")]
        assert "ChildStarted" not in order[order.index("CancelRequested") :]
        assert owner.stdout is not None
        assert owner.stdout.readline() == "cancelled\n"
    with open_log(store) as log:
        check_history([record.fact for record in log.read(RUN_ID)])


def test_a_busy_owner_is_told_to_cancel_one_child_by_an_actor_that_follows_it(store: str, begin: Begin) -> None:
    """Cancelling a child needs to know the children: the run's actor here reads them, and asks the store."""
    begin(3_000)
    with Orchestrator(store, max_workers=1) as elsewhere:
        run = elsewhere.get(RUN_ID)
        until(lambda: has_begun(run))
        run.pause()
        view = run.cancel("not this one", child="no_op-2999", timeout=CALL_SECONDS)
        assert (view.status, view.counts.cancelled) == ("failed", 1)
        assert run.settle(timeout=60).counts.skipped > 0


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_four_processes_worth_of_callers_are_all_answered(store: str, begin: Begin) -> None:
    begin(10_000)
    elsewhere = [Orchestrator(store, max_workers=1) for _ in range(4)]
    try:
        runs = [orchestrator.get(RUN_ID) for orchestrator in elsewhere]
        until(lambda: has_begun(runs[0]))
        for number, run in enumerate(runs, 1):
            run.update(max_workers=number, timeout=CALL_SECONDS)
        runs[0].pause()
        runs[1].resume()
        runs[2].pause()
        assert runs[3].cancel(timeout=CALL_SECONDS).status == "cancelled"
        changes = [event.data for event in runs[0].history() if event.type == "LimitsChanged"]
        assert changes == [{"max_workers": number} for number in (1, 2, 3, 4)]
        assert [name for name in types(runs[0]) if name in ("Paused", "Resumed")] == ["Paused", "Resumed", "Paused"]
    finally:
        for orchestrator in elsewhere:
            orchestrator.close()


def test_a_run_whose_owner_was_killed_is_paused_changed_and_gone_on_with(store: str, begin: Begin) -> None:
    owner = begin(10_000)
    with Orchestrator(store, max_workers=1, tasks=TaskRegistry()) as elsewhere:
        run = elsewhere.get(RUN_ID)
        until(lambda: has_begun(run))
        run.pause()
        owner.kill()
        owner.wait(20)
        assert run.pause("again").status == "running"
        run.update(strategy=Threshold(percent=99), max_workers=3)
        assert types(run).count("OwnershipTaken") == 1, "it is on record, and nobody took the run over"
        with pytest.raises(StepOrderError, match="not decided"):
            run.redrive()
        with pytest.raises(UnknownTaskError, match="no_op"):
            run.resume()
        assert types(run)[-1] == "LimitsChanged", "what cannot be worked on is not resumed"
        view = run.cancel("enough")
        assert view.status == "cancelled"
        assert run.settle(timeout=20).view.settled, "it was taken over to come to rest"
        assert types(run).count("OwnershipTaken") == 2


def test_whoever_asked_something_of_a_run_hears_that_its_owner_is_gone(store: str, begin: Begin) -> None:
    owner = begin(10_000)
    with Orchestrator(store, max_workers=1) as elsewhere:
        run = elsewhere.get(RUN_ID)
        until(lambda: has_begun(run))
        child = run.children()[-1].id
        owner.kill()
        owner.wait()
        run.cancel(child=child, timeout=CALL_SECONDS)
        with pytest.raises(RunHaltedError, match="nobody works on run"):
            run.settle(timeout=CALL_SECONDS)
        with pytest.raises(RunHaltedError, match="nobody works on run"):
            next(view for view in run.watch(timeout=CALL_SECONDS) if view.settled)


def test_a_busy_owner_is_told_that_nothing_is_to_be_added(store: str, begin: Begin) -> None:
    """Its run is closed: both are decided without a look at the children that it runs meanwhile."""
    begin(10_000)
    with Orchestrator(store, max_workers=1) as elsewhere:
        run = elsewhere.get(RUN_ID)
        until(lambda: has_begun(run))
        with pytest.raises(StepOrderError, match="run 'busy': children can no longer be added"):
            run.add([no_op.child(n=-1)], timeout=CALL_SECONDS)
        assert run.close(timeout=CALL_SECONDS).counts.total == 10_000
        run.cancel(timeout=CALL_SECONDS)
