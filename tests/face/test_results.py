"""Results: of the types that tasks say, and what is left of a run that failed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from orchestrator import (
    Child,
    ChildrenFailedError,
    InvalidPayloadError,
    Orchestrator,
    OrchestratorError,
    Parallel,
    Retry,
    TaskRegistry,
    UsageError,
    current_child,
)
from tests.face import tasks, typed_tasks
from tests.face.typed_tasks import NOON, PRICE, SMALL, Price, Receipt
from tests.support.places import EVERYWHERE, place_of
from tests.support.waiting import until


@pytest.fixture(params=EVERYWHERE)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return place_of(request, tmp_path)


@pytest.fixture
def orchestrator(store: str) -> Iterator[Orchestrator]:
    with Orchestrator(store, max_workers=4, limits=SMALL) as made:
        yield made


# Types


def test_arguments_and_outputs_are_of_the_types_that_tasks_say(orchestrator: Orchestrator) -> None:
    number = UUID(int=7)
    children = [
        typed_tasks.price.child(amount=Decimal("1.50"), since=NOON).with_id("price"),
        typed_tasks.receipt.child(number=number, prices=[PRICE], raw=b"\xff\0").with_id("receipt"),
        typed_tasks.shifted.child(when=NOON, by=timedelta(days=-1)).with_id("later"),
        Child(id="json", task="price", input={"amount": "2", "since": "2026-11-24T12:00:00Z"}),
        Child(id="values", task="price", input={"amount": Decimal(2), "since": NOON}),
    ]
    run = orchestrator.start(Parallel(children=children))
    outputs = run.settle(timeout=20).raise_for_status().outputs
    assert outputs == {
        "price": PRICE,
        "receipt": Receipt(number, [PRICE], b"\xff\0"),
        "later": NOON - timedelta(days=1),
        "json": Price(amount=Decimal(2), since=NOON),
        "values": Price(amount=Decimal(2), since=NOON),
    }
    assert {child.id: child.output for child in run.as_completed(timeout=20)} == outputs
    assert run.children()[0].output == {"amount": "1.50", "since": "2026-11-24T12:00:00Z"}, "plain JSON"


def test_where_the_task_is_not_known_outputs_are_plain_json(tmp_path: Path) -> None:
    with Orchestrator(tmp_path / "runs.db") as first:
        run = first.start(Parallel(children=[typed_tasks.price.child(amount=Decimal(1), since=NOON)]), id="r")
        assert run.settle(timeout=20).outputs == {"price-0": Price(amount=Decimal(1), since=NOON)}
    with Orchestrator(tmp_path / "runs.db", tasks=TaskRegistry()) as other:
        run = other.get("r")
        assert run.result(timeout=20).outputs == {"price-0": {"amount": "1", "since": "2026-11-24T12:00:00Z"}}


def test_a_task_whose_annotation_has_changed_is_told_of(tmp_path: Path) -> None:
    with Orchestrator(tmp_path / "runs.db") as first:
        first.start(Parallel(children=[tasks.square.child(x=3)]), id="r").settle(timeout=20)
    changed = TaskRegistry()
    changed.alias("square", typed_tasks.price)
    with Orchestrator(tmp_path / "runs.db", tasks=changed) as other:
        run = other.get("r")
        with pytest.raises(InvalidPayloadError, match=r"output of child 'square-0' on record .*run\.children"):
            run.result(timeout=20).outputs.items()
        with pytest.raises(InvalidPayloadError, match="'square-0'"):
            list(run.as_completed(timeout=20))
        assert run.children()[0].output == 9


def test_an_output_that_does_not_fit_fails_its_child_alone(orchestrator: Orchestrator) -> None:
    children = [typed_tasks.liar.child(value="text"), tasks.square.child(x=2)]
    result = orchestrator.start(Parallel(children=children, on_decided="continue")).settle(timeout=20)
    assert result.errors["liar-0"]["type"] == "InvalidPayloadError"
    assert result.errors["liar-0"]["message"] == (
        "output of child 'liar-0' does not fit its annotation int: must be a whole number"
    )
    assert result.outputs == {"square-1": 4}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"amount": "1"}, "child 'c': task 'price' needs 'since'"),
        ({"amount": "1", "since": "2026-11-24T12:00:00Z", "z": 1}, "child 'c': task 'price' has no argument 'z'"),
        ({"amount": "much", "since": NOON}, "child 'c': argument 'amount' of task 'price' does not fit"),
        (
            {"amount": "1", "since": [1]},
            "child 'c': argument 'since' of task 'price' does not fit its annotation datetime",
        ),
        (None, "child 'c': task 'price' needs 'amount', 'since'"),
    ],
)
def test_an_input_that_does_not_fit_is_refused_at_the_start(
    orchestrator: Orchestrator, given: object, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        orchestrator.start(Parallel(children=[Child(id="c", task="price", input=given)]))
    assert orchestrator.list() == []


def test_an_argument_that_does_not_fit_is_refused_when_the_child_is_made() -> None:
    text: Any = "1.5"
    with pytest.raises(InvalidPayloadError, match="argument 'amount' of task 'price' does not fit"):
        typed_tasks.price.child(amount=text, since=NOON)


def test_an_input_that_no_longer_fits_fails_its_child_when_it_runs(tmp_path: Path, gate: str) -> None:
    """Another process has another task of that name."""
    with Orchestrator(tmp_path / "runs.db", max_workers=1, shutdown_seconds=0.2) as first:
        children = [tasks.wait_at.child(gate=gate), tasks.square.child(x=1)]
        run = first.start(Parallel(children=children, on_decided="continue", max_workers=1), id="r")
        until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
    tasks.GATES[gate].set()
    changed = TaskRegistry()
    changed.alias("square", typed_tasks.price)
    changed.alias("wait_at", tasks.wait_at)
    with Orchestrator(tmp_path / "runs.db", tasks=changed) as other:
        run = other.resume("r")
        error = run.settle(timeout=20).errors["square-1"]
        assert error["type"] == "InvalidPayloadError"
        assert "input of child 'square-1': task 'square' has no argument 'x'" in error["message"].replace(
            "'price'", "'square'"
        )


# Errors


def test_what_succeeded_is_there_though_the_run_failed(orchestrator: Orchestrator) -> None:
    children = [
        tasks.square.child(x=3),
        *[tasks.fail.child(message=f"no {n}") for n in range(5)],
        tasks.square.child(x=4),
    ]
    result = orchestrator.start(Parallel(children=children, on_decided="continue"), id="r").settle(timeout=20)
    assert result.status == "failed"
    assert result.outputs == {"square-0": 9, "square-6": 16}
    with pytest.raises(ChildrenFailedError) as caught:
        result.raise_for_status()
    error = caught.value
    assert isinstance(error, OrchestratorError)
    assert (error.parent_id, error.status) == ("r", "failed")
    assert list(error.errors) == [f"fail-{n}" for n in range(1, 6)]
    assert error.errors["fail-2"]["message"] == "no 1"
    assert str(error) == (
        "run 'r' failed; 5 children have an error: 'fail-1': ValueError: no 0; 'fail-2': ValueError: no 1; "
        "'fail-3': ValueError: no 2; and 2 more"
    )


def test_a_result_that_succeeded_is_given_back(orchestrator: Orchestrator) -> None:
    result = orchestrator.start(Parallel(children=[tasks.square.child(x=3)])).settle(timeout=20)
    assert result.raise_for_status() is result


def test_a_cancelled_run_raises_too(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=gate)]), id="r")
    run.cancel("enough")
    with pytest.raises(ChildrenFailedError, match="run 'r' was cancelled"):
        run.settle(timeout=20).raise_for_status()


def test_a_child_knows_its_key_and_attempt() -> None:
    registry = TaskRegistry()
    seen: list[tuple[str, int]] = []

    def note() -> None:
        child = current_child()
        seen.append((child.key, child.attempt))
        if child.attempt == 1:
            raise ValueError("again")

    from orchestrator import Task

    registry.add(Task(note, "note"))
    with Orchestrator("memory:", tasks=registry) as orchestrator:
        children = [
            Child(id="a", task="note", retry=Retry(max_attempts=2)),
            Child(id="b", command="printf '%s %s' $ORCHESTRATOR_KEY $ORCHESTRATOR_ATTEMPT"),
        ]
        outputs = orchestrator.start(Parallel(children=children), id="r").settle(timeout=20).outputs
    assert seen == [("r/a", 1), ("r/a", 2)]
    assert outputs["b"]["stdout"] == "r/b 1"
    assert os.environ.get("ORCHESTRATOR_KEY") is None
