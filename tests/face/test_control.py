"""Pausing, changing, cancelling and redriving runs, and watching them, in the process that works on them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pykka
import pytest

from orchestrator import (
    CancelRun,
    Child,
    DeadlineExceededError,
    LimitExceededError,
    Orchestrator,
    Parallel,
    ParentFinished,
    PauseRun,
    RedriveRun,
    ResumeRun,
    Run,
    RunRefused,
    StepOrderError,
    TaskRegistry,
    Threshold,
    UnknownTaskError,
    UpdateRun,
    UsageError,
)
from tests.face import tasks
from tests.support.places import EVERYWHERE, place_of
from tests.support.waiting import until


@pytest.fixture(params=EVERYWHERE)
def orchestrator(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Orchestrator]:
    with Orchestrator(place_of(request, tmp_path), max_workers=4, shutdown_seconds=1.0) as made:
        yield made


def types(run: Run) -> list[str]:
    return [event.type for event in run.history()]


def started(run: Run) -> int:
    return types(run).count("ChildStarted")


def waiting(count: int, gate: str) -> list[Child]:
    return [tasks.wait_at.child(gate=gate).with_id(str(number)) for number in range(count)]


# Pause and resume


def test_a_paused_run_starts_nothing_until_it_is_resumed(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(Parallel(children=waiting(6, gate), max_workers=2))
    until(lambda: tasks.CALLS[f"{gate}/begun"] == 2)
    view = run.pause("a breath")
    assert (view.status, view.counts.running) == ("running", 2)
    tasks.GATES[gate].set()
    until(lambda: run.status().counts.succeeded == 2)
    assert started(run) == 2, "what ran has ended, and nothing followed"
    [paused] = [event for event in run.history() if event.type == "Paused"]
    assert paused.data == {"reason": "a breath"}
    assert run.pause().version == run.status().version, "it is paused already"
    run.resume()
    assert run.settle(timeout=20).counts.succeeded == 6
    order = types(run)
    assert "ChildStarted" not in order[order.index("Paused") : order.index("Resumed")]


def test_pausing_what_is_over_is_refused_and_resuming_it_is_quiet(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[tasks.square.child(x=1)]), id="over")
    before = run.settle(timeout=20).view
    with pytest.raises(StepOrderError, match=r"run 'over': .*settled \(succeeded\)"):
        run.pause()
    with pytest.raises(UsageError, match="cannot be printed"):
        run.pause("\x1b[2J")
    assert run.resume().version == before.version


# Changes


def test_more_workers_take_effect_at_once(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(Parallel(children=waiting(6, gate), max_workers=1))
    until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
    run.update(max_workers=3, weight=2, priority=5)
    until(lambda: tasks.CALLS[f"{gate}/begun"] == 3)
    run.update(max_workers=1)
    tasks.GATES[gate].set()
    assert run.settle(timeout=20).status == "succeeded"
    changes = [event.data for event in run.history() if event.type == "LimitsChanged"]
    assert changes == [{"max_workers": 3, "weight": 2, "priority": 5}, {"max_workers": 1}]


def test_a_new_strategy_may_decide_the_run_at_once(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(Parallel(children=[*waiting(2, gate), tasks.square.child(x=1)], max_workers=3))
    until(lambda: run.status().counts.succeeded == 1)
    view = run.update(strategy=Threshold(count=1))
    assert (view.status, view.strategy.required) == ("succeeded", 1)
    assert run.settle(timeout=20).counts.cancelled == 2
    with pytest.raises(StepOrderError, match="settled"):
        run.update(strategy="all")


def test_changes_that_make_no_sense_are_refused(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(Parallel(children=waiting(2, gate)))
    version = run.status().version
    wrong: dict[str, Any] = {"weight": 1.5, "strategy": "most"}
    with pytest.raises(UsageError, match="nothing to change"):
        run.update()
    with pytest.raises(UsageError, match="max_workers"):
        run.update(max_workers=0)
    with pytest.raises(LimitExceededError, match="max_workers_max"):
        run.update(max_workers=10**9)
    with pytest.raises(UsageError, match="weight"):
        run.update(weight=wrong["weight"])
    with pytest.raises(UsageError, match="needs at least 3 successes, has 2 children"):
        run.update(strategy=Threshold(count=3))
    with pytest.raises(UsageError, match="strategy"):
        run.update(strategy=wrong["strategy"])
    until(lambda: run.status().counts.running == 2)
    assert "LimitsChanged" not in types(run)
    assert version <= run.status().version


# One child


def test_one_child_is_cancelled_and_the_others_go_on(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(Parallel(children=waiting(3, gate), max_workers=2, strategy=Threshold(count=1)))
    until(lambda: tasks.CALLS[f"{gate}/begun"] == 2)
    run.cancel("not this one", child="0")
    run.cancel("nor this", child="2")
    until(lambda: run.status().counts.cancelled == 2)
    assert [child.status for child in run.children()] == ["cancelled", "running", "cancelled"]
    with pytest.raises(UsageError, match="'9'"):
        run.cancel(child="9")
    tasks.GATES[gate].set()
    assert run.settle(timeout=20).status == "succeeded"


# Redrive


def test_only_what_did_not_succeed_runs_again_in_one_history(orchestrator: Orchestrator, gate: str) -> None:
    children = [
        tasks.fail_until.child(times=1, name=f"{gate}/a").with_id("a"),
        tasks.fail_until.child(times=0, name=f"{gate}/b").with_id("b"),
        tasks.fail_until.child(times=2, name=f"{gate}/c").with_id("c"),
    ]
    run = orchestrator.start(Parallel(children=children, on_decided="continue"))
    assert run.settle(timeout=20).status == "failed"
    view = run.redrive(reason="once more")
    assert view.decided_at is None
    result = run.settle(timeout=20)
    assert (result.status, result.counts.succeeded, result.counts.failed) == ("failed", 2, 1)
    assert run.redrive(ids="c").counts.succeeded == 2
    assert run.result(timeout=20).status == "succeeded"
    assert [tasks.CALLS[f"{gate}/{name}"] for name in "abc"] == [2, 1, 3]
    assert types(run).count("Redriven") == 2
    assert [child.attempts for child in run.children()] == [2, 1, 3]
    with pytest.raises(StepOrderError, match="no child to run again"):
        run.redrive()


def test_a_run_whose_time_was_up_as_its_children_succeeded_has_none_to_run_again(
    orchestrator: Orchestrator, gate: str
) -> None:
    run = orchestrator.start(Parallel(children=[tasks.deaf.child(gate=gate).with_id("a")], timeout=0.2))
    until(lambda: run.status().status == "timed_out")
    tasks.GATES[gate].set()
    result = run.settle(timeout=20)
    assert (result.status, list(result.outputs)) == ("timed_out", ["a"]), "it ended by itself, as it was asked to stop"
    with pytest.raises(StepOrderError, match=r"all 1 succeeded, though the run is timed_out, .* take their outputs"):
        run.redrive()
    assert run.status().status == "timed_out"


def test_children_are_chosen_by_outcome_id_and_type_of_error(orchestrator: Orchestrator, gate: str) -> None:
    children = [
        Child(id="value", task="fail", input={}),
        tasks.fail_until.child(times=1, name=f"{gate}/late").with_id("late"),
        tasks.square.child(x=1).with_id("good"),
    ]
    run = orchestrator.start(Parallel(children=children, on_decided="continue"))
    run.settle(timeout=20)
    with pytest.raises(StepOrderError, match=r"no child .* KeyError"):
        run.redrive(error_type=KeyError)
    with pytest.raises(StepOrderError, match="no child"):
        run.redrive(error_type="RuntimeError", ids=["value"])
    with pytest.raises(StepOrderError, match="no child to run again"):
        run.redrive(outcome="timed_out")
    with pytest.raises(StepOrderError, match="'good' has succeeded"):
        run.redrive(ids=["good"])
    with pytest.raises(StepOrderError, match="no child 'other'"):
        run.redrive(ids=["other"])
    wrong: dict[str, Any]
    for wrong in ({"outcome": "succeeded"}, {"outcome": 3}, {"ids": []}, {"ids": [1]}, {"error_type": [None]}):
        with pytest.raises(UsageError):
            run.redrive(**wrong)
    assert "Redriven" not in types(run)
    run.redrive(outcome=["failed"], error_type=RuntimeError)
    run.settle(timeout=20)
    assert [child.attempts for child in run.children()] == [1, 2, 1]


def test_a_run_that_is_not_over_is_not_redriven(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(Parallel(children=waiting(1, gate)), id="open")
    with pytest.raises(StepOrderError, match="run 'open': it is not decided yet"):
        run.redrive()
    tasks.GATES[gate].set()
    run.settle(timeout=20)


def test_a_decided_run_is_waited_for(orchestrator: Orchestrator, gate: str) -> None:
    children = [Child(id="bad", task="fail", input={}), tasks.deaf.child(gate=gate).with_id("deaf")]
    run = orchestrator.start(Parallel(children=children, on_decided="drain"))
    run.result(timeout=20)
    until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
    with pytest.raises(DeadlineExceededError):
        run.redrive(timeout=0.05)
    threading.Timer(0.1, tasks.GATES[gate].set).start()
    run.redrive(ids=["bad"], timeout=20)
    assert run.settle(timeout=20).status == "failed"
    assert tasks.CALLS[f"{gate}/begun"] == 1


def test_what_this_process_cannot_run_is_not_redriven(tmp_path: Path) -> None:
    with Orchestrator(tmp_path / "runs.db") as first:
        first.start(Parallel(children=[Child(id="bad", task="fail", input={})]), id="r").settle(timeout=20)
    with Orchestrator(tmp_path / "runs.db", tasks=TaskRegistry()) as second:
        run = second.get("r")
        before = run.status().version
        with pytest.raises(UnknownTaskError, match="fail"):
            run.redrive()
        assert run.status().version == before


def test_a_handle_elsewhere_learns_of_a_redrive(tmp_path: Path, gate: str) -> None:
    with Orchestrator(tmp_path / "runs.db") as first, Orchestrator(tmp_path / "runs.db") as second:
        child = tasks.fail_until.child(times=1, name=gate).with_id("a")
        run = first.start(Parallel(children=[child]), id="r")
        assert run.settle(timeout=20).status == "failed"
        again = second.get("r")
        again.redrive()
        assert again.settle(timeout=20).status == "succeeded"
        assert run.status().status == run.result(timeout=20).status == "succeeded"


# Watching


def test_a_run_is_watched_until_it_is_settled(orchestrator: Orchestrator, gate: str) -> None:
    before = threading.active_count()
    run = orchestrator.start(Parallel(children=waiting(3, gate), max_workers=3))
    until(lambda: tasks.CALLS[f"{gate}/begun"] == 3)
    views = []
    for view in run.watch(timeout=20):
        views.append(view)
        tasks.GATES[gate].set()
    assert views[0].counts.running == 3
    assert (views[-1].settled, views[-1].counts.succeeded) == (True, 3)
    assert [view.version for view in views] == sorted({view.version for view in views})
    assert [view.settled for view in run.watch()] == [True]
    assert threading.active_count() <= before + 16


def test_watching_has_a_deadline(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(Parallel(children=waiting(1, gate)))
    until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
    with pytest.raises(DeadlineExceededError, match="goes on"):
        list(run.watch(timeout=0.3))
    long: Any = "long"
    with pytest.raises(UsageError):
        run.watch(timeout=long)
    tasks.GATES[gate].set()


# An engine's own actors


class Told(pykka.ThreadingActor):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Any] = []

    def on_receive(self, message: Any) -> list[Any]:
        if message != "heard":
            self.heard.append(message)
        return self.heard


def heard(told: pykka.ActorRef[Told]) -> list[Any]:
    found = told.ask("heard")
    assert isinstance(found, list)
    return found


@pytest.fixture
def told() -> Iterator[pykka.ActorRef[Told]]:
    ref = Told.start()
    yield ref
    ref.stop()


def test_an_engine_controls_runs_by_messages(orchestrator: Orchestrator, gate: str, told: pykka.ActorRef[Told]) -> None:
    run = orchestrator.start(Parallel(children=waiting(4, gate), max_workers=1), id="r")
    until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
    orchestrator.ref.tell(PauseRun("r", reason="wait"))
    until(lambda: "Paused" in types(run))
    orchestrator.ref.tell(UpdateRun("r", max_workers=2))
    until(lambda: "LimitsChanged" in types(run))
    orchestrator.ref.tell(CancelRun("r", child="3"))
    until(lambda: "ParentDecided" in types(run))
    assert run.settle(timeout=20).status == "failed"
    orchestrator.ref.tell(RedriveRun("r", told, ids=("3",)))
    orchestrator.ref.tell(RedriveRun("r", told, ids=("0", "1", "2")))
    until(lambda: len(heard(told)) == 2)
    assert {type(message) for message in heard(told)} == {RunRefused, ParentFinished}, "the first one still runs"
    tasks.GATES[gate].set()
    assert run.settle(timeout=20).counts.succeeded == 1


def test_a_message_resumes_a_paused_run(orchestrator: Orchestrator, gate: str) -> None:
    tasks.GATES[gate].set()
    run = orchestrator.start(Parallel(children=waiting(1, f"{gate}/never"), max_workers=1), id="r")
    orchestrator.ref.tell(PauseRun("r"))
    until(lambda: "Paused" in types(run))
    orchestrator.ref.tell(ResumeRun("r"))
    until(lambda: "Resumed" in types(run))
    tasks.GATES[f"{gate}/never"].set()
    assert run.settle(timeout=20).status == "succeeded"


NO_TEXT: Any = 3
NOBODY: Any = None


@pytest.mark.parametrize(
    "message",
    [
        PauseRun("none"),
        PauseRun("r", reason="\x07"),
        UpdateRun("r"),
        UpdateRun("r", max_workers=-1),
        CancelRun("r", child=NO_TEXT),
        ResumeRun("none"),
        RedriveRun("r", NOBODY),
    ],
    ids=str,
)
def test_a_message_that_makes_no_sense_is_said_and_passed_over(
    orchestrator: Orchestrator, message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run = orchestrator.start(Parallel(children=[tasks.square.child(x=1)]), id="r")
    before = run.settle(timeout=20).view.version
    orchestrator.ref.tell(message)
    until(lambda: "was refused" in caplog.text)
    if message.id == "none":
        assert "was refused: there is no run 'none' in this store" in caplog.text
    assert run.status().version == before
