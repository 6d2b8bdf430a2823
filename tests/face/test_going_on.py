"""Going on: after a close, after an actor's death, beside other processes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pykka
import pytest

from actors.executors.work import Ending
from events.facts import OwnershipTaken
from events.log import FactBatch, open_log
from orchestrator import (
    Child,
    ClosedError,
    Orchestrator,
    Parallel,
    RunHaltedError,
    RunNotFoundError,
    RunOwnedError,
    TaskRegistry,
    UnknownTaskError,
)
from tests.face import tasks
from tests.support.places import LASTING, place_of
from tests.support.waiting import until


def types(run_id: str, orchestrator: Orchestrator) -> list[str]:
    return [event.type for event in orchestrator.get(run_id).history()]


@pytest.fixture(params=LASTING)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return place_of(request, tmp_path)


def test_a_closed_orchestrators_runs_are_resumed_by_the_next_one(store: str, gate: str) -> None:
    with Orchestrator(store, max_workers=2, shutdown_seconds=0.2) as first:
        children = [tasks.square.child(x=3), tasks.wait_at.child(gate=gate), *[tasks.square.child(x=2)] * 3]
        run = first.start(Parallel(children=children, max_workers=1), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
        assert run.status().counts.succeeded == 1
    tasks.GATES[gate].set()
    with Orchestrator(store, max_workers=2) as second:
        assert [run.id for run in second.resume_all()] == ["r"]
        result = second.get("r").settle(timeout=20)
        assert result.status == "succeeded"
        assert types("r", second).count("AttemptLost") == 1
        assert types("r", second).count("OwnershipReleased") == 1
        assert types("r", second).count("OwnershipTaken") == 2
        attempts = {child.id: child.attempts for child in second.get("r").children()}
        assert attempts == {"square-0": 1, "wait_at-1": 2, "square-2": 1, "square-3": 1, "square-4": 1}
        assert second.resume_all() == []


def test_a_settled_run_is_not_gone_on_with_because_an_abandoned_attempt_ended_after_it(store: str, gate: str) -> None:
    with Orchestrator(store, max_workers=2) as first:
        abandoned = Child(task="wait_at", id="a", input={"gate": gate}, timeout=0.1, grace=0.05)
        run = first.start(Parallel(children=[abandoned]), id="r")
        assert run.settle(timeout=20).status == "failed"
        tasks.GATES[gate].set()
        until(lambda: types("r", first)[-1] == "AttemptEndedLate")
    with Orchestrator(store, max_workers=2) as second:
        assert second.resume_all() == []


def test_waiting_for_a_run_that_nobody_works_on_says_so(store: str, gate: str) -> None:
    with Orchestrator(store, shutdown_seconds=0.1) as first:
        first.start(Parallel(children=[tasks.wait_at.child(gate=gate)]), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
    tasks.GATES[gate].set()
    with Orchestrator(store) as second:
        run = second.get("r")
        with pytest.raises(RunHaltedError, match="nobody works on run 'r'"):
            run.result(timeout=20)
        second.resume("r")
        assert run.settle(timeout=20).status == "succeeded"


def test_a_running_child_may_finish_while_the_orchestrator_closes(store: str, gate: str) -> None:
    with Orchestrator(store, shutdown_seconds=10) as first:
        first.start(Parallel(children=[tasks.deaf.child(gate=gate)]), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
        opener = pykka.ThreadingFuture[None]()
        tasks.GATES[gate].set()
        opener.set()
    with Orchestrator(store) as second:
        assert second.get("r").status().settled


def test_a_closed_orchestrator_says_so(store: str) -> None:
    orchestrator = Orchestrator(store)
    run = orchestrator.start(Parallel(children=[tasks.nothing.child()]))
    run.settle(timeout=20)
    orchestrator.close()
    orchestrator.close()
    with pytest.raises(ClosedError):
        orchestrator.start(Parallel(children=[tasks.nothing.child()]))
    with pytest.raises(ClosedError):
        orchestrator.get(run.id)


def test_a_run_that_another_orchestrator_works_on_is_not_resumed_but_can_be_followed(store: str, gate: str) -> None:
    asked = Parallel(children=[tasks.wait_at.child(gate=gate)])
    with Orchestrator(store) as owner, Orchestrator(store) as other:
        owner.start(asked, id="r")
        with pytest.raises(RunOwnedError):
            other.resume("r")
        assert other.resume_all() == []
        followed = other.start(asked, id="r")
        until(lambda: followed.status().status == "running")
        tasks.GATES[gate].set()
        assert followed.settle(timeout=20).status == "succeeded"
        assert types("r", other).count("OwnershipTaken") == 1


def test_another_orchestrator_can_cancel_what_it_does_not_own(store: str, gate: str) -> None:
    with Orchestrator(store) as owner, Orchestrator(store) as other:
        run = owner.start(Parallel(children=[tasks.wait_at.child(gate=gate)] * 3, max_workers=1), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
        assert other.get("r").cancel("from outside").status == "cancelled"
        result = run.settle(timeout=5)
        assert (result.status, result.counts.cancelled, result.counts.skipped) == ("cancelled", 1, 2)


def test_cancelling_what_nobody_works_on_settles_it(store: str, gate: str) -> None:
    with Orchestrator(store, shutdown_seconds=0.1) as first:
        first.start(Parallel(children=[tasks.wait_at.child(gate=gate)] * 3, max_workers=1), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
    with Orchestrator(store, tasks=TaskRegistry()) as second:
        run = second.get("r")
        assert run.cancel().status == "cancelled"
        assert run.settle(timeout=20).counts.cancelled == 1
        assert tasks.CALLS[f"{gate}/begun"] == 1


def test_a_run_whose_tasks_are_unknown_here_is_not_resumed(store: str, gate: str) -> None:
    with Orchestrator(store, shutdown_seconds=0.1) as first:
        first.start(Parallel(children=[tasks.wait_at.child(gate=gate)]), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
        version = first.get("r").status().version
    with Orchestrator(store, tasks=TaskRegistry()) as second:
        with pytest.raises(UnknownTaskError, match="'wait_at'"):
            second.resume("r")
        assert second.get("r").status().version == version + 2  # the loss and the release of the close


def test_there_is_no_run_that_was_never_started(store: str) -> None:
    with Orchestrator(store) as orchestrator:
        with pytest.raises(RunNotFoundError):
            orchestrator.get("nobody")
        with pytest.raises(RunNotFoundError):
            orchestrator.resume("nobody")


def test_who_loses_a_run_stops_working_on_it(store: str, gate: str) -> None:
    with Orchestrator(store) as first, Orchestrator(store) as second:
        children = [tasks.wait_at.child(gate=gate), tasks.nothing.child()]
        lost = first.start(Parallel(children=children, max_workers=1), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
        run = second.resume("r", take_over=True)
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 2)
        threads = first._engine.executors.threads
        until(lambda: not threads._roll.open, timeout_seconds=10, what="the end of the first attempt")
        tasks.GATES[gate].set()
        assert run.settle(timeout=20).status == lost.settle(timeout=20).status == "succeeded"
        assert types("r", second).count("ChildFinished") == 2


def test_a_program_that_forgets_to_close_still_exits(store: str) -> None:
    code = (
        "from orchestrator import Orchestrator, Parallel, task\n"
        "@task\n"
        "def one() -> int: return 1\n"
        f"orchestrator = Orchestrator({str(store)!r})\n"
        "print(orchestrator.start(Parallel(children=[one.child()])).settle(timeout=20).status)\n"
        "raise RuntimeError('a bug of theirs')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, env=dict(os.environ)
    )
    assert done.stdout == "succeeded\n"
    assert "a bug of theirs" in done.stderr
    assert done.returncode == 1


def test_endings_are_plain_data() -> None:
    assert Ending("succeeded", "1") == Ending("succeeded", "1")


def test_a_cancel_from_outside_is_heard_while_the_owner_is_busy(store: str, gate: str) -> None:
    """Whenever the foreign event lands, between two appends of the owner or during one, it is heard within seconds."""
    with Orchestrator(store, max_workers=4) as owner, Orchestrator(store) as other:
        for number in range(10):
            children = [tasks.wait_at.child(gate=gate)] + [tasks.nothing.child()] * 30 * number
            run = owner.start(Parallel(children=children, max_workers=2), id=f"r{number}")
            other.get(run.id).cancel("from outside")
            assert run.settle(timeout=5).status in ("cancelled", "succeeded")


def test_a_damaged_run_is_passed_over_by_list_and_resume_all(
    tmp_path: Path, gate: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = tmp_path / "runs.db"
    with Orchestrator(store, max_workers=4, shutdown_seconds=0.1) as first:
        for name in ("bad", "good"):
            first.start(Parallel(children=[tasks.wait_at.child(gate=gate)]), id=name)
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 2)
    connection = sqlite3.connect(store)
    connection.execute("UPDATE events SET hash = zeroblob(32) WHERE parent = 1 AND version = 3")
    connection.commit()
    connection.close()
    tasks.GATES[gate].set()
    with Orchestrator(store) as second:
        assert [run.id for run in second.list()] == ["good"]
        assert [run.id for run in second.resume_all()] == ["good"]
        assert second.get("good").settle(timeout=20).status == "succeeded"
    assert "'bad' is left alone" in caplog.text


def test_a_run_whose_owner_cannot_be_asked_can_be_taken_over(store: str, gate: str) -> None:
    with Orchestrator(store, shutdown_seconds=0.1) as first:
        first.start(Parallel(children=[tasks.wait_at.child(gate=gate)]), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
    with open_log(store) as log:
        head = log.recorder.head("r")
        assert head is not None
        elsewhere = OwnershipTaken(at=1, owner="another-machine:1:0:1", epoch=2)
        log.append([FactBatch("r", head.version, [elsewhere])])
    tasks.GATES[gate].set()
    with Orchestrator(store) as second:
        with pytest.raises(RunOwnedError, match="take it over"):
            second.resume("r")
        assert second.resume("r", take_over=True).settle(timeout=20).status == "succeeded"


def test_the_workers_of_a_resumed_run_are_named_from_one_again(store: str, gate: str) -> None:
    with Orchestrator(store, shutdown_seconds=0.1) as first:
        first.start(Parallel(children=[tasks.wait_at.child(gate=gate)] * 2, max_workers=2), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 2)
    tasks.GATES[gate].set()
    with Orchestrator(store) as second:
        second.resume("r").settle(timeout=20)
        workers = {event.data["worker"] for event in second.get("r").history() if event.type == "ChildStarted"}
        assert workers == {"1", "2"}


def test_a_fork_cannot_use_its_parents_orchestrator_and_ends_at_once(store: str) -> None:
    code = (
        "import os, sys\n"
        "from orchestrator import ClosedError, Orchestrator, Parallel, task\n"
        "@task\n"
        "def one() -> int: return 1\n"
        f"with Orchestrator({str(store)!r}) as orchestrator:\n"
        "    run = orchestrator.start(Parallel(children=[one.child()]))\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        for use in (run.status, lambda: orchestrator.get(run.id), run.settle):\n"
        "            try:\n"
        "                use()\n"
        "            except ClosedError as error:\n"
        "                assert 'another process' in str(error)\n"
        "        sys.exit(7)\n"
        "    _, status = os.waitpid(child, 0)\n"
        "    print(os.waitstatus_to_exitcode(status), run.settle(timeout=20).status)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout == "7 succeeded\n", done.stderr


def test_a_program_that_forgets_to_close_is_told_what_it_left(store: str) -> None:
    code = (
        "import time\n"
        "from orchestrator import Orchestrator, Parallel, task\n"
        "@task\n"
        "def doze() -> None: time.sleep(20)\n"
        f"orchestrator = Orchestrator({str(store)!r}, max_workers=1)\n"
        "run = orchestrator.start(Parallel(children=[doze.child()] * 3), id='r')\n"
        "while run.status().counts.running == 0: time.sleep(0.01)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert "1 unfinished run(s) can be resumed" in done.stderr
    with open_log(store) as log:
        assert [record.type for record in log.read("r")][-2:] == ["AttemptLost", "OwnershipReleased"]
