"""What commands show of a run too large to be read through: its views answer, and none of its events are folded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from events.facts import (
    ChildCreated,
    ChildFinished,
    ChildPrepared,
    ChildProgressed,
    ChildStarted,
    Fact,
    MembershipClosed,
    OwnershipReleased,
    OwnershipTaken,
    ParentCreated,
)
from events.log import FactBatch, open_log
from events.projections.builtin import BUILT_IN
from events.projections.engine import ProjectionEngine
from events.strategy import Strategy
from tests.cli.driver import CommandLine

CHILDREN = 3_000
TAKES = (5, 1, 3)
"""How long children take, one after the other, in seconds."""
RUNNING = CHILDREN - 1


def history() -> Iterator[Fact]:
    """A run in which the last child still runs, the one before it never ran, and the others have succeeded."""
    yield ParentCreated(at=1, strategy=Strategy(kind="all"), max_workers=4, on_decided="continue", content="0" * 64)
    for index in range(CHILDREN):
        task = "rare" if index % 1_000 == 7 else "work"
        yield ChildPrepared(at=1, child_id=str(index), index=index, task=task, input=f'{{"n":{index}}}')
    yield from (ChildCreated(at=1, child_id=str(index)) for index in range(CHILDREN))
    yield MembershipClosed(at=1)
    yield OwnershipTaken(at=1, owner="somebody:1:2:3", epoch=1)
    yield ChildStarted(at=2, child_id=str(RUNNING), attempt=1, worker="2")
    yield ChildProgressed(at=3, child_id=str(RUNNING), attempt=1, progress=0.25, message="far to go")
    for index in range(CHILDREN - 2):
        at = 10_000_000 * index
        yield ChildStarted(at=at, child_id=str(index), attempt=1, worker="1")
        end = at + 1_000_000 * TAKES[index % len(TAKES)]
        yield ChildFinished(at=end, child_id=str(index), attempt=1, outcome="succeeded", output=str(index))
    yield OwnershipReleased(at=at)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A store with that run, an event of which was damaged: whoever reads through the record finds that."""
    with CommandLine(tmp_path_factory.mktemp("large")) as made:
        with open_log(made.store) as log:
            log.append([FactBatch("r", 0, list(history()))])
            while ProjectionEngine(log, BUILT_IN).step():
                pass
        damage(made.store)
        yield made


def damage(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE events SET hash = zeroblob(32) WHERE version = 4000")


def test_status(line: CommandLine) -> None:
    done = line.ask("status", "r")
    assert done.status == 0, done.errors
    assert f"children    {CHILDREN - 2:,} of {CHILDREN:,} succeeded, 1 running, 1 pending" in done.lines
    assert f"running     {RUNNING}: 25%, far to go" in done.lines
    assert any(text.startswith("worked on   by nobody; go on with:") for text in done.lines)
    assert line.ask("status", "r", "--json").json["counts"]["running"] == 1
    assert line.ask("status", "r", "--at", "9000").status == 3, "that is folded, and finds the damage"


def test_children_by_how_long_they_took(line: CommandLine) -> None:
    def found(*words: str) -> list[str]:
        done = line.ask("children", "r", "--json", "--order", *words)
        assert done.status == 0, done.errors
        return [child["id"] for child in done.objects]

    assert found("duration", "--limit", "3") == ["1", "4", "7"]
    assert found("duration", "--limit", "2", "--after", "4") == ["7", "10"]
    assert found("-duration", "--limit", "2") == ["2997", "2994"]
    assert found("-duration", "--limit", "2", "--after", "0") == ["2996", "2993"]
    assert found("duration", "--status", "failed") == []
    assert "has no place in this order" in line.ask("children", "r", "--order", "duration", "--after", "2999").errors


def test_children_of_one_task(line: CommandLine) -> None:
    def found(*words: str) -> list[str]:
        done = line.ask("children", "r", "--json", "--task", "rare", *words)
        assert done.status == 0, done.errors
        return [child["id"] for child in done.objects]

    assert found() == ["7", "1007", "2007"]
    assert found("--limit", "2") == ["7", "1007"]
    assert found("--after", "7", "--limit", "1") == ["1007"]
    assert found("--order", "-index", "--limit", "1") == ["2007"]
