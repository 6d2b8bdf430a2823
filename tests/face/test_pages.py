"""Pages of runs and children: what the views answer is what the events alone say, on the way and after trouble."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from events.errors import OrchestratorError, StoreError
from events.facts import Fact
from events.log import open_log
from events.log.store import EventLog
from events.projections.builtin import BUILT_IN
from events.projections.engine import ProjectionEngine
from orchestrator import Orchestrator, Parallel, RunNotFoundError, UsageError, answers
from orchestrator.answers import Answers
from orchestrator.folded_pages import folded_children, folded_runs
from orchestrator.page_queries import (
    CHILD_ORDERS,
    CHILD_STATUSES,
    RUN_ORDERS,
    RUN_STATUSES,
    child_query,
    run_query,
)
from orchestrator.queries import status_of
from tests.events.histories import SEEDS
from tests.face import tasks
from tests.hostile.effort import tries
from tests.views.crowd import Writer, crowds


def unhurt(run_id: str, error: StoreError) -> None:
    raise AssertionError(f"{run_id} is not damaged: {error}")


def outcome_of(ask: Callable[[], Any]) -> Any:
    """Return what a call comes to: its value, or its error's type and text."""
    try:
        return ask()
    except OrchestratorError as error:
        return type(error)


def queries(chance: Random, words: Sequence[str], orders: Sequence[str], ids: Sequence[str]) -> tuple[Any, ...]:
    """Return a random filter, order, limit and place to go on after."""
    some = chance.choice([None, chance.sample(words, chance.randint(1, 3)), chance.choice(words)])
    after = chance.choice([None, None, *ids, "unknown"])
    return some, chance.choice([None, *orders]), chance.choice([None, 0, 1, 2, 5]), after


def compare(log: EventLog, answers: Answers, chance: Random) -> None:
    """Ask the views and the events for the same, and hold the answers against each other."""
    ids = list(log.recorder.ids())
    runs = run_query(*queries(chance, RUN_STATUSES, RUN_ORDERS, ids))
    note(str(runs))
    assert outcome_of(lambda: answers.runs(runs, unhurt)) == outcome_of(lambda: folded_runs(log, runs, unhurt))
    for run_id in ids:
        found = answers.run(run_id)
        assert found is not None
        assert found.view == status_of(log, run_id)
        known = [child.id for child in folded_children(log, run_id, child_query())]
        page = child_query(None, *queries(chance, CHILD_STATUSES, CHILD_ORDERS, known))
        note(str(page))
        assert outcome_of(partial(answers.children, run_id, page)) == outcome_of(
            partial(folded_children, log, run_id, page)
        )


@tries(60)
@given(crowds(), SEEDS, st.booleans())
def test_views_answer_as_the_events_do(histories: Sequence[Sequence[Fact]], seed: int, keeps: bool) -> None:
    chance = Random(seed)
    with open_log("memory:") as log:
        writer, engine = Writer(log, histories, chance), ProjectionEngine(log, BUILT_IN, events_max=40)
        asked = Answers(log, engine, read_events_max=0)
        while writer.write_some():
            if keeps and chance.random() < 0.5:
                engine.step()
            if chance.random() < 0.2:
                compare(log, asked, chance)
        compare(log, asked, chance)


@tries(40)
@given(crowds(runs_max=2), SEEDS, st.sampled_from(["created", "-created", "changed", "-changed"]))
def test_pages_one_after_the_other_are_the_whole(histories: Sequence[Sequence[Fact]], seed: int, order: str) -> None:
    with open_log("memory:") as log:
        writer = Writer(log, histories, Random(seed))
        while writer.write_some():
            pass
        asked = Answers(log, ProjectionEngine(log, BUILT_IN), read_events_max=0)
        found, after = [], None
        while page := asked.runs(run_query(None, order, 1, after), unhurt):
            found += page
            after = page[-1].view.id
        assert found == asked.runs(run_query(None, order), unhurt)
        for run_id in log.recorder.ids():
            for by in ("index", "-index", "finished", "-finished", "duration", "-duration"):
                children, last = [], None
                while some := asked.children(run_id, child_query(order=by, limit=2, after=last)):
                    children += some
                    last = some[-1].id
                assert children == asked.children(run_id, child_query(order=by))


@pytest.fixture
def two(store: Path) -> Path:
    """A store with two runs: one that succeeded, and one that failed."""
    with Orchestrator(store) as orchestrator:
        orchestrator.start(Parallel(children=[tasks.square.child(x=n) for n in range(5)]), id="good").settle(30)
        bad = Parallel(children=[tasks.fail.child(), tasks.square.child(x=1)], on_decided="continue", max_workers=1)
        orchestrator.start(bad, id="bad").settle(30)
    return store


def ids(runs: Sequence[Any]) -> list[str]:
    return [run.id for run in runs]


def test_filters_orders_and_pages(two: Path) -> None:
    with Orchestrator(two) as orchestrator:
        assert ids(orchestrator.list()) == ["good", "bad"]
        assert ids(orchestrator.list(["failed", "running"])) == ["bad"]
        assert ids(orchestrator.list(order="-created", limit=1)) == ["bad"]
        assert ids(orchestrator.list(order="-changed", after="bad")) == ["good"]
        good, bad = orchestrator.get("good"), orchestrator.get("bad")
        whole = ids(good.children())
        assert ids(good.children(limit=2, after=whole[1])) == whole[2:4]
        assert ids(good.children(order="-index", limit=2)) == whole[:-3:-1]
        assert sorted(ids(good.children(order="finished"))) == sorted(whole)
        assert [child.status for child in bad.children(status=("failed", "succeeded"))] == ["failed", "succeeded"]
        assert [child.output for child in good.children("succeeded", limit=2)] == [0, 1]
        assert bad.children(outcome="failed")[0].error["message"] == "no"
        assert bad.children(status="pending", order="finished") == []


def test_what_is_wrong_names_what_is_right(two: Path) -> None:
    with Orchestrator(two) as orchestrator:
        run = orchestrator.get("good")
        wrong: list[tuple[Callable[[], object], str]] = [
            (lambda: orchestrator.list("nope"), "pending, running, succeeded"),  # type: ignore[arg-type]
            (lambda: orchestrator.list([]), "status is empty"),
            (lambda: orchestrator.list(order="age"), "created, -created, changed"),  # type: ignore[arg-type]
            (lambda: orchestrator.list(after="gone"), "there is no (run|parent) 'gone'"),
            (lambda: run.children(["x"]), "outcome is one of pending"),  # type: ignore[list-item]
            (lambda: run.children("failed", status="failed"), "two names for the same"),
            (lambda: run.children(order="size"), "index, -index, finished"),  # type: ignore[arg-type]
            (lambda: run.children(after="gone"), "has no child 'gone'"),
            (lambda: run.children(limit=-1), "whole number"),
        ]
        for ask, text in wrong:
            with pytest.raises(UsageError, match=text):
                ask()


def test_a_child_that_has_not_ended_has_no_place_among_those_that_have(store: Path, gate: str) -> None:
    with Orchestrator(store) as orchestrator:
        run = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=gate).with_id("a")]), id="r")
        for order in ("finished", "-finished", "duration"):
            with pytest.raises(UsageError, match="has not ended"):
                run.children(order=order, after="a")
        tasks.GATES[gate].set()
        run.settle(30)


def test_a_store_that_cannot_be_written_answers_all_the_same(two: Path) -> None:
    with Orchestrator(two) as orchestrator:
        expected = orchestrator.list(), orchestrator.get("bad").children()
    with closing(sqlite3.connect(two)) as connection, connection:
        connection.execute("UPDATE projections SET position = 0")  # behind, so that something would have to be written
    with open_log(two, must_exist=True) as log, closing(sqlite3.connect(two, isolation_level=None)) as other:
        engine = ProjectionEngine(log, BUILT_IN)
        other.execute("BEGIN IMMEDIATE")
        asked = Answers(log, engine, read_events_max=0)
        assert [run.view for run in asked.runs(run_query(), unhurt)] == expected[0]
        assert asked.children("bad", child_query()) == expected[1]
        other.execute("ROLLBACK")


def test_views_that_are_far_behind_are_passed_by(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(two)) as connection, connection:
        connection.execute("UPDATE projections SET position = 1")
    monkeypatch.setattr(answers, "CATCH_UP_EVENTS_MAX", 3)
    with open_log(two, must_exist=True) as log:
        asked = Answers(log, ProjectionEngine(log, BUILT_IN), read_events_max=0)
        assert ids([run.view for run in asked.runs(run_query(), unhurt)]) == ["good", "bad"]
        with closing(sqlite3.connect(two)) as connection:
            assert connection.execute("SELECT max(position) FROM projections").fetchone() == (1,)


def test_a_row_of_a_view_that_fits_no_event_is_not_believed(two: Path) -> None:
    with open_log(two, must_exist=True) as log:
        asked = Answers(log, ProjectionEngine(log, BUILT_IN), read_events_max=0)
        before = asked.children("bad", child_query())
        with closing(sqlite3.connect(two)) as connection, connection:
            connection.execute("UPDATE view_children SET prepared_version = prepared_version + 1 WHERE place = 0")
        assert asked.children("bad", child_query()) == before


def test_a_run_that_is_not_there(two: Path) -> None:
    with open_log(two, must_exist=True) as log:
        asked = Answers(log, ProjectionEngine(log, BUILT_IN), read_events_max=0)
        assert asked.run("gone") is None
        with pytest.raises(RunNotFoundError, match="gone"):
            asked.children("gone", child_query())


def test_a_list_is_read_in_a_moment_by_another_process_too(two: Path) -> None:
    """A handle of a run that is over reads its status by an index, not by its history."""
    with Orchestrator(two) as orchestrator:
        orchestrator._engine.answers.read_events_max = 0
        run = orchestrator.get("good")
        assert run.status() == run.status(at=10**9)
        assert not run._following.has_begun
