"""Stores written by hand with fitting hashes, and stores whose columns hold anything: an answer or one clear error."""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.driver import CommandLine
from tests.hostile.checks import decent, one_object_a_line, refused
from tests.hostile.effort import tries
from tests.hostile.forgery import StoredFact, encoded, forge, honest_history
from tests.hostile.names import NAMES

QUESTIONS = (
    *(("status", "r"), ("status", "r", "--json"), ("status", "r", "--at", "5"), ("status", "r", "--at", "2026-01-01")),
    *(("children", "r"), ("children", "r", "--json"), ("events", "r"), ("events", "r", "--json")),
    *(("list",), ("list", "--json")),
)

VALUES = st.one_of(
    st.sampled_from(list(NAMES.values())),
    st.sampled_from(["a", "b", "shell-2", "succeeded", "cancelled", "vm:1:0:1", "h:99999999999999999999:0:1"]),
    st.sampled_from(["", "{", "NaN", "[" * 100_000, "1" * 5_000, '{"command": 5}', '{"message": "\\u001b[2J"}']),
    st.sampled_from([0, 1, -1, 2, 10**18, 10**30, -(10**30), 1.5, 1e300, True, None, [], {}, {"kind": "any"}]),
    st.just({"max_attempts": 10**30, "backoff": 1e308, "initial_seconds": 1e308, "timeout_seconds": 1e308}),
    st.text(max_size=20),
)


@st.composite
def histories(draw: st.DrawFn) -> list[StoredFact]:
    """Take an honest history and change it here and there: fields, order, what is there at all."""
    facts = copy.deepcopy(list(honest_history()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(facts) - 1))
        how = draw(st.sampled_from(["field", "field", "field", "field", "drop", "double", "move", "cut", "rename"]))
        if how == "field":
            facts[at][1][draw(st.sampled_from(sorted(facts[at][1])))] = draw(VALUES)
        elif how == "drop":
            del facts[at]
        elif how == "double":
            facts.insert(at, copy.deepcopy(draw(st.sampled_from(honest_history()))))
        elif how == "move":
            facts.insert(draw(st.integers(0, len(facts) - 1)), facts.pop(at))
        elif how == "cut":
            del facts[at + 1 :]
        else:
            name = draw(st.sampled_from([*NAMES.values(), "os.system", "builtins:exec", "ParentSettled"]))
            facts[at] = (name, facts[at][1])
        if not facts:
            break
    return facts


@given(facts=histories())
@tries(15)
def test_no_history_with_fitting_hashes_brings_more_than_one_clear_line(facts: list[StoredFact]) -> None:
    with TemporaryDirectory() as folder, CommandLine(Path(folder)) as cli:
        forge(cli.store, encoded(facts))
        for words in QUESTIONS:
            done = cli.ask(*words)
            decent(done)
            if "--json" in words:
                one_object_a_line(done)


def _swapped(facts: list[StoredFact]) -> None:
    facts[4], facts[5] = facts[5], facts[4]
    facts.append(facts.pop(1))


IMPOSSIBLE: dict[str, Callable[[list[StoredFact]], Any]] = {
    "a child that was never prepared": lambda facts: facts.pop(1),
    "a child prepared twice": lambda facts: facts.insert(2, facts[1]),
    "an end before the start": _swapped,
    "two ends": lambda facts: facts.insert(len(facts) - 1, facts[-2]),
    "a parent created twice": lambda facts: facts.insert(1, facts[0]),
    "no parent": lambda facts: facts.pop(0),
    "settled with open children": lambda facts: facts.insert(5, ("ParentSettled", {"at": 1})),
    "a name that would be an import": lambda facts: facts.insert(1, ("os:system", {"at": 1})),
}


@pytest.mark.parametrize("change", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_history_that_cannot_have_been_is_damage(cli: CommandLine, change: Callable[[list[StoredFact]], Any]) -> None:
    facts = copy.deepcopy(list(honest_history()))
    change(facts)
    forge(cli.store, encoded(facts))
    asked: list[tuple[str, ...]] = [("children", "r", "--json"), ("resume", "r", "--take-over")]
    for words in asked:
        done = cli.ask(*words)
        assert done.status in (3, 4), (words, done)
        assert words[0] == "resume" or str(cli.store) in done.errors or "on record" in done.errors
        refused(done)


UNREADABLE: dict[str, tuple[Callable[[list[StoredFact]], Any], str]] = {
    "an input that is no JSON": (lambda facts: facts[1][1].update(input="{"), "children"),
    "an output that is no JSON": (lambda facts: facts[-2][1].update(error="[" * 100_000), "children"),
    "a time outside all calendars": (lambda facts: facts[0][1].update(at=10**30), "status"),
}


@pytest.mark.parametrize(("change", "question"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_value_that_was_never_written_is_damage(
    cli: CommandLine, change: Callable[[list[StoredFact]], Any], question: str
) -> None:
    facts = copy.deepcopy(list(honest_history()))
    change(facts)
    forge(cli.store, encoded(facts))
    done = cli.ask(question, "r")
    assert done.status == 3
    refused(done)


def test_a_run_that_still_waits_for_children_is_not_waited_for(cli: CommandLine) -> None:
    facts = [fact for fact in honest_history() if fact[0] in ("ParentCreated", "ChildPrepared")]
    forge(cli.store, encoded(facts))
    done = cli.ask("resume", "r")
    assert (done.status, done.errors.count("\n")) == (2, 1)
    assert "has not got all its children yet" in done.errors


COLUMNS = ("parent", "version", "type", "data", "hash", "position")
CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=40),
    st.sampled_from([name for name in NAMES.values() if name.isascii() or name.isprintable()]),
)


@given(table=st.sampled_from(["events", "parents"]), data=st.data(), cell=CELLS)
@tries(15)
def test_no_column_of_another_kind_brings_more_than_one_clear_line(
    table: str, data: st.DataObject, cell: object
) -> None:
    columns = COLUMNS if table == "events" else ("parent", "parent_id", "count", "version", "hash")
    column = data.draw(st.sampled_from(columns))
    with TemporaryDirectory() as folder, CommandLine(Path(folder)) as cli:
        forge(cli.store, encoded(honest_history()))
        connection = sqlite3.connect(cli.store)
        row = data.draw(st.integers(1, 12 if table == "events" else 1))
        try:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (cell, row))  # noqa: S608
            connection.commit()
        except (sqlite3.Error, UnicodeEncodeError):
            return  # the schema itself refuses it
        finally:
            connection.close()
        for words in QUESTIONS:
            decent(cli.ask(*words))
