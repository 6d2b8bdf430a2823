"""Views that somebody has changed by hand, and events that nobody can read: found, named, and mended."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from events.commands import FinishAttempt, StartChild, TakeOwnership
from events.facts import ChildFinished, ChildPrepared, ChildStarted
from events.log import EventLog, FactBatch, open_log
from events.log.audit import Audit
from events.projections.builtin import BUILT_IN
from events.projections.changes import Put
from events.projections.check import view_flaws
from events.projections.engine import ProjectionEngine
from events.projections.projection import Event, Projection
from events.projections.reading import Views, Work
from events.projections.tables import Table
from events.strategy import Outcome
from tests.events.histories import History, Plan
from tests.events.scenario import AT, create, spec


def write_run(log: EventLog, run_id: str) -> None:
    """Put a run of three children on record, in 17 events: it is over, and the last child has failed."""
    children = tuple(spec(f"c{number}") for number in range(3))
    history = History(Plan(create(on_decided="continue", max_workers=2), children, arriving=False))
    history.play([])
    history.take(TakeOwnership(at=AT, owner="ann", reason=""))
    for number in range(3):
        history.take(StartChild(at=AT + 1, child_id=f"c{number}", worker="1"))
        error = '{"type":"Wrong","message":"no"}' if number == 2 else None
        outcome: Outcome = "failed" if number == 2 else "succeeded"
        history.take(
            FinishAttempt(at=AT + 5, child_id=f"c{number}", attempt=1, outcome=outcome, output="1", error=error)
        )
    log.append([FactBatch(run_id, 0, history.facts)])


def kept(log: EventLog, *projections: Projection) -> ProjectionEngine:
    """Keep the views until there is nothing left to do."""
    engine = ProjectionEngine(log, [*BUILT_IN, *projections])
    while engine.step():
        pass
    return engine


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "runs.db"
    with open_log(path) as log:
        for number in range(3):
            write_run(log, f"run-{number}")
        kept(log)
    return path


def change(store: Path, *statements: str) -> None:
    with closing(sqlite3.connect(store)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount != 0
        connection.commit()


FORGED = {
    "a status": (
        "UPDATE view_children SET status = 'skipped' WHERE id = 'c2' AND run = 18",
        "run-1",
        "view_children",
    ),
    "a count": ("UPDATE view_runs SET failed = 0 WHERE id = 'run-2'", "run-2", "view_runs"),
    "a kind of value": ("UPDATE view_runs SET total = 'three' WHERE id = 'run-2'", "run-2", "view_runs"),
    "a row too few": ("DELETE FROM view_children WHERE id = 'c1' AND run = 1", "run-0", "missing"),
    "a row too many": (
        "INSERT INTO view_children SELECT run, 'c9', 9, status, attempts, worker, started_at,"
        " finished_at, 1, 0, 0, 0 FROM view_children WHERE id = 'c0' AND run = 1",
        "run-0",
        "no event",
    ),
    "a row of no run": ("INSERT INTO view_errors VALUES (77, 'x', 1, 1, 1, 1)", None, "view_errors"),
    "busy time": ("UPDATE view_workers SET busy = busy + 1 WHERE run = 1", "run-0", "busy"),
    "an attempt": ("UPDATE view_attempts SET outcome = 'lost' WHERE run = 1 AND id = 'c0'", "run-0", "outcome"),
    "a position too far on": ("UPDATE projections SET position = 99", None, "99"),
    "a position too far back": ("UPDATE projections SET position = 40", "run-2", "view_runs"),
    "a run set aside": (
        "INSERT INTO projection_faults VALUES ('runs', 'live', 'run-2', 10, 44, 'x')",
        "run-2",
        "aside",
    ),
    "a table that is gone": ("DROP TABLE view_errors", None, "view_errors is gone"),
    "a column that is gone": ("ALTER TABLE view_workers DROP COLUMN busy", None, "view_workers is gone"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_view_is_found_and_named(what: str, store: Path) -> None:
    statement, run_id, told = FORGED[what]
    change(store, statement)
    with open_log(store) as log:
        findings = list(Audit(log).verify())
        assert [finding.id for finding in findings] == [run_id] or what.startswith("a position")
        assert any(finding.id == run_id and told in finding.problem for finding in findings)
        if run_id is not None:
            assert [finding.id for finding in Audit(log).verify(run_id)] == [run_id]


@pytest.mark.parametrize(
    ("position", "harm"),
    [
        (18, "UPDATE events SET data = CAST('nonsense' AS BLOB) WHERE position = 18"),
        (27, "UPDATE events SET data = CAST('nonsense' AS BLOB) WHERE position = 27"),
    ],
)
def test_views_of_a_damaged_run_are_not_told_as_more_flaws(position: int, harm: str, store: Path) -> None:
    """They hold what its record once said. That the record is damaged is what there is to tell."""
    change(store, harm)
    with open_log(store) as log:
        assert [(finding.id, finding.position) for finding in Audit(log).verify()] == [("run-1", position)]
    change(store, "INSERT INTO view_errors VALUES (77, 'x', 1, 1, 1, 1)")
    with open_log(store) as log:
        assert [finding.id for finding in Audit(log).verify()] == ["run-1", None], (
            "a row of no run is told all the same"
        )


def test_a_view_that_is_behind_is_in_order(store: Path) -> None:
    with open_log(store) as log:
        write_run(log, "later")
        assert list(Audit(log).verify()) == []


@pytest.mark.parametrize(
    "harm",
    [
        ("DROP TABLE view_children",),
        ("ALTER TABLE view_runs RENAME COLUMN owner TO boss",),
        ("UPDATE projections SET position = 99",),
        ("DROP TABLE projections",),
        ("DELETE FROM projections",),
    ],
)
def test_a_view_that_is_no_view_is_made_anew(
    harm: tuple[str, ...], store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(store, *harm)
    with open_log(store) as log:
        write_run(log, "later")
        kept(log)
        assert list(view_flaws(log, BUILT_IN)) == []
        assert Views(log.recorder.tables()).position() == log.last_position()
    assert "DROP TABLE projections" in harm or "DELETE FROM projections" in harm or "is made anew" in caplog.text


def test_rows_that_are_lost_under_a_projector_are_noticed(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_log(store) as log:
        engine = kept(log)
        log.append([FactBatch("run-0", 17, [ChildPrepared(at=AT, child_id="d", index=3, task="work", input="null")])])
        while engine.step():
            pass
        change(store, "DELETE FROM view_children WHERE id = 'd'")
        log.append([FactBatch("run-0", 18, [ChildStarted(at=AT, child_id="d", attempt=1, worker="1")])])
        while engine.step():
            pass
        assert "has lost rows" in caplog.text
        assert list(view_flaws(log, BUILT_IN)) == []


def test_an_event_that_nobody_can_read_sets_its_run_aside(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_log(store) as log:
        write_run(log, "bad")
        write_run(log, "good")
        data = log.recorder.page(60, limit=1)[0].data
    change(store, "UPDATE events SET data = CAST('nonsense' AS BLOB) WHERE position = 61")
    with caplog.at_level(logging.ERROR), open_log(store) as log:
        kept(log)
        assert "sets run 'bad' aside from position 61" in caplog.text
        views = Views(log.recorder.tables())
        bad, good = views.run_row("bad"), views.run_row("good")
        assert bad is not None
        assert (bad.fault is None, bad.view.version) == (False, 9)
        assert good is not None
        assert (good.fault, good.view.counts.succeeded) == (None, 2)
        assert [finding.id for finding in Audit(log).verify()] == ["bad"]
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE events SET data = ? WHERE position = 61", (data,))
    with open_log(store) as log:
        [finding] = Audit(log).verify()
        assert (finding.id, finding.position) == ("bad", log.last_position()), "a view that lacks what can be read"
        engine = kept(log)
        engine.rebuild(["runs"])
        while engine.step():
            pass
        assert list(Audit(log).verify()) == []


class Picky(Projection):
    """A projection that has its troubles."""

    name = "picky"
    tables = (Table("picky", {"run": "TEXT", "at": "BIGINT"}, key=("run",)),)

    def __init__(self, trouble: str) -> None:
        self._trouble = trouble

    def handle(self, event: Event) -> list[Put]:
        """Yield the latest time of each run, but of one."""
        value = event.at
        if event.run_id == "run-1" and event.type == "ChildFinished":
            if self._trouble == "raises":
                raise RuntimeError("no idea")
            if self._trouble == "exits":
                raise SystemExit(3)
            value = {"too large": 2**70, "a list": [1]}[self._trouble]  # type: ignore[assignment]
        return [Put(self.tables[0], (event.run_id,), {"at": value})]


def test_a_record_that_cannot_have_been_sets_its_run_aside(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_log(store) as log:
        made = [
            *History(Plan(create(), (), arriving=True)).take(create()),
            ChildFinished(at=AT, child_id="nobody", attempt=1, outcome="succeeded", output="1"),
        ]
        log.append([FactBatch("odd", 0, made)])
        write_run(log, "run-3")
        with caplog.at_level(logging.ERROR, logger="orchestrator"):
            engine = ProjectionEngine(log, BUILT_IN)
            for _ in range(50):
                if not engine.step():
                    break
            else:
                pytest.fail("it never comes to an end")
        last = log.last_position()
        standing = engine.stages.checkpoints.all()
        assert {(row.stage, row.position) for row in standing} == {("live", last)}
        run = Views(log.recorder.tables()).run_row("run-3")
        assert run is not None
        assert not list(view_flaws(log, BUILT_IN))
    told = [record.getMessage() for record in caplog.records if "'odd'" in record.getMessage()]
    assert len(told) == 1
    assert "version 2 on: it changes what no event before it has brought about" in told[0]


@pytest.mark.parametrize("trouble", ["raises", "exits", "too large", "a list"])
@pytest.mark.parametrize("place", ["runs.db", "memory:"])
def test_a_projection_in_trouble_is_its_own_trouble(
    trouble: str, place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_log(place if place == "memory:" else tmp_path / place) as log:
        for number in range(3):
            write_run(log, f"run-{number}")
        engine = kept(log, Picky(trouble))
        assert "view 'picky' sets run 'run-1' aside" in caplog.text
        assert list(view_flaws(log, BUILT_IN)) == []
        rows = dict(log.recorder.tables().read("SELECT run, at FROM view_picky"))
        assert rows == {"run-0": AT + 5, "run-1": AT + 1, "run-2": AT + 5}
        assert [(each.name, each.position) for each in engine.stages.checkpoints.all()] == [
            ("picky", log.last_position()),
            ("runs", log.last_position()),
        ]


def test_what_workers_did_and_what_went_wrong(store: Path) -> None:
    with open_log(store) as log:
        work = Work(log.recorder.tables())
        assert [worker[:3] for worker in work.workers("run-1")] == [("1", 3, 12)]
        first = work.attempts("run-1", "1", limit=1)
        assert [attempt[:2] for attempt in [*first, *work.attempts("run-1", "1", after=first[0])]] == [
            ("c0", 1),
            ("c1", 1),
            ("c2", 1),
        ]
        [error] = work.errors("run-1")
        assert (error.number, error.first_version) == (1, 15)
