"""Exit statuses and refusals: one clear line, and nothing written."""

from __future__ import annotations

import sqlite3
import stat

import pytest

from events import errors
from orchestrator.cli.arguments import SUMMARIES
from orchestrator.cli.exits import exit_status
from tests.cli.driver import CommandLine

REFUSED = {
    "no command": [],
    "an unknown command": ["fly"],
    "a command of a later release": ["serve"],
    "an option before the command": ["--store", "x.db", "list"],
    "an unknown option": ["map", "--colour", "true", ":::", "1"],
    "an abbreviated option": ["map", "--thresh", "1", "true", ":::", "1"],
    "no command to run": ["map", ":::", "1"],
    "an empty command": ["map", " ", ":::", "1"],
    "an unclosed quote": ["map", "echo '{}", ":::", "1"],
    "two lists of items": ["map", "true", ":::", "1", ":::", "2"],
    "a mark of GNU parallel's": ["map", "true", "::::", "file"],
    "0 workers": ["map", "-j0", "true", ":::", "1"],
    "-1 workers": ["map", "-j", "-1", "true", ":::", "1"],
    "1.5 workers": ["map", "--max-workers", "1.5", "true", ":::", "1"],
    "true workers": ["map", "--max-workers", "true", "true", ":::", "1"],
    "too many workers": ["map", "-j999999999", "true", ":::", "1"],
    "a threshold of 0": ["map", "--threshold", "0", "true", ":::", "1"],
    "a threshold of 0%": ["map", "--threshold", "0%", "true", ":::", "1"],
    "a threshold of 101%": ["map", "--threshold", "101%", "true", ":::", "1"],
    "a threshold out of reach": ["map", "--threshold", "2", "true", ":::", "1"],
    "a threshold of nonsense": ["map", "--threshold", "most", "true", ":::", "1"],
    "all with a threshold": ["map", "--strategy", "all", "--threshold", "1", "true", ":::", "1"],
    "any with max-failures": ["map", "--strategy", "any", "--max-failures", "1", "true", ":::", "1"],
    "threshold without one": ["map", "--strategy", "threshold", "true", ":::", "1"],
    "max-failures without a threshold": ["map", "--max-failures", "2", "true", ":::", "1"],
    "an unknown strategy": ["map", "--strategy", "most", "true", ":::", "1"],
    "negative retries": ["map", "--retries", "-1", "true", ":::", "1"],
    "a timeout of 0": ["map", "--timeout", "0", "true", ":::", "1"],
    "a timeout of nonsense": ["map", "--timeout", "soon", "true", ":::", "1"],
    "an empty id": ["map", "--id", "", "true", ":::", "1"],
    "an id with a line break": ["map", "--id", "a\nb", "true", ":::", "1"],
    "an id that is too long": ["map", "--id", "x" * 201, "true", ":::", "1"],
    "a plan that is not there": ["run", "plan.yaml"],
    "a time of nonsense": ["status", "x", "--at", "yesterday"],
    "a status of nonsense": ["list", "--status", "fine"],
    "no run named": ["status"],
    "an audit of nothing": ["audit"],
    "an audit of what there is not": ["audit", "nothing", "x"],
    "a module that is not there": ["resume", "x", "--import", "not_there"],
}


@pytest.mark.parametrize("words", REFUSED.values(), ids=REFUSED)
def test_refused_in_one_line_with_nothing_written(cli: CommandLine, words: list[str]) -> None:
    done = cli.ask(*words)
    assert (done.status, done.text) == (2, "")
    assert done.errors.startswith("orchestrator: error: ")
    assert done.errors.count("\n") == 1
    assert list(cli.folder.iterdir()) == []


@pytest.mark.parametrize("command", ["status", "children", "events", "cancel", "resume"])
def test_no_such_run(cli: CommandLine, command: str) -> None:
    nowhere = cli.ask(command, "x")
    assert (nowhere.status, nowhere.text, nowhere.errors.count("\n")) == (4, "", 1)
    assert str(cli.store) in nowhere.errors
    assert "there is no store" in nowhere.errors
    assert not cli.store.exists()
    cli.run("map", "true", ":::", "1")
    unknown = cli.ask(command, "x")
    assert (unknown.status, unknown.text, unknown.errors.count("\n")) == (4, "", 1)
    assert "no run 'x'" in unknown.errors


@pytest.mark.parametrize("command", ["list", "resume"])
def test_no_store(cli: CommandLine, command: str) -> None:
    done = cli.ask(command)
    assert (done.status, done.text, done.errors.count("\n")) == (3, "", 1)
    assert str(cli.store) in done.errors
    assert not cli.store.exists()


@pytest.mark.parametrize("words", [("map", "true", ":::", "1"), ("list",), ("status", "x"), ("cancel", "x")])
def test_a_store_that_cannot_be_used(cli: CommandLine, words: tuple[str, ...]) -> None:
    folder = cli.folder / "folder"
    folder.mkdir()
    text = cli.folder / "text"
    text.write_text("not a database, but long enough to be looked at" * 100)
    foreign = cli.folder / "foreign.db"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    for place in (folder, text, foreign):
        before = b"" if place.is_dir() else place.read_bytes()
        done = cli.ask(words[0], "--store", str(place), *words[1:])
        assert (done.status, done.text, done.errors.count("\n")) == (3, "", 1), place
        assert str(place) in done.errors
        assert place.is_dir() or place.read_bytes() == before


def test_the_store_comes_from_the_environment_unless_it_is_named(cli: CommandLine) -> None:
    cli.run("map", "true", ":::", "1", ORCHESTRATOR_STORE="theirs.db")
    cli.run("map", "--store", "ours.db", "true", ":::", "1", ORCHESTRATOR_STORE="theirs.db")
    cli.run("map", "true", ":::", "1", ORCHESTRATOR_STORE="")
    stores = {path.name for path in cli.folder.glob("*.db")}
    assert stores == {"theirs.db", "ours.db", "orchestrator.db"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in cli.folder.glob("*.db"))


def test_a_run_that_fails(cli: CommandLine) -> None:
    assert cli.run("map", "--id", "r", "false", ":::", "1").status == 1
    assert cli.run("resume", "r").status == 1
    assert cli.ask("status", "r").status == 0, "the question was answered"


FAILED = errors.ChildrenFailedError
"""The only error that takes more than a text."""


def test_every_error_has_an_exit_status() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    made = [kind("x") for kind in kinds if issubclass(kind, errors.OrchestratorError) and kind is not FAILED]
    statuses = {type(error).__name__: exit_status(error) for error in (*made, FAILED("r", "failed", {}))}
    assert len(statuses) > 20
    assert {statuses[kind.__name__] for kind in kinds if issubclass(kind, errors.UsageError)} == {2}
    assert {statuses[kind.__name__] for kind in kinds if issubclass(kind, errors.StoreError)} == {3}
    assert statuses["RunNotFoundError"] == 4
    assert statuses["ChildrenFailedError"] == 1
    assert statuses["RunOwnedError"] == 2
    assert statuses["RunHaltedError"] == 3


@pytest.mark.parametrize("name", SUMMARIES)
def test_help_is_short_with_examples_and_fits_80_columns(cli: CommandLine, name: str) -> None:
    done = cli.ask(*name.split(), "--help")
    assert (done.status, done.errors) == (0, "")
    assert done.text.startswith(f"usage: orchestrator {name}")
    assert max(len(line) for line in done.lines) <= 80
    assert len(done.lines) <= 50
    examples = done.text.partition("examples:\n")[2].splitlines()
    assert 1 <= len(examples) <= 4
    assert all(f"orchestrator {name}" in example for example in examples)


def test_the_help_of_all_and_the_version(cli: CommandLine) -> None:
    done = cli.run("--help")
    assert (done.status, done.errors) == (0, "")
    assert max(len(line) for line in done.lines) <= 80
    assert "resume       go on with" in done.text
    assert "serve" not in done.text
    version = cli.run("--version")
    assert (version.status, version.text) == (0, "orchestrator 0.1.0\n")


@pytest.mark.parametrize("amount", ["0", "0%", "0.0%", "101%", "most"])
def test_a_threshold_that_makes_no_sense_is_told_of_as_the_option_that_it_is(cli: CommandLine, amount: str) -> None:
    refused = cli.ask("map", "--threshold", amount, "true", ":::", "1")
    assert refused.status == 2
    assert refused.errors.startswith("orchestrator: error: argument --threshold: ")


def test_what_was_meant_is_said_where_a_name_is_misspelt(cli: CommandLine) -> None:
    assert cli.run("map", "--id", "nightly", "true", ":::", "a").status == 0
    for word, meant in (("statsu", "status"), ("cancle", "cancel")):
        refused = cli.run(word, "nightly")
        assert (refused.status, f"in this release, did you mean {meant}? (see" in refused.errors) == (2, True)
    assert "did you mean" not in cli.run("frobnicate").errors
    for command in ("status", "pause", "children", "resume", "watch"):
        unknown = cli.ask(command, "nightyl")
        assert unknown.status == 4
        assert unknown.errors.endswith("; did you mean 'nightly'?\n")
    assert "did you mean" not in cli.ask("status", "x").errors


def test_a_run_that_was_not_there_yet_is_told_from_one_that_never_was(cli: CommandLine) -> None:
    cli.run("map", "--id", "r", "true", ":::", "a")
    for at in ("0", "1999-01-01"):
        early = cli.ask("status", "r", "--at", at)
        assert early.status == 4
        assert f"there was no run 'r' yet at {at}" in early.errors
    assert "there is no run 'q'" in cli.ask("status", "q", "--at", "0").errors
