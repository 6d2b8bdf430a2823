"""Feeding across processes: one that is killed while it feeds, and one that feeds a run of another process."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.facts import ChildFinished, ChildPrepared
from events.invariants import check_history
from events.log import open_log
from orchestrator import Child, Orchestrator, Parallel
from tests.face import feeder, tasks
from tests.face.sources import Source
from tests.support.places import LASTING, place_of
from tests.support.waiting import until

CHILDREN = 400


@pytest.fixture(params=LASTING)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return place_of(request, tmp_path)


def begin(store: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.face.feeder", store, str(folder), str(CHILDREN)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(feeder.__file__).parents[2], bufsize=0)


def ran(folder: Path) -> list[str]:
    path = folder / "ran"
    return path.read_text().splitlines() if path.exists() else []


def until_ran(folder: Path, count: int) -> None:
    until(lambda: len(ran(folder)) >= count, what=f"{count} children to run")


def test_killed_while_it_feeds_and_started_again_every_item_runs_and_none_is_twice_on_record(
    store: str, tmp_path: Path
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(3):
        with begin(store, tmp_path) as process:
            until_ran(tmp_path, len(ran(tmp_path)) + chance.randint(1, 80))
            process.send_signal(signal.SIGKILL)
    with begin(store, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.read().endswith(b"done succeeded\n")
    with open_log(store, must_exist=True) as log:
        facts = [record.fact for record in log.read("fed")]
    check_history(facts)
    names = [f"mark-{number}" for number in range(CHILDREN)]
    assert [fact.child_id for fact in facts if isinstance(fact, ChildPrepared)] == names
    assert Counter(fact.child_id for fact in facts if isinstance(fact, ChildFinished)) == Counter(names)
    assert set(ran(tmp_path)) == set(names)


def test_killed_before_the_parent_was_recorded_leaves_no_run(tmp_path: Path) -> None:
    program = (
        "import os, signal\n"
        "from orchestrator import Orchestrator, Parallel\n"
        "from tests.face.feeder import children\n"
        "with Orchestrator('runs.db') as orchestrator:\n"
        "    orchestrator._engine.claim = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    orchestrator.start(Parallel(children=children('.', 5)), id='fed')\n"
    )
    root = Path(feeder.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{program}"], cwd=tmp_path
    )
    assert done.returncode == -signal.SIGKILL
    with Orchestrator(tmp_path / "runs.db") as orchestrator:
        assert orchestrator.list() == []


def test_a_run_that_another_orchestrator_works_on_is_fed_with_back_pressure(tmp_path: Path, gate: str) -> None:
    """The owner has the first child only; who feeds the others has no part in running them."""
    store = tmp_path / "runs.db"

    def make(number: int) -> Child:
        return tasks.wait_at.child(gate=gate) if number < 2 else tasks.square.child(x=number)

    class Later:
        """What the owner's own source gives: nothing, until the test is over."""

        def __iter__(self) -> Iterator[Child]:
            yield make(0)
            tasks.GATES[f"{gate}/owner"].wait(60)

    source = Source(60, make)
    with Orchestrator(store, max_workers=2) as owner, Orchestrator(store, max_workers=2) as feeding:
        run = owner.start(Parallel(children=Later(), max_workers=2), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
        other = feeding.start(Parallel(children=iter(source), max_workers=2), id="r")
        until(lambda: other.status().counts.running == 2)
        until(lambda: source.pulled >= 8)
        assert source.pulled <= 2 + 4 * 2 + 1
        tasks.GATES[gate].set()
        assert other.settle(timeout=60).counts.succeeded == 60
        assert run.settle(timeout=20).status == "succeeded"
        tasks.GATES[f"{gate}/owner"].set()
    with open_log(store, must_exist=True) as log:
        check_history([record.fact for record in log.read("r")])


def test_a_run_that_another_process_took_over_is_fed_no_further(store: str, gate: str) -> None:
    source = Source(1_000, lambda _: tasks.wait_at.child(gate=gate))
    with Orchestrator(store, max_workers=1) as first, Orchestrator(store, max_workers=1) as second:
        first.start(Parallel(children=iter(source)), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
        run = second.resume("r", take_over=True)
        assert source.closed.wait(20)
        tasks.GATES[gate].set()
        run.cancel()
        run.settle(timeout=20)
    assert source.pulled < 50


def test_another_process_adds_to_a_run_and_closes_it(store: str, gate: str) -> None:
    with Orchestrator(store) as owner, Orchestrator(store) as other:
        run = owner.start(Parallel(children=[tasks.square.child(x=1)], open=True), id="r")
        added = other.get("r").add([tasks.square.child(x=2)])
        assert added.counts.total == 2
        until(lambda: run.status().counts.succeeded == 2)
        other.get("r").close()
        assert run.settle(timeout=20).status == "succeeded"
