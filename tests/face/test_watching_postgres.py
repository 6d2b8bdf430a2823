"""Watching a run in PostgreSQL: woken by the server, and through a crash of it."""

from __future__ import annotations

import logging

import pytest

from orchestrator import Orchestrator, Parallel
from tests.face import tasks
from tests.support.postgres_server import Postgres


def test_a_watch_goes_on_by_itself_after_the_server_crashed(
    postgres_server: Postgres, postgres_url: str, gate: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Orchestrator(postgres_url) as owner, Orchestrator(postgres_url) as watcher:
        owner.start(Parallel(children=[tasks.wait_at.child(gate=gate), tasks.nothing.child()]), id="r")
        watched = watcher.get("r").watch(timeout=60)
        view = next(watched)
        while view.counts.succeeded < 1:
            view = next(watched)
        with caplog.at_level(logging.WARNING, "orchestrator"):
            postgres_server.crash()
            postgres_server.start()
            tasks.GATES[gate].set()
            *_, last = watched
        assert (last.status, last.settled, last.counts.succeeded) == ("succeeded", True, 2)
        said = [record.getMessage() for record in caplog.records if "watched" in record.getMessage()]
        assert len(said) in (0, 2), said  # the look may have fallen before and after


def test_pages_in_postgresql_are_those_of_its_events(postgres_url: str) -> None:
    with Orchestrator(postgres_url) as orchestrator:
        run = orchestrator.start(Parallel(children=[tasks.square.child(x=n) for n in range(5)]), id="r")
        run.settle(60)
        answers = orchestrator._engine.answers
        answers.read_events_max = 0
        found = answers.run("r")
        assert found is not None, "the view answers"
        assert found.view == run.status(at=10**9)
        for order in ("index", "-index", "finished", "-finished", "duration"):
            whole = run.children(order=order)
            assert len(whole) == 5
            assert run.children(order=order, after=whole[1].id, limit=2) == whole[2:4]
        assert run.children() == run.children(at=run.status().position)
        assert [view.id for view in orchestrator.list(["succeeded", "failed"], order="-changed")] == ["r"]
        assert run.explain().decided_by is not None
        assert [step.event for step in run.replay()] == list(run.history())
