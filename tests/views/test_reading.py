"""Reading views by statements of one's own: a slip is the caller's, and told in the database's words; damage is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from events.errors import UsageError, ViewDamagedError
from events.log import open_log
from events.log.tables import Tables
from events.projections.builtin import BUILT_IN
from events.projections.engine import ProjectionEngine
from orchestrator.views import Views
from tests.support.postgres_server import Postgres

WORDS = {
    "sqlite": ("no such table: nope", "no such column: nope", "one statement at a time"),
    "memory": ("no such table: nope", "no such column: nope", "one statement at a time"),
    "postgres": ('relation "nope" does not exist', 'column "nope" does not exist', "multiple commands"),
}


@pytest.fixture(params=WORDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kept(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Views, Tables]]:
    """A store with views, and what reads them by statements."""
    with ExitStack() as opened:
        place: str | Path = tmp_path / "runs.db" if kind == "sqlite" else "memory:"
        if kind == "postgres":
            server: Postgres = request.getfixturevalue("postgres_server")
            place = opened.enter_context(server.schema())
        log = opened.enter_context(open_log(place))
        engine = ProjectionEngine(log, BUILT_IN)
        engine.step()
        yield Views(log, engine, lambda: 0), log.recorder.tables()


def test_a_slip_is_told_in_the_words_of_the_database(kind: str, kept: tuple[Views, Tables]) -> None:
    views, _ = kept
    no_table, no_column, several = WORDS[kind]
    slips: list[tuple[str, tuple[Any, ...], str]] = [
        ("select * from nope", (), no_table),
        ("select nope from view_runs", (), no_column),
        ("select 1; select 2", (), several),
        ("select id from view_runs where", (), "syntax error|incomplete input"),
        ("select nope(1)", (), "function"),
        ("select id from view_runs where id = ?", (), ""),
        ("select id from view_runs where id = ?", ("a", "b"), ""),
        ("select id from view_runs where id = ?", ("\ud800",), "surrogates"),
        ("select id from view_runs where run = ?", (2**70,), ""),
    ]
    for statement, values, words in slips:
        if kind == "postgres" and values == (2**70,):
            continue  # it has numbers of any size
        with pytest.raises(UsageError, match=f"^views.read: .*({words})"):
            views.read(statement, values)
    with pytest.raises(UsageError, match=r"^views\.read: a statement is a text, not 5"):
        views.read(5)  # type: ignore[arg-type] # what a caller without types may do
    assert views.read("select id from view_runs") == []


def test_a_damaged_view_is_damaged_and_no_slip(kept: tuple[Views, Tables]) -> None:
    views, tables = kept
    with tables.transaction() as session:
        session.execute("ALTER TABLE view_runs RENAME COLUMN owner TO somebody")
        session.execute("DROP TABLE view_children")
    for statement in ("select owner from view_runs", "SELECT * FROM View_Children", "select nope from view_runs"):
        with pytest.raises(ViewDamagedError):
            views.read(statement)
    with pytest.raises(UsageError, match=r"^views.read: .*nope"):
        views.read("select * from nope")
