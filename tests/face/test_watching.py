"""Watching: live, across orchestrators, through times in which the store is away, and never past its deadline."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from events.errors import StoreBusyError, StoreDamagedError, StoreUnavailableError
from events.log import FactBatch, open_log
from events.views import RunStatus
from orchestrator import DeadlineExceededError, Orchestrator, Parallel, StoreError
from orchestrator.watching import Watch
from tests.events.scenario import AT, parent, start
from tests.face import tasks


@pytest.fixture
def orchestrator() -> Iterator[Orchestrator]:
    with Orchestrator("memory:") as made:
        yield made


class Troubled:
    """A run whose store is away at times: what is asked of it gives the next of these answers, or raises it."""

    def __init__(self, *answers: RunStatus | StoreError | None) -> None:
        self._answers = list(answers)
        self.asked = 0

    def status(self) -> RunStatus:
        found = self.change(0, 1.0)
        assert found is not None
        return found

    def change(self, version: int, left: float) -> RunStatus | None:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, StoreError):
            raise answer
        return answer


def statuses(orchestrator: Orchestrator) -> tuple[RunStatus, RunStatus]:
    """Return the statuses of a run on its way and at its end."""
    run = orchestrator.start(Parallel(children=[tasks.nothing.child()]), id="r")
    run.settle(30)
    before, *_ = run.history()
    return run.status(at=before.position), run.status()


def test_a_store_that_is_away_is_waited_for_and_that_is_said_once(
    orchestrator: Orchestrator, caplog: pytest.LogCaptureFixture
) -> None:
    going, over = statuses(orchestrator)
    away, locked = StoreUnavailableError("the server is gone"), StoreBusyError("it is locked")
    run = Troubled(away, away, going, locked, None, away, locked, over)
    with caplog.at_level(logging.WARNING, "orchestrator"):
        assert list(Watch(orchestrator._engine, "r", 30).statuses(run.status, run.change)) == [going, over]
    assert [record.getMessage().split(",")[0] for record in caplog.records] == [
        "run 'r' cannot be watched for now",
        "run 'r' is watched again",
    ] * 3


def test_a_store_that_stays_away_ends_the_watch_at_its_deadline(orchestrator: Orchestrator) -> None:
    going, _ = statuses(orchestrator)
    run = Troubled(going, StoreUnavailableError("the server is gone"))
    watched = Watch(orchestrator._engine, "r", 0.3).statuses(run.status, run.change)
    assert next(watched) == going
    with pytest.raises(DeadlineExceededError, match=r"within 0\.3 s; it goes on; its store cannot be read: the server"):
        next(watched)
    assert run.asked > 2


def test_damage_is_not_waited_for(orchestrator: Orchestrator) -> None:
    going, _ = statuses(orchestrator)
    run = Troubled(going, StoreDamagedError("a row was altered"))
    watched = Watch(orchestrator._engine, "r", 30).statuses(run.status, run.change)
    next(watched)
    with pytest.raises(StoreDamagedError):
        next(watched)


def test_another_orchestrators_run_is_watched_to_its_end(store: Path, gate: str) -> None:
    with Orchestrator(store) as owner, Orchestrator(store) as watcher:
        owner.start(Parallel(children=[tasks.wait_at.child(gate=gate), tasks.nothing.child()]), id="r")
        watched = watcher.get("r").watch(timeout=30)
        first = next(watched)
        while first.counts.succeeded < 1:
            first = next(watched)
        assert (first.status, first.settled) == ("running", False)
        tasks.GATES[gate].set()
        *_, last = watched
        assert (last.status, last.settled, last.counts.succeeded) == ("succeeded", True, 2)


def test_whoever_waits_is_woken_by_an_append_and_told_at_the_deadline(tmp_path: Path) -> None:
    with open_log(tmp_path / "runs.db") as log:
        subscription = log.subscribe()
        subscription.poll_seconds = 60.0  # so that nothing but the wake-up can end the wait
        ends: list[int] = []
        waiting = Thread(target=lambda: ends.append(subscription.wait_beyond(0, 30)))
        waiting.start()
        log.append([FactBatch("r", 0, parent("a").facts)])
        waiting.join(30)
        assert ends == [log.last_position()]
        assert subscription.wait_beyond(log.last_position(), 0.01) == log.last_position()
        log.append([FactBatch("r", log.last_position(), parent("a").when(start("a", at=AT)))])
        assert subscription.wait_beyond(ends[0], 0) == ends[0] + 1
    assert subscription is not None
