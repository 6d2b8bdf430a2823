"""`replay`, `diff`, `explain` and `--at` as people and scripts use them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.driver import CommandLine


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A store with a run that failed: 3 of 5 had to succeed, and the last three children did not."""
    with CommandLine(tmp_path_factory.mktemp("past")) as made:
        words = ("--id", "r", "-j1", "--threshold", "60%", "--on-decided", "continue", "--quiet")
        done = made.run("map", *words, "[ {} -lt 3 ] || { echo no good >&2; exit 7; }", ":::", *"12345")
        assert done.status == 1
        yield made


def test_replay_prints_every_event_and_how_the_run_stood(line: CommandLine) -> None:
    events = line.ask("events", "r", "--json").objects
    steps = line.ask("replay", "r", "--json").objects
    assert [step["event"] for step in steps] == events
    for step in (steps[0], steps[len(steps) // 2], steps[-1]):
        at = str(step["event"]["position"])
        assert step["status"] == line.ask("status", "r", "--at", at, "--json").json
    done = line.ask("replay", "r")
    assert done.status == 0
    assert sum(1 for text in done.lines if not text.startswith(" " * 8)) == len(events)
    assert "         running - 0 of 5 succeeded, 1 running, 4 pending" in done.lines
    assert (
        "         open: 1 (running, attempt 1), 2 (not started), 3 (not started), 4 (not started), 5 (not started)"
        in (done.lines)
    )


def test_audit_replay_is_the_same_and_takes_all_runs(line: CommandLine) -> None:
    assert line.ask("audit", "replay", "r").output == line.ask("replay", "r").output
    assert line.ask("audit", "replay", "r", "--json").output == line.ask("replay", "r", "--json").output
    everything = line.ask("audit", "replay")
    assert everything.lines[0] == "run r"
    assert everything.lines[1:] == line.ask("replay", "r").lines
    assert "audit replay [ID] [OPTIONS]" in line.ask("audit", "replay", "--help").text
    assert "no audit 'nonsense'" in line.ask("audit", "nonsense").errors


def test_a_span(line: CommandLine) -> None:
    def versions(*words: str) -> list[int]:
        return [step["event"]["version"] for step in line.ask("replay", "r", "--json", *words).objects]

    assert versions("--from", "5", "--to", "8") == [5, 6, 7, 8]
    assert versions("--to", "2") == [1, 2]
    last = line.ask("status", "r", "--json").json
    assert versions("--from", str(last["position"])) == [last["version"]]
    assert versions("--from", last["settled_at"])[-1] == last["version"]
    nothing = line.ask("replay", "r", "--from", "99999")
    assert (nothing.status, nothing.text, nothing.errors) == (0, "", "no events there\n")


def test_children_as_they_were(line: CommandLine) -> None:
    first = next(step for step in line.ask("replay", "r", "--json").objects if step["status"]["counts"]["succeeded"])
    at = str(first["event"]["position"])
    found = line.ask("children", "r", "--at", at, "--json").objects
    assert [child["status"] for child in found] == ["succeeded", *["pending"] * 4]
    assert [
        child["id"] for child in line.ask("children", "r", "--at", at, "--status", "succeeded", "--json").objects
    ] == ["1"]


def test_diff(line: CommandLine) -> None:
    started = next(
        step["event"]["position"]
        for step in line.ask("replay", "r", "--json").objects
        if step["status"]["counts"]["running"]
    )
    found = line.ask("diff", "r", str(started), "9999", "--json").json
    assert found["a"]["position"] == started
    changed = {change["field"]: (change["before"], change["after"]) for change in found["changes"]}
    assert changed["status"] == ("running", "failed")
    assert changed["counts.failed"] == (0, 3)
    assert [child["id"] for child in found["children"]] == list("12345")
    lines = line.ask("diff", "r", str(started), "9999").lines
    assert "  status            running -> failed" in lines
    assert "  5 children changed" in lines
    assert "    3: pending -> failed" in lines
    assert "    1: running (1 attempt) -> succeeded (1 attempt)" in lines
    assert line.ask("diff", "r", "9", "9").lines[-1] == "  nothing changed"


def test_explain(line: CommandLine) -> None:
    text = line.ask("explain", "r").text
    assert text.startswith("Run 'r' failed at position ")
    assert "Its rule was that at least 60%, which is 3 of its 5 children, succeed." in text
    assert "Child '5' failed" in text
    assert "(exit status 7), and that decided it. 3 of 5 children had ended without success by then" in text
    assert text.count("\n") == 1
    told = line.ask("explain", "r", "--json").json
    assert (told["status"], told["decided_by"]["id"], told["required"]) == ("failed", "5", 3)
    assert told["text"].startswith("Run 'r' failed")
    before = line.ask("explain", "r", "--at", str(told["decided"]["position"] - 2), "--json").json
    assert (before["status"], before["successes_missing"], before["failures_left"]) == ("running", 1, 1)


def test_what_is_refused(line: CommandLine) -> None:
    for words in (
        ("replay", "r", "--from", "soon"),
        ("replay", "r", "--to", "-1"),
        ("diff", "r", "x", "1"),
        ("diff", "r", "1"),
        ("explain", "r", "--at", "2026-13-01"),
        ("children", "r", "--at", ""),
    ):
        done = line.ask(*words)
        assert done.status == 2, words
        assert done.errors.startswith("orchestrator: error: "), words
        assert len(done.errors.splitlines()) == 1
    for unknown in ("replay x", "diff x 1 2", "explain x", "audit replay x", "explain r --at 0"):
        assert line.ask(*unknown.split()).status == 4, unknown


def test_damage_is_named_and_the_other_runs_are_shown(tmp_path: Path) -> None:
    with CommandLine(tmp_path) as made:
        for name in ("first", "second"):
            assert made.run("map", "--id", name, "--quiet", "true", ":::", "1").status == 0
        with closing(sqlite3.connect(made.store)) as connection, connection:
            connection.execute("UPDATE events SET data = data || ' ' WHERE position = 3")
        done = made.ask("audit", "replay", "--json")
        assert done.status == 3
        assert "run 'first', version 3" in done.errors or "first" in done.errors
        ids = [json.loads(text)["status"]["id"] for text in done.lines]
        assert ids.count("first") == 2
        assert ids.count("second") > 5
        assert made.ask("replay", "first").status == 3
        assert made.ask("explain", "first").status == 3
