"""Sources of children that raise, or give what is no child."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator import (
    Child,
    Limits,
    Orchestrator,
    Parallel,
    Result,
    TaskRegistry,
    Threshold,
    UsageError,
    task,
)
from tests.face import tasks
from tests.face.sources import Source


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


# What a source does wrong


def failed_child(result: Result) -> tuple[str, str]:
    [(child_id, error)] = result.errors.items()
    assert error["type"] == "SourceFailed"
    return child_id, error["message"]


class RudeError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even my text")


@pytest.mark.parametrize("kind", ["generator", "async"])
@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), RudeError()])
def test_a_source_that_raises_fails_one_child_that_says_what_and_where(kind: str, error: BaseException) -> None:
    def make(number: int) -> Child:
        if number == 7:
            raise error
        return tasks.nothing.child()

    source = Source(10, make)
    with Orchestrator("memory:") as orchestrator:
        children: Any = iter(source) if kind == "generator" else source.later()
        run = orchestrator.start(Parallel(children=children, on_decided="drain"))
        result = run.settle(timeout=20)
        child_id, message = failed_child(result)
        assert (result.status, child_id) == ("failed", "source-7")
        assert message.startswith(f"no more children after 7: the source raised {type(error).__name__}")
        assert f"(in make, {__file__}:" in message
        assert [child.id for child in run.children()][-1] == "source-7"
        assert source.closed.is_set()


def test_the_strategy_decides_what_a_source_that_fails_means() -> None:
    def bad() -> Iterator[Child]:
        yield from [tasks.nothing.child()] * 9
        raise ValueError("no")

    with Orchestrator("memory:") as orchestrator:
        result = orchestrator.start(Parallel(children=bad(), strategy=Threshold(percent=90))).settle(timeout=20)
        assert (result.status, result.counts.succeeded, result.counts.failed) == ("succeeded", 9, 1)


UNKNOWN = Child(task="no-such-task")


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (3, "children[2] has to be a Child, not 3"),
        (None, "children[2] has to be a Child, not None"),
        (UNKNOWN, "no task is named 'no-such-task'"),
        (Child(task="failed-source", input={"message": "x"}), "no task is named 'failed-source'"),
        (tasks.nothing.child().with_id(""), "an id cannot be empty"),
        (tasks.nothing.child().with_id("a\nb"), "cannot be printed"),
        (tasks.nothing.child().with_id("x" * 201), "id_chars_max"),
        (tasks.nothing.child().with_id("nothing-1"), "the id 'nothing-1' is used twice"),
        (tasks.echo.child(value={1, 2}), "is of type set"),
        (tasks.echo.child(value="x" * 70_000_000), "payload_bytes_max"),
    ],
)
def test_what_is_no_child_that_can_be_run_fails_one_named_for_its_place(item: Any, words: str) -> None:
    source = Source(5, lambda number: item if number == 2 else tasks.nothing.child())
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=iter(source), on_decided="drain"))
        child_id, message = failed_child(run.settle(timeout=20))
        assert child_id == "source-2"
        assert words in message
        assert message.startswith("no more children after 2: ")
        assert [child.id for child in run.children()] == ["nothing-0", "nothing-1", "source-2"]


def test_more_children_than_the_limit_fail_one() -> None:
    with Orchestrator("memory:", limits=Limits(children_max=3)) as orchestrator:
        run = orchestrator.start(Parallel(children=iter(Source(10)), on_decided="drain"))
        child_id, message = failed_child(run.settle(timeout=20))
        assert child_id == "source-3"
        assert "children_max of 3" in message


def test_a_failed_source_takes_another_name_where_its_own_is_taken() -> None:
    children: Any = iter([tasks.nothing.child().with_id("source-1"), 3])
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=children, on_decided="drain"))
        assert failed_child(run.settle(timeout=20))[0] == "source-1-failed"


def test_the_name_of_the_built_in_task_is_nobodys() -> None:
    with pytest.raises(UsageError, match="cannot be named 'failed-source'"):
        task(name="failed-source")(lambda: None)
    assert "failed-source" not in TaskRegistry()


def test_a_parent_inside_a_parent_has_its_children_from_the_start() -> None:
    for inner in (
        Parallel(children=iter([tasks.nothing.child()])),
        Parallel(children=[tasks.nothing.child()], open=True),
    ):
        nested = Child(id="inner", parallel=inner)
        with Orchestrator("memory:") as orchestrator:
            with pytest.raises(UsageError, match="has all its children from the start"):
                orchestrator.start(Parallel(children=[nested]))
            run = orchestrator.start(Parallel(children=iter([nested]), on_decided="drain"))
            child_id, message = failed_child(run.settle(timeout=20))
            assert child_id == "source-0"
            assert "has all its children from the start" in message
