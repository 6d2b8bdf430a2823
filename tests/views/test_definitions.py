"""What a view of one's own may look like, and how a wrong one is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from events.errors import UsageError
from events.projections.changes import Gathering
from orchestrator import Orchestrator, Parallel, Projection
from orchestrator.projections import Add, Change, Event, Index, Put, Remove, Table

TABLE = Table("thing", {"key": "TEXT", "number": "BIGINT", "text": "TEXT"}, key=("key",), indexes=[("number",)])


class Thing(Projection):
    """A projection that changes what it is told."""

    name = "thing"
    tables = (TABLE,)

    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = changes

    def handle(self, event: Event) -> Sequence[Change]:
        """Change it at the first event."""
        return self._changes if event.version == 1 else ()


class Nameless(Projection):
    """Says nothing."""


WRONG_TABLES: dict[str, Callable[[], Table]] = {
    "a name": lambda: Table("x; DROP TABLE events", {"a": "TEXT"}, key=("a",)),
    "a name of a table that is being made": lambda: Table("x_next", {"a": "TEXT"}, key=("a",)),
    "a column": lambda: Table("x", {"a b": "TEXT"}, key=("a b",)),
    "a type": lambda: Table("x", {"a": "BLOB"}, key=("a",)),
    "no key": lambda: Table("x", {"a": "TEXT"}, key=()),
    "a key of no column": lambda: Table("x", {"a": "TEXT"}, key=("b",)),
    "an index of no column": lambda: Table("x", {"a": "TEXT"}, key=("a",), indexes=[Index(("b",))]),
}


@pytest.mark.parametrize("what", WRONG_TABLES)
def test_a_wrong_table_is_refused(what: str) -> None:
    with pytest.raises(UsageError, match="table"):
        WRONG_TABLES[what]()


@pytest.mark.parametrize(
    "projections",
    [[Thing([]), Thing([])], [Thing], [Nameless()], ["thing"]],
    ids=["twice", "a class", "nameless", "text"],
)
def test_wrong_projections_are_refused(projections: list[Any]) -> None:
    with pytest.raises(UsageError, match="projection"):
        Orchestrator("memory:", projections=projections)


WRONG_CHANGES: dict[str, Any] = {
    "no change": ("thing", 1),
    "an unknown column": Put(TABLE, ("a",), {"other": 1}),
    "a column of the key": Put(TABLE, ("a",), {"key": "b"}),
    "too long a key": Remove(TABLE, ("a", "b")),
    "a number that is too large": Add(TABLE, ("a",), {"number": 2**63}),
    "a value of another kind": Put(TABLE, ("a",), {"text": b"bytes"}),  # type: ignore[dict-item]
    "a zero byte": Put(TABLE, ("a",), {"text": "\0"}),
    "half a character": Put(TABLE, ("\ud800",), {"text": "x"}),
}


@pytest.mark.parametrize("what", WRONG_CHANGES)
def test_a_wrong_change_is_refused(what: str) -> None:
    with pytest.raises(UsageError):
        Gathering().take([WRONG_CHANGES[what]])


def test_changes_of_one_row_become_what_they_come_to() -> None:
    changes: list[Change] = [
        Add(TABLE, ("a",), {"number": 1}),
        Add(TABLE, ("a",), {"number": 2}),
        Put(TABLE, ("a",), {"text": "first"}),
        Put(TABLE, ("a",), {"text": "last"}),
        Put(TABLE, ("b",), {"text": "gone"}),
        Remove(TABLE, ("b",)),
        Add(TABLE, ("a",), {"number": 4}),
    ]
    with Orchestrator("memory:", projections=[Thing(changes)]) as orchestrator:
        orchestrator.start(_nothing())
        orchestrator.views.wait_for()
        assert orchestrator.views.read("SELECT * FROM view_thing") == [("a", 7, "last")]


def test_views_can_be_read_and_nothing_else() -> None:
    with Orchestrator("memory:", projections=[Thing([])]) as orchestrator:
        orchestrator.start(_nothing())
        orchestrator.views.wait_for()
        for statement in ("DROP TABLE view_thing", "DELETE FROM view_thing", ""):
            with pytest.raises(UsageError):
                orchestrator.views.read(statement)
        with pytest.raises(UsageError, match="no view 'other'"):
            orchestrator.views.rebuild("other")


def test_where_no_views_are_kept_that_is_said() -> None:
    with Orchestrator("memory:") as orchestrator, pytest.raises(UsageError, match="no views are kept"):
        _ = orchestrator.views


def test_waiting_for_what_never_comes_ends() -> None:
    with Orchestrator("memory:", projections=[Thing([])]) as orchestrator:
        orchestrator.start(_nothing())
        with pytest.raises(TimeoutError, match="not at 1000"):
            orchestrator.views.wait_for(1000, timeout=0.05)


def _nothing() -> Parallel:
    return Parallel(children=[])
