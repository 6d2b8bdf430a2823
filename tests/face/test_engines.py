"""Engines made of actors: they start and cancel runs, and are told how these end, by message."""

from __future__ import annotations

from pathlib import Path

import pykka
import pytest

from actors.messages import AttemptsEnded
from orchestrator import (
    CancelRun,
    Orchestrator,
    Parallel,
    ParentFinished,
    RunHalted,
    RunNotFoundError,
    RunRefused,
    StartRun,
    UsageError,
)
from tests.face import tasks
from tests.support.waiting import until


class Recorder(pykka.ThreadingActor):
    """Somebody else's actor."""

    def __init__(self, told: list[object]) -> None:
        super().__init__()
        self.told = told

    def on_receive(self, message: object) -> None:
        self.told.append(message)


def test_an_actor_is_told_the_outcome_by_message(store: Path) -> None:
    told: list[object] = []
    recorder = Recorder.start(told)
    with Orchestrator(store) as orchestrator:
        asked = Parallel(children=[tasks.square.child(x=1)])
        orchestrator.start(asked, id="r", reply_to=recorder)
        until(lambda: told)
        assert isinstance(told[0], ParentFinished)
        assert (told[0].parent_id, told[0].status, told[0].counts.succeeded) == ("r", "succeeded", 1)
        orchestrator.start(asked, id="r", reply_to=recorder)
        until(lambda: len(told) == 2, what="the outcome of a run that is over already")
    recorder.stop()


def test_actors_may_start_and_cancel_runs_without_ever_blocking(store: Path, gate: str) -> None:
    told: list[object] = []
    recorder = Recorder.start(told)
    with Orchestrator(store) as orchestrator:
        parallel = Parallel(children=[tasks.wait_at.child(gate=gate)])
        orchestrator.ref.tell(StartRun(parallel, "r", recorder))
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
        orchestrator.ref.tell(CancelRun("r"))
        until(lambda: told)
        assert isinstance(told[0], ParentFinished)
        assert told[0].status == "cancelled"
        orchestrator.ref.tell(StartRun(Parallel(strategy="any"), "never", recorder))
        until(lambda: len(told) == 2)
        assert isinstance(told[1], RunRefused)
        assert "0 children" in told[1].reason
    recorder.stop()


def test_nobody_elses_stop_all_reaches_our_actors(store: Path) -> None:
    with Orchestrator(store) as orchestrator:
        orchestrator.start(Parallel(children=[tasks.nothing.child()])).settle(timeout=20)
        assert pykka.ActorRegistry.get_all() == []
        pykka.ActorRegistry.stop_all(timeout=5)
        run = orchestrator.start(Parallel(children=[tasks.nothing.child()]))
        assert run.settle(timeout=20).status == "succeeded"


def test_who_follows_a_run_goes_on_with_it_when_its_owner_is_gone(store: Path, gate: str) -> None:
    asked = Parallel(children=[tasks.wait_at.child(gate=gate)])
    told: list[object] = []
    recorder = Recorder.start(told)
    with Orchestrator(store) as follower:
        with Orchestrator(store, shutdown_seconds=0.1) as owner:
            owner.start(asked, id="r")
            until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
            run = follower.start(asked, id="r", reply_to=recorder)
        tasks.GATES[gate].set()
        assert run.settle(timeout=20).status == "succeeded"
        until(lambda: told)
        assert isinstance(told[0], ParentFinished)
    recorder.stop()


def test_an_actor_is_told_when_a_run_is_halted(store: Path, gate: str) -> None:
    told: list[object] = []
    recorder = Recorder.start(told)
    with Orchestrator(store) as orchestrator:
        run = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=gate)]), id="r", reply_to=recorder)

        def poison() -> bool:
            orchestrator._engine._system.tell_parent("r", AttemptsEnded(None))  # type: ignore[arg-type]
            return bool(told)

        until(poison, timeout_seconds=30)
        assert isinstance(told[0], RunHalted)
        assert told[0].parent_id == run.id
        tasks.GATES[gate].set()
    recorder.stop()


def test_only_an_actor_can_be_replied_to(store: Path) -> None:
    with Orchestrator(store) as orchestrator:
        with pytest.raises(UsageError, match="reply_to"):
            orchestrator.start(Parallel(children=[tasks.nothing.child()]), id="r", reply_to=5)  # type: ignore[arg-type]
        with pytest.raises(RunNotFoundError):
            orchestrator.get("r")
