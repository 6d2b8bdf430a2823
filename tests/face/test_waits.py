"""Whatever callers say in seconds: a number from 0, or one error that names the call, the argument and the way out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from events.commands import ChildSpec, CreateChildren, PrepareChildren, prepared_count
from orchestrator import DeadlineExceededError, Limits, Orchestrator, Parallel, Run, UsageError
from orchestrator.given import call_seconds
from tests.face import tasks

ON_A_RUN: dict[str, Callable[[Run, Any], object]] = {
    "result": lambda run, timeout: run.result(timeout),
    "settle": lambda run, timeout: run.settle(timeout),
    "as_completed": lambda run, timeout: run.as_completed(timeout),
    "watch": lambda run, timeout: run.watch(timeout),
    "add": lambda run, timeout: run.add([], timeout),
    "close": lambda run, timeout: run.close(timeout),
    "cancel": lambda run, timeout: run.cancel(timeout=timeout),
    "pause": lambda run, timeout: run.pause(timeout=timeout),
    "resume": lambda run, timeout: run.resume(timeout),
    "update": lambda run, timeout: run.update(max_workers=1, timeout=timeout),
    "redrive": lambda run, timeout: run.redrive(timeout=timeout),
}
ON_ALL: dict[str, Callable[[Orchestrator, Any], object]] = {
    "start": lambda orchestrator, timeout: orchestrator.start(Parallel(open=True), timeout=timeout),
    "resume": lambda orchestrator, timeout: orchestrator.resume("r", timeout=timeout),
    "resume_all": lambda orchestrator, timeout: orchestrator.resume_all(timeout=timeout),
}
WRONG: dict[str, Any] = {
    "-1": -1,
    "-0.5": -0.5,
    "-inf": -inf,
    "nan": nan,
    "True": True,
    "'5'": "5",
    "a value of type timedelta": timedelta(seconds=5),
}


def refusal(argument: str, shown: str) -> str:
    return f"{argument} is a number of seconds from 0, not {shown}: 0 does not wait; leave it out for the usual time"


@pytest.mark.parametrize("shown", WRONG)
@pytest.mark.parametrize("live", [True, False], ids=["live", "not live"])
def test_every_call_refuses_what_is_no_time_to_wait(tmp_path: Path, shown: str, *, live: bool) -> None:
    store = tmp_path / "runs.db"
    with Orchestrator(store) as owner, Orchestrator(store) as other:
        run = owner.start(Parallel(open=True), id="r")
        before = len(list(run.history()))
        asked = owner if live else other
        for call, ask in ON_A_RUN.items():
            with pytest.raises(UsageError) as caught:
                ask(asked.get("r"), WRONG[shown])
            assert str(caught.value) == refusal(f"{call}: timeout", shown)
        for call, ask_all in ON_ALL.items():
            with pytest.raises(UsageError) as caught:
                ask_all(asked, WRONG[shown])
            assert str(caught.value) == refusal(f"{call}: timeout", shown)
        assert len(list(run.history())) == before
        assert len(owner.list()) == 1


@pytest.mark.parametrize("shown", WRONG)
@pytest.mark.parametrize("argument", ["shutdown_seconds", "busy_timeout_seconds"])
def test_an_orchestrator_is_not_made_of_what_is_no_time(tmp_path: Path, argument: str, shown: str) -> None:
    with pytest.raises(UsageError) as caught:
        Orchestrator(tmp_path / "runs.db", **{argument: WRONG[shown]})
    assert str(caught.value) == refusal(argument, shown)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [5, None, {}, Limits], ids=repr)
def test_an_orchestrator_is_not_made_of_other_limits(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"limits is a Limits, such as Limits\(children_max=1_000\), not "):
        Orchestrator(tmp_path / "runs.db", limits=wrong)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [-1, nan, "90d", timedelta(days=-1), None])
def test_how_old_archived_runs_are_is_said(tmp_path: Path, wrong: Any) -> None:
    with Orchestrator(tmp_path / "runs.db") as orchestrator, pytest.raises(UsageError) as caught:
        orchestrator.archive(wrong)
    told = str(caught.value)
    assert told.startswith("archive: older_than is a number of seconds from 0, not ")
    assert "such as 86_400 or timedelta(days=1); 0 takes all" in told
    assert "leave it out" not in told


def test_nothing_at_all_and_for_ever_are_times_to_wait(gate: str) -> None:
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=gate)]), timeout=inf)
        with pytest.raises(DeadlineExceededError, match="within 0 s"):
            run.settle(timeout=0)
        tasks.GATES[gate].set()
        assert run.settle(timeout=inf).status == "succeeded"


def test_the_usual_time_grows_with_what_the_store_is_to_take() -> None:
    """A million children took a busy machine more than the minute that is enough for a few."""
    specs = tuple(ChildSpec(child_id=f"c{number}", task="t", input="{}") for number in range(5))
    parts = [PrepareChildren(at=1, children=specs[:2]), PrepareChildren(at=1, children=specs[2:]), CreateChildren(at=1)]
    assert prepared_count(parts) == 5
    assert call_seconds(0) == 60
    assert call_seconds(1_000_000) == 1_060
