"""Retries, budgets and clocks as a program meets them, on real time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from events.facts import ChildFinished, ChildRetryScheduled, ChildStarted, Fact
from events.log import open_log
from orchestrator import Child, Orchestrator, Parallel, Retry, UsageError
from tests.face import tasks
from tests.support.waiting import until


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def facts(store: Path, run_id: str = "r") -> list[Fact]:
    with open_log(store, must_exist=True) as log:
        return [record.fact for record in log.read(run_id)]


def outcomes(store: Path) -> dict[str, str]:
    return {fact.child_id: fact.outcome for fact in facts(store) if isinstance(fact, ChildFinished)}


def test_a_child_that_waits_too_long_for_a_worker_times_out_and_never_runs(store: Path, gate: str) -> None:
    hasty = Child(id="hasty", task="square", input={"x": 2}, queue_timeout=0.2)
    with Orchestrator(store) as orchestrator:
        blocked = [tasks.wait_at.child(gate=gate), hasty, tasks.square.child(x=3)]
        run = orchestrator.start(Parallel(children=blocked, max_workers=1, on_decided="continue"), id="r")
        until(lambda: "hasty" in outcomes(store))
        tasks.GATES[gate].set()
        errors = run.settle(timeout=20).errors
        assert errors["hasty"]["type"] == "QueueTimedOut"
        assert "0.2 s" in errors["hasty"]["message"]
    assert outcomes(store) == {"wait_at-0": "succeeded", "hasty": "timed_out", "square-2": "succeeded"}


def test_a_child_may_wait_for_a_worker_as_long_as_it_is_told(store: Path, gate: str) -> None:
    patient = Child(id="patient", task="square", input={"x": 2}, queue_timeout=3600.0)
    with Orchestrator(store) as orchestrator:
        run = orchestrator.start(Parallel(children=[tasks.square.child(x=1), patient], max_workers=1), id="r")
        assert run.settle(timeout=20).status == "succeeded"


def test_a_child_has_one_time_for_all_its_attempts(store: Path) -> None:
    child = Child(
        id="c",
        task="fail",
        total_timeout=0.6,
        retry=Retry(max_attempts=1_000, initial_seconds=0.1, backoff=1.0),
    )
    with Orchestrator(store) as orchestrator:
        errors = orchestrator.start(Parallel(children=[child]), id="r").settle(timeout=20).errors
        assert errors["c"]["type"] == "ValueError", "the failure that had no time left to be tried again"
    recorded = facts(store)
    first = next(fact.at for fact in recorded if isinstance(fact, ChildStarted))
    starts = [fact.at - first for fact in recorded if isinstance(fact, ChildStarted)]
    assert 2 <= len(starts) <= 7
    assert max(starts) < 600_000


def test_the_last_attempt_gets_what_is_left_of_the_whole_time(store: Path, gate: str) -> None:
    child = Child(id="c", task="wait_at", input={"gate": gate}, timeout=3600.0, total_timeout=0.3)
    with Orchestrator(store) as orchestrator:
        orchestrator.start(Parallel(children=[child]), id="r").settle(timeout=20)
    tasks.GATES[gate].set()
    assert outcomes(store) == {"c": "timed_out"}


def test_retries_stop_where_the_parents_budget_does(store: Path) -> None:
    children = [Child(id=f"c{number}", task="fail", retry=Retry(max_attempts=10)) for number in range(3)]
    with Orchestrator(store) as orchestrator:
        budgeted = Parallel(children=children, retry_budget=4, on_decided="continue")
        orchestrator.start(budgeted, id="r").settle(timeout=20)
    retries = [fact for fact in facts(store) if isinstance(fact, ChildRetryScheduled)]
    assert len(retries) == 4


@pytest.mark.parametrize(
    ("retry", "attempts"),
    [
        (Retry(max_attempts=3, retry_on=(ValueError,)), 3),
        (Retry(max_attempts=3, retry_on=("ValueError", "KeyError")), 3),
        (Retry(max_attempts=3, retry_on=(KeyError,)), 1),
        (Retry(max_attempts=3, give_up_on=(ValueError,)), 1),
        (Retry(max_attempts=3, give_up_on=KeyError), 3),
    ],
)
def test_only_errors_of_some_types_are_tried_again(retry: Retry, attempts: int) -> None:
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[Child(id="c", task="fail", retry=retry)]))
        run.settle(timeout=20)
        assert [child.attempts for child in run.children()] == [attempts]


def test_jitter_shortens_waits_and_is_the_same_when_worked_out_again(store: Path) -> None:
    waits = Retry(max_attempts=4, initial_seconds=0.2, backoff=1.0, jitter=0.9)
    with Orchestrator(store) as orchestrator:
        children = [Child(id=f"c{number}", task="fail", retry=waits) for number in range(4)]
        orchestrator.start(Parallel(children=children, on_decided="continue"), id="r").settle(timeout=20)
    lengths = [fact.not_before - fact.at for fact in facts(store) if isinstance(fact, ChildRetryScheduled)]
    assert len(lengths) == 12
    assert len(set(lengths)) > 6
    assert all(20_000 <= length <= 200_000 for length in lengths)


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout": float("nan")},
        {"total_timeout": 0},
        {"total_timeout": -1.0},
        {"queue_timeout": float("inf")},
        {"queue_timeout": "3"},
        {"heartbeat_timeout": 0.0},
        {"grace": -0.1},
        {"priority": 1.5},
        {"keys": "host"},
        {"keys": (1,)},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused_by_name(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(UsageError, match=f"^Child: {name}"):
        Child(id="c", task="square", **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"max_attempts": 0},
        {"max_attempts": -1},
        {"initial_seconds": float("nan")},
        {"backoff": 0.5},
        {"max_seconds": -1.0},
        {"jitter": 1.5},
        {"jitter": float("nan")},
        {"retry_on": (1,)},
        {"give_up_on": 5},
    ],
    ids=str,
)
def test_retries_that_make_no_sense_are_refused_by_name(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(UsageError, match=f"^Retry: {name}"):
        Retry(**settings)
