"""Actors that die: the run goes on, or is halted, and the others go on."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from actors.messages import Append, AttemptsEnded, Hand, LoadNews, ToParent
from events.invariants import check_history
from orchestrator import (
    Orchestrator,
    Parallel,
    RunHaltedError,
    StoreDamagedError,
)
from tests.face import tasks
from tests.support.waiting import until


@pytest.mark.parametrize("victim", ["parent", "pool", "journal", "loader", "supervisor"])
def test_an_actor_that_dies_is_replaced_and_the_run_goes_on(
    store: Path, gate: str, victim: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Orchestrator(store, max_workers=2) as orchestrator:
        children = [tasks.wait_at.child(gate=gate)] * 2 + [tasks.square.child(x=1)] * 20
        run = orchestrator.start(Parallel(children=children), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 2)
        around = orchestrator._engine._system._surroundings
        poison: dict[str, object] = {
            "parent": AttemptsEnded(None),  # type: ignore[arg-type]
            "pool": Hand("r", None, (), 1, 1),  # type: ignore[arg-type]
            "journal": Append("r", 0, [None], None),  # type: ignore[arg-type,list-item]
            "loader": LoadNews("r", None, None, 1e9),  # type: ignore[arg-type]
            "supervisor": ToParent([], None),  # type: ignore[arg-type]
        }
        if victim == "parent":
            orchestrator._engine._system.tell_parent("r", poison[victim])
        else:
            ref = getattr(around, victim).ref
            getattr(around, victim).tell(poison[victim])
            until(lambda: getattr(around, victim).ref is not ref, what=f"a new {victim}")
        until(lambda: "died" in caplog.text)
        tasks.GATES[gate].set()
        result = run.settle(timeout=20)
        assert result.status == "succeeded"
        assert tasks.CALLS[f"{gate}/begun"] == 2, "an actor's death must not run a child again"
        facts = [record.fact for record in orchestrator._engine.log.read("r")]
        check_history(facts)


def test_a_parent_that_dies_again_and_again_is_halted_and_the_others_go_on(store: Path, gate: str) -> None:
    with Orchestrator(store, max_workers=2) as orchestrator:
        bad = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=gate)]), id="bad")

        def poison() -> bool:
            orchestrator._engine._system.tell_parent("bad", AttemptsEnded(None))  # type: ignore[arg-type]
            return bad._observers is not None and bad._observers.halted is not None

        until(poison, timeout_seconds=30)
        with pytest.raises(RunHaltedError):
            bad.result(timeout=20)
        good = orchestrator.start(Parallel(children=[tasks.square.child(x=1)] * 10))
        assert good.settle(timeout=20).status == "succeeded"
        tasks.GATES[gate].set()
        assert orchestrator.resume("bad").settle(timeout=20).status == "succeeded"


def test_a_damaged_parent_is_left_alone_and_the_others_go_on(store: Path) -> None:
    with Orchestrator(store) as first:
        for name in ("good", "bad"):
            first.start(Parallel(children=[tasks.square.child(x=1)]), id=name).settle(timeout=20)
    connection = sqlite3.connect(store)
    connection.execute(
        "UPDATE events SET data = CAST(replace(CAST(data AS TEXT), 'succeeded', 'failed') AS BLOB)"
        " WHERE parent = (SELECT parent FROM parents WHERE parent_id = 'bad') AND type = 'ChildFinished'"
    )
    connection.commit()
    connection.close()
    with Orchestrator(store) as second:
        assert second.get("good").status().status == "succeeded"
        with pytest.raises(StoreDamagedError, match="bad"):
            second.get("bad").status()
        with pytest.raises(StoreDamagedError, match="bad"):
            second.resume("bad")
        again = second.start(Parallel(children=[tasks.square.child(x=1)]))
        assert again.settle(timeout=20).status == "succeeded"
