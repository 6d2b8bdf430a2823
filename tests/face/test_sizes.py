"""Parents of all sizes, and many of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.invariants import check_history
from orchestrator import LimitExceededError, Limits, Orchestrator, Parallel, RunNotFoundError, UsageError
from tests.face import tasks
from tests.support.bounds import most_running


@pytest.mark.parametrize("children", [0, 1, 10_000])
def test_a_parent_may_have_any_number_of_children(tmp_path: Path, children: int) -> None:
    with Orchestrator(tmp_path / "runs.db", max_workers=8) as orchestrator:
        asked = Parallel(children=[tasks.square.child(x=x) for x in range(children)], max_workers=5)
        run = orchestrator.start(asked)
        result = run.settle(timeout=60)
        assert result.status == "succeeded"
        assert list(result.outputs.values()) == [x * x for x in range(children)]
        log = orchestrator._engine.log
        check_history([record.fact for record in log.read(run.id)])
        assert most_running(log) <= 5


def test_a_thousand_parents_of_ten_children_work_in_one_orchestrator(tmp_path: Path) -> None:
    with Orchestrator(tmp_path / "runs.db", max_workers=8) as orchestrator:
        asked = Parallel(children=[tasks.square.child(x=x) for x in range(10)])
        runs = [orchestrator.start(asked, id=f"run-{number}") for number in range(1_000)]
        assert {run.settle(timeout=60).status for run in runs} == {"succeeded"}
        assert most_running(orchestrator._engine.log) <= 8
        assert orchestrator.list(limit=2, after="run-997")[-1].id == "run-999"


def test_over_a_limit_nothing_is_written_and_the_limit_is_named(tmp_path: Path) -> None:
    limits = Limits(children_max=2, payload_bytes_max=64, metadata_bytes_max=64, max_workers_max=4)
    with Orchestrator(tmp_path / "runs.db", limits=limits, max_workers=2) as orchestrator:
        for asked, name in (
            (Parallel(children=[tasks.nothing.child()] * 3), "children_max"),
            (Parallel(children=[tasks.echo.child(value="x" * 100)]), "payload_bytes_max"),
            (Parallel(children=[tasks.nothing.child()], max_workers=5), "max_workers_max"),
            (Parallel(metadata={"note": "x" * 100}), "metadata_bytes_max"),
        ):
            with pytest.raises(LimitExceededError, match=name):
                orchestrator.start(asked, id="r")
        with pytest.raises(RunNotFoundError):
            orchestrator.get("r")
        run = orchestrator.start(Parallel(children=[tasks.echo.child(value="x" * 40)]))
        assert run.settle(timeout=20).status == "succeeded"
    with pytest.raises(UsageError, match="max_workers"):
        Orchestrator(tmp_path / "runs.db", limits=limits, max_workers=5)


def test_an_output_over_the_limit_fails_its_child_and_names_the_limit(tmp_path: Path) -> None:
    with Orchestrator(tmp_path / "runs.db", limits=Limits(payload_bytes_max=64)) as orchestrator:
        run = orchestrator.start(Parallel(children=[tasks.long.child(length=100), tasks.square.child(x=1)]))
        result = run.settle(timeout=20)
        assert result.errors["long-0"]["type"] == "LimitExceededError"
        assert "payload_bytes_max of 64" in result.errors["long-0"]["message"]
