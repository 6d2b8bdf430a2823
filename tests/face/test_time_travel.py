"""Looking back from Python: steps, earlier children, differences and explanations, each held against the others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from events.evolve import fold
from events.log import FactBatch, open_log
from events.views import child_views, run_status
from orchestrator import (
    Orchestrator,
    Parallel,
    Run,
    RunNotFoundError,
    StoreDamagedError,
    UsageError,
    comparing,
    explaining,
    queries,
    replaying,
)
from orchestrator.folded_pages import folded_children
from orchestrator.page_queries import child_query
from tests.events.histories import History, histories
from tests.face import tasks
from tests.hostile.effort import tries


@pytest.fixture
def run(store: Path) -> Iterator[Run]:
    """A run that failed: two children succeeded, one did not."""
    with Orchestrator(store, max_workers=2) as orchestrator:
        children = [tasks.square.child(x=1), tasks.fail.child(), tasks.square.child(x=2)]
        run = orchestrator.start(Parallel(children=children, on_decided="continue"), id="r")
        run.settle(30)
        yield run


@tries(40)
@given(histories(picks_max=60))
def test_every_step_is_what_the_facts_before_it_come_to(history: History) -> None:
    with open_log("memory:") as log:
        log.append([FactBatch("r", 0, history.facts)])
        steps = list(replaying.replay(log, "r"))
        assert [step.event.version for step in steps] == list(range(1, len(history.facts) + 1))
        for step in steps:
            facts = history.facts[: step.event.version]
            assert step.status == run_status("r", fold(facts), step.event.position)
            assert step.status == queries.status_of(log, "r", step.event.position)
            assert step.open_count >= len(step.open)
        for step in steps[:: max(1, len(steps) // 5)]:
            facts = history.facts[: step.event.version]
            assert folded_children(log, "r", child_query(), step.event.position) == child_views(facts)
            assert explaining.explain(log, "r", step.event.position).status == step.status.status
            found = comparing.diff(log, "r", step.event.position, steps[-1].event.position)
            assert found.events == len(steps) - step.event.version
            assert found.turned() == comparing.diff(log, "r", steps[-1].event.position, step.event.position)


def test_steps_are_made_as_they_are_asked_for(run: Run) -> None:
    first, second = islice(run.replay(), 2)
    assert (first.event.type, first.status.counts.total) == ("ParentCreated", 0)
    assert (second.event.type, second.status.counts.total, second.open[0].status) == ("ChildPrepared", 1, "pending")


def test_a_replay_may_begin_and_end_anywhere(run: Run) -> None:
    events = list(run.history())
    start, end = events[4], events[8]
    steps = list(run.replay(start.position, end.position))
    assert [step.event for step in steps] == events[4:9]
    assert steps == [step for step in run.replay() if start.position <= step.event.position <= end.position]
    timed = list(run.replay(start.at, end.at))
    assert [step.event for step in timed] == [event for event in events if start.at <= event.at <= end.at]
    assert list(run.replay(events[-1].position + 1)) == []
    assert list(run.replay(end.position, start.position)) == []
    assert len(next(iter(run.replay(events[5].position, open_max=1))).open) == 1


def test_children_as_they_were(run: Run) -> None:
    started = next(step for step in run.replay() if step.event.type == "ChildStarted")
    at = started.event.position
    child_id = started.event.data["child_id"]
    running = run.children(outcome="running", at=at)
    assert [(child.id, child.status, child.attempts) for child in running] == [(child_id, "running", 1)]
    assert {child.status for child in run.children(at=at)} == {"running", "pending"}
    assert run.children() == run.children(at=run.status().position)
    assert run.children(at=datetime.now(UTC) + timedelta(days=1)) == run.children()


def test_a_difference(run: Run) -> None:
    steps = list(run.replay())
    started = next(step for step in steps if step.event.type == "ChildStarted")
    found = run.diff(steps[0].event.position, started.event.position)
    after = {change.field: change.after for change in found.changes}
    assert (after["status"], after["counts.running"]) == ("running", 1)
    assert [child.before for child in found.children] == [None] * 3
    assert run.diff(started.event.position, started.event.position).changes == ()
    whole = run.diff(started.event.at, datetime.now(UTC))
    assert {child.after.status for child in whole.children if child.after} == {"succeeded", "failed"}


def test_an_explanation(run: Run) -> None:
    told = run.explain()
    assert told.status == "failed"
    assert told.decided_by is not None
    assert told.decided_by.error == "ValueError: no"
    assert f"{told.decided_by.id!r} failed" in str(told)
    before = run.explain(told.decided_by.position - 1)
    assert (before.status, before.failures_left) == ("running", 1)


def test_what_cannot_be_looked_back_at(run: Run) -> None:
    first = next(iter(run.history())).position
    asks: list[Callable[[], object]] = [
        lambda: run.children(at=first - 1),
        lambda: run.diff(first - 1, first),
        lambda: run.diff(first, first - 1),
        lambda: run.explain(first - 1),
        lambda: run.explain(datetime(1990, 1, 1, tzinfo=UTC)),
    ]
    for ask in asks:
        with pytest.raises(RunNotFoundError, match="there was no run 'r' yet at"):
            ask()
    naive, many = datetime(2026, 1, 1), 2**70  # noqa: DTZ001 - that is what is refused
    looks: list[Callable[[Any], object]] = [
        run.explain,
        run.replay,
        lambda at: run.children(at=at),
        lambda at: run.diff(at, first),
    ]
    wrongs: list[Any] = [naive, -1, "1", True, 1.5, [], object()]
    for look, wrong in product(looks, wrongs):
        with pytest.raises(UsageError, match=r"zone|whole number"):
            look(wrong)
    assert run.explain(many).position == run.status().position
    with pytest.raises(UsageError, match="open_max"):
        run.replay(open_max=-1)


def test_no_run_no_past(store: Path) -> None:
    with Orchestrator(store) as orchestrator:
        run = orchestrator.start(Parallel(), id="r")
        run.settle(30)
        gone = Run(orchestrator._engine, "gone", None)
        for ask in (gone.replay, gone.explain, lambda: gone.diff(1, 2), lambda: gone.children(at=1)):
            with pytest.raises(RunNotFoundError, match="there is no run 'gone'"):
                ask()


def test_a_damaged_past_is_told_up_to_the_damage(run: Run, store: Path) -> None:
    run.settle(30)
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE events SET data = data || ' ' WHERE version = 9")
    steps = run.replay()
    seen: list[int] = []
    with pytest.raises(StoreDamagedError, match="version 9"):
        seen.extend(step.event.version for step in steps)
    assert seen == list(range(1, 9))
    with pytest.raises(StoreDamagedError, match="version 9"):
        run.explain()
    assert run.explain(8).position == 8
