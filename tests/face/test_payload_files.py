"""Payloads of any size: large ones lie in files, and nobody notices."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.log.audit import Audit
from events.log.payloads import FilePayloads
from events.payload_files import PayloadRef
from orchestrator import (
    Child,
    LimitExceededError,
    Limits,
    Orchestrator,
    OrchestratorError,
    Parallel,
    Retry,
    StoreDamagedError,
)
from orchestrator.interfaces import Response
from tests.face import tasks, typed_tasks
from tests.face.typed_tasks import SMALL
from tests.support.places import EVERYWHERE, place_of
from tests.support.waiting import until


@pytest.fixture(params=EVERYWHERE)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return place_of(request, tmp_path)


@pytest.fixture
def orchestrator(store: str) -> Iterator[Orchestrator]:
    with Orchestrator(store, max_workers=4, limits=SMALL) as made:
        yield made


def test_large_payloads_lie_in_files_and_are_read_as_if_they_did_not(orchestrator: Orchestrator) -> None:
    children = [
        typed_tasks.large.child(length=1_000).with_id("out"),
        typed_tasks.large_async.child(length=1_000).with_id("async"),
        typed_tasks.measure.child(text="y" * 1_000).with_id("in"),
        typed_tasks.large_error.child(length=1_000).with_id("error"),
        Child(id="command", command="printf %1000s"),
    ]
    run = orchestrator.start(Parallel(children=children, on_decided="continue"))
    result = run.settle(timeout=20)
    outputs = dict(result.outputs)
    assert outputs.pop("command")["stdout"] == " " * 1_000
    assert outputs == {"out": "x" * 1_000, "async": b"\xff" * 1_000, "in": 1_000}
    assert "x" * 1_000 in result.errors["error"]["traceback"]
    views = {child.id: child for child in run.children()}
    assert views["in"].input == '{"text":"' + "y" * 1_000 + '"}'
    assert views["out"].output == "x" * 1_000
    facts = [event.data for event in run.history() if event.type in ("ChildFinished", "ChildPrepared")]
    assert max(len(str(data)) for data in facts) < 700, "nothing large is on record"
    filed = {(data["child_id"], name) for data in facts for name in data if name.endswith("_file")}
    assert filed == {
        ("out", "output_file"),
        ("async", "output_file"),
        ("command", "output_file"),
        ("in", "input_file"),
        ("error", "error_file"),
    }
    assert [child.id for child in run.as_completed(timeout=20) if child.status == "failed"] == ["error"]
    assert list(Audit(orchestrator._engine.log).verify()) == []


def test_a_retry_knows_the_kind_of_a_large_error(orchestrator: Orchestrator) -> None:
    children = [
        typed_tasks.large_error.child(length=1_000).model_copy(update={"retry": Retry(give_up_on=("ExceptionGroup",))})
    ]
    run = orchestrator.start(Parallel(children=children))
    run.settle(timeout=20)
    assert run.children()[0].attempts == 1


def test_an_engine_may_report_large_payloads(orchestrator: Orchestrator) -> None:
    orchestrator.create_state(Parallel(), id="r")
    orchestrator.prepare_children("r", [Child(id=name, task="theirs", input="z" * 500) for name in "ab"])
    orchestrator.prepare_children("r", [Child(id="a", task="theirs", input="z" * 500)])
    orchestrator.create_children("r")
    orchestrator.handle_response("r", "a", Response("succeeded", output="x" * 500))
    orchestrator.handle_response("r", "b", Response("failed", error={"type": "T", "message": "m", "more": "x" * 500}))
    run = orchestrator.get("r")
    assert [child.output for child in run.children()] == ["x" * 500, None]
    assert run.result(timeout=20).errors["b"]["more"] == "x" * 500


def test_the_same_content_is_the_same_run_whatever_counts_as_large(tmp_path: Path) -> None:
    asked = Parallel(children=[typed_tasks.measure.child(text="y" * 1_000)])
    for limits in (SMALL, Limits(), SMALL):
        with Orchestrator(tmp_path / "runs.db", limits=limits) as orchestrator:
            assert orchestrator.start(asked, id="r").settle(timeout=20).outputs == {"measure-0": 1_000}
            orchestrator.create_state(Parallel(), id="steps")
            orchestrator.prepare_children("steps", asked.listed)
    with Orchestrator(tmp_path / "runs.db") as orchestrator:
        assert [run.id for run in orchestrator.list()] == ["r", "steps"]


def test_over_the_hard_limit_the_limit_is_named(tmp_path: Path) -> None:
    with Orchestrator(tmp_path / "runs.db", limits=Limits(payload_bytes_max=500)) as orchestrator:
        result = orchestrator.start(Parallel(children=[typed_tasks.large.child(length=600)])).settle(timeout=20)
        assert "payload_bytes_max of 500" in result.errors["large-0"]["message"]
        with pytest.raises(LimitExceededError, match="payload_bytes_max of 500"):
            orchestrator.start(Parallel(children=[typed_tasks.measure.child(text="x" * 600)]))
    assert not (tmp_path / "runs.db.payloads").exists()


def files(orchestrator: Orchestrator) -> list[Path]:
    payloads = orchestrator._engine.log.payloads
    assert isinstance(payloads, FilePayloads)
    return [path for path in payloads.folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("harm", ["missing", "altered"])
def test_a_damaged_output_is_told_with_parent_child_and_file(tmp_path: Path, harm: str) -> None:
    with Orchestrator(tmp_path / "runs.db", limits=SMALL) as orchestrator:
        run = orchestrator.start(Parallel(children=[typed_tasks.large.child(length=500)]), id="r")
        run.settle(timeout=20)
        (path,) = files(orchestrator)
        path.unlink() if harm == "missing" else path.write_text("x" * 502)
        for ask in (
            lambda: run.result(timeout=20).outputs,
            run.children,
            lambda: list(run.as_completed(timeout=20)),
        ):
            with pytest.raises(StoreDamagedError) as caught:
                ask()
            assert all(part in str(caught.value) for part in ("'r'", "'large-0'", str(path)))
        assert run.status().status == "succeeded"
        other = orchestrator.start(Parallel(children=[typed_tasks.large.child(length=300)]))
        assert other.settle(timeout=20).outputs == {"large-0": "x" * 300}


def test_a_run_whose_input_is_lost_is_halted_until_it_is_found(tmp_path: Path) -> None:
    with Orchestrator(tmp_path / "runs.db", limits=SMALL, max_workers=1) as orchestrator:
        blocker = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=str(tmp_path))]))
        until(lambda: tasks.CALLS[f"{tmp_path}/begun"] == 1)
        run = orchestrator.start(Parallel(children=[typed_tasks.measure.child(text="y" * 300)]), id="r")
        (path,) = files(orchestrator)
        path.rename(tmp_path / "kept")
        tasks.GATES[str(tmp_path)].set()
        blocker.settle(timeout=20)
        with pytest.raises(StoreDamagedError) as caught:
            run.settle(timeout=20)
        assert all(part in str(caught.value) for part in ("'r'", "'measure-0'", str(path)))
        (tmp_path / "kept").rename(path)
        assert orchestrator.resume("r").settle(timeout=20).outputs == {"measure-0": 300}


def test_a_run_whose_output_cannot_be_written_is_halted_and_goes_on_later(tmp_path: Path) -> None:
    with Orchestrator(tmp_path / "runs.db", limits=SMALL) as orchestrator:
        (tmp_path / "runs.db.payloads").touch()
        run = orchestrator.start(Parallel(children=[typed_tasks.large.child(length=300)]), id="r")
        with pytest.raises(OrchestratorError, match=r"runs\.db\.payloads"):
            run.settle(timeout=20)
        (tmp_path / "runs.db.payloads").unlink()
        assert orchestrator.resume("r").settle(timeout=20).outputs == {"large-0": "x" * 300}


def test_a_child_that_waits_for_its_input_can_be_cancelled(tmp_path: Path) -> None:
    with Orchestrator(tmp_path / "runs.db", limits=SMALL, max_workers=1) as orchestrator:
        payloads = orchestrator._engine.log.payloads
        read, reading, go_on = payloads.get, threading.Event(), threading.Event()

        class Slow(FilePayloads):
            def get(self, ref: PayloadRef) -> str:
                reading.set()
                go_on.wait(20)
                return read(ref)

        for executor in orchestrator._engine._system._executors.values():
            executor._payloads = Slow(tmp_path)
        run = orchestrator.start(Parallel(children=[typed_tasks.measure.child(text="y" * 300)]))
        assert reading.wait(20)
        run.cancel()
        assert run.settle(timeout=20).counts.cancelled == 1
        go_on.set()
