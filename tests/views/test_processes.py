"""Real processes keep the views of one store, several at a time, and are killed while they do; a disk is in the way."""

from __future__ import annotations

import logging
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from events.errors import StoreBusyError, StoreError
from events.log import EventLog, open_log
from events.projections.builtin import BUILT_IN
from events.projections.check import view_flaws
from events.projections.engine import ProjectionEngine
from events.projections.reading import Views
from orchestrator import Orchestrator, Parallel, Projection
from orchestrator.projections import Add, Change, Event, Table
from tests.support.waiting import until
from tests.views.test_damage import kept, write_run

ROOT = Path(__file__).resolve().parents[2]
ENDS = Table("ends", {"run": "TEXT", "outcome": "TEXT", "number": "BIGINT"}, key=("run", "outcome"))


class Ends(Projection):
    """How many children of each run ended how."""

    name = "ends"
    tables = (ENDS,)

    def handle(self, event: Event) -> list[Change]:
        """Count an end."""
        if event.type != "ChildFinished":
            return []
        return [Add(ENDS, (event.run_id, event.fact.outcome), {"number": 1})]


def wait_for(log: EventLog, position: int) -> None:
    """Wait until somebody has taken the views so far."""
    views = Views(log.recorder.tables())
    until(lambda: views.position() >= position, what=lambda: f"the views to come from {views.position()} to {position}")


def keep(engine: ProjectionEngine) -> None:
    """Take all there is."""
    while engine.step():
        pass


def keeper(store: Path, events_max: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.views.keeper", str(store), str(events_max)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with process.stdout or pytest.fail("no output") as output:
        assert output.readline() == "keeping\n"
    return process


def test_keepers_are_killed_at_any_instant(tmp_path: Path) -> None:
    """Two at a time, while a third process writes; each event counts once all the same."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    store = tmp_path / "runs.db"
    with open_log(store) as log:
        write_run(log, "first")
        keepers = [keeper(store, 7), keeper(store, 1)]
        for number in range(6):
            for _ in range(5):
                write_run(log, f"run-{number}-{chance.randrange(2**60)}")
            wait_for(log, log.last_position() - chance.randrange(80))
            victim = keepers.pop(0)
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            assert list(view_flaws(log, BUILT_IN)) == []
            keepers.append(keeper(store, chance.choice((1, 3, 50))))
        for left in keepers:
            left.kill()
            left.wait()
        kept(log)
        assert list(view_flaws(log, BUILT_IN)) == []


def _has_met_or_missed_it(caplog: pytest.LogCaptureFixture, views: Views, last: int) -> bool:
    return "not kept for now" in caplog.text or views.position() >= last


def test_a_locked_store_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody's lock ends the projector, and views come back by themselves."""
    caplog.set_level(logging.INFO)
    store = tmp_path / "runs.db"
    with Orchestrator(store, projections=[Ends()]) as orchestrator, open_log(store) as elsewhere:
        orchestrator.start(Parallel(children=[])).settle(timeout=30)
        orchestrator.views.wait_for(timeout=30)  # their tables are there from then on
        for number in range(50):  # until the lock is there before the projector
            write_run(elsewhere, f"run-{number}")
            with closing(sqlite3.connect(store, isolation_level=None, timeout=10)) as other:
                other.execute("BEGIN IMMEDIATE")
                views = Views(elsewhere.recorder.tables())
                last = elsewhere.last_position()
                met_or_missed = partial(_has_met_or_missed_it, caplog, views, last)
                until(met_or_missed, what=lambda: "the projector to meet the lock")
                other.execute("ROLLBACK")
            if "not kept for now" in caplog.text:
                break
        until(lambda: "views are kept again" in caplog.text, what=lambda: "the projector to go on")
        orchestrator.views.wait_for(timeout=30)
        found = orchestrator.views.read("SELECT sum(number) FROM view_ends WHERE outcome = 'succeeded'")
        assert found == [(2 * (number + 1),)]
        assert list(view_flaws(elsewhere, BUILT_IN)) == []


def test_a_full_disk_takes_nothing_and_loses_nothing(tmp_path: Path) -> None:
    """SQLite itself says that it is full: whatever was begun is undone, and done once there is room."""
    with open_log(tmp_path / "runs.db") as log:
        write_run(log, "first")
        engine = kept(log)
        for number in range(200):
            write_run(log, f"run-{number}")
        tables = log.recorder.tables()
        with tables.transaction() as session:
            pages = session.query("PRAGMA page_count")[0][0]
            session.query(f"PRAGMA max_page_count = {pages + 3}")
        with pytest.raises(StoreError, match="full"):
            keep(engine)
        assert list(view_flaws(log, BUILT_IN)) == []
        while engine.step():  # a connection on which something failed is not used again, so the limit is gone
            pass
        assert list(view_flaws(log, BUILT_IN)) == []


def test_a_lock_is_waited_for_no_longer_than_a_moment(tmp_path: Path) -> None:
    with open_log(tmp_path / "runs.db") as log:
        write_run(log, "first")
        engine = kept(log)
        write_run(log, "second")
        with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusyError):
                engine.step()
        keep(engine)
        assert list(view_flaws(log, BUILT_IN)) == []


def test_the_old_view_answers_while_a_new_one_is_made(tmp_path: Path) -> None:
    with open_log(tmp_path / "runs.db") as log:
        for number in range(10):
            write_run(log, f"run-{number}")
        kept(log)
        engine = ProjectionEngine(log, BUILT_IN, events_max=10)
        engine.rebuild()
        count = "SELECT count(*) FROM view_runs"
        steps = 0
        while engine.step():
            steps += 1
            assert log.recorder.tables().read(count) == [(10,)]
            assert list(view_flaws(log, BUILT_IN)) == []
        assert steps > 10
        rows = engine.stages.checkpoints.all()
        assert [(row.stage, row.generation, row.position) for row in rows] == [("live", 2, log.last_position())]
