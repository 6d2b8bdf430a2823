"""SIGKILL in the middle of a redrive, of a pause, of a cancel: whoever goes on does so rightly."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from events.facts import ChildFinished, ChildStarted, Fact, Paused, Redriven
from events.invariants import check_history
from events.log import open_log
from orchestrator import Child, Orchestrator, Parallel
from tests.crash import redriver
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]


class Killed:
    """A store, what its children did, and a process that is killed in the middle."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "runs.db"

    def facts(self) -> list[Fact]:
        with open_log(self.store, must_exist=True) as log:
            return [record.fact for record in log.read(redriver.RUN_ID)]

    def begin(self, what: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.crash.redriver", str(self.store), str(self.folder), what]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)

    def ran(self) -> Counter[str]:
        """How often each child ran, by what it left behind."""
        return Counter((self.folder / "ran").read_text().split())


@pytest.fixture
def killed(tmp_path: Path) -> Killed:
    return Killed(tmp_path)


def test_killed_in_the_middle_of_a_redrive(killed: Killed) -> None:
    """Ten children, of which the odd ones fail at first; of those, three are done again when the process dies."""
    with Orchestrator(killed.store, max_workers=2) as first:
        children = [redriver.odd_fails.child(folder=str(killed.folder), n=n).with_id(str(n)) for n in range(10)]
        run = first.start(Parallel(children=children, max_workers=2, on_decided="continue"), id=redriver.RUN_ID)
        assert run.settle(timeout=30).counts.failed == 5
    for name in ("hold", "mended.1", "mended.3", "mended.5"):
        (killed.folder / name).touch()
    process = killed.begin("redrive")
    try:
        until(lambda: (killed.folder / "ran").read_text().split().count("7") == 2, what="the fourth to run again")
        until(lambda: sum(isinstance(fact, ChildFinished) for fact in killed.facts()) >= 12)
    finally:
        killed.kill(process)
    for number in (7, 9):
        (killed.folder / f"mended.{number}").touch()
    with Orchestrator(killed.store, max_workers=2) as second:
        result = second.resume(redriver.RUN_ID).settle(timeout=30)
        assert (result.status, result.counts.succeeded) == ("succeeded", 10)
    facts = killed.facts()
    check_history(facts)
    assert sum(isinstance(fact, Redriven) for fact in facts) == 1
    ran = killed.ran()
    assert [ran[str(number)] for number in (0, 2, 4, 6, 8)] == [1] * 5, "what has succeeded never runs again"
    done = {fact.child_id for fact in facts[:-1] if isinstance(fact, ChildFinished) and fact.outcome == "succeeded"}
    assert done == {str(number) for number in range(10)}
    succeeded = Counter(f.child_id for f in facts if isinstance(f, ChildFinished) and f.outcome == "succeeded")
    assert set(succeeded.values()) == {1}


def test_killed_while_it_is_paused(killed: Killed) -> None:
    """The pause outlives its owner: whoever follows starts nothing, and resuming goes on."""
    process = killed.begin("wait")
    try:
        with Orchestrator(killed.store, max_workers=1) as elsewhere:
            elsewhere.get(redriver.RUN_ID).pause("kill it now")
    finally:
        killed.kill(process)
    (killed.folder / "go").touch()
    with Orchestrator(killed.store, max_workers=2) as second:
        run = second.resume(redriver.RUN_ID)
        assert run.status().counts.running == 0
        started = sum(isinstance(fact, ChildStarted) for fact in killed.facts())
        assert run.resume().decided_at is None
        assert run.settle(timeout=30).counts.succeeded == 4
    facts = killed.facts()
    check_history(facts)
    paused = [number for number, fact in enumerate(facts) if isinstance(fact, Paused)]
    assert sum(isinstance(fact, ChildStarted) for fact in facts[: paused[0]]) == started == 2


def test_killed_while_a_tree_is_being_cancelled(killed: Killed) -> None:
    """Nested runs that wait: the cancel is on record, its owner dies before it reaches all of the tree."""
    process = killed.begin("tree")
    try:
        with Orchestrator(killed.store, max_workers=1) as elsewhere:
            run = elsewhere.get(redriver.RUN_ID)
            until(lambda: run.status().counts.running == 2)
            assert run.cancel("enough").status == "cancelled"
    finally:
        killed.kill(process)
    with Orchestrator(killed.store, max_workers=2) as second:
        for run in second.resume_all():
            run.settle(timeout=30)
        views = {view.id: view for view in second.list()}
    assert len(views) == 3
    assert {view.status for view in views.values()} == {"cancelled"}
    assert all(view.settled and view.counts.running == 0 for view in views.values())
    with open_log(killed.store) as log:
        for parent_id in views:
            check_history([record.fact for record in log.read(parent_id)])


def redriven_more_often(killed: Killed, times: int) -> bool:
    return sum(isinstance(fact, Redriven) for fact in killed.facts()) > times


def test_killed_in_the_middle_of_a_redrive_again_and_again(killed: Killed) -> None:
    """Whatever instant it is, the redrive is there whole or not at all, and what succeeded stays."""
    with Orchestrator(killed.store) as first:
        children = [
            Child(id=str(n), task=redriver.odd_fails.task_name, input={"folder": str(killed.folder), "n": n})
            for n in range(4)
        ]
        first.start(Parallel(children=children, on_decided="continue"), id=redriver.RUN_ID).settle(timeout=30)
    for number in range(3):
        process = killed.begin("redrive")
        until(partial(redriven_more_often, killed, number))
        killed.kill(process)
        with Orchestrator(killed.store) as second:
            assert second.resume(redriver.RUN_ID).settle(timeout=30).counts.failed == 2
        check_history(killed.facts())
    assert killed.ran()["0"] == killed.ran()["2"] == 1
