"""`pause`, `resume`, `update`, `cancel`, `redrive` and `watch` while another process owns the run, or none does."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.cli.driver import CommandLine, Done, Going
from tests.support.waiting import until

WAITS = "[ -e go ] || exec sleep 60; echo {}"
"""Hangs for as long as there is no file `go` when it starts."""
STEPS = "until [ -e go ]; do sleep 0.02; done; echo {}"
"""Waits for a file `go`."""


def begin(cli: CommandLine, command: str = STEPS, items: str = "abcdef") -> Going:
    going = cli.begin("map", "--id", "r", "-j2", command, ":::", *items)
    cli.wait_for("r", "ChildStarted", 2)
    return going


def go(cli: CommandLine) -> None:
    (cli.folder / "go").touch()


def test_a_run_of_another_process_is_paused_and_resumed(cli: CommandLine) -> None:
    going = begin(cli)
    paused = cli.run("pause", "r", "--reason", "lunch")
    assert (paused.status, paused.text) == (0, "paused r; 2 running children go on to their end\n")
    shown = cli.ask("status", "r").text
    assert "status      running (paused)\n" in shown
    assert f"worked on   by process {going.process.pid} on " in shown
    assert "running (paused)" in cli.ask("list").lines[1]
    assert "paused" not in cli.ask("list", "--json").text, "the fields of JSON are what they were"
    again = cli.ask("pause", "r")
    assert (again.status, again.text) == (0, "r was paused before; nothing was changed\n")
    go(cli)
    cli.wait_for("r", "ChildFinished", 2)
    resumed = cli.run("resume", "r")
    assert (resumed.status, resumed.text) == (0, "")
    assert "r is paused no more; another process works on it" in resumed.errors
    done = going.end()
    assert (done.status, sorted(done.lines)) == (0, list("abcdef"))
    order = cli.types("r")
    assert "ChildStarted" not in order[order.index("Paused") : order.index("Resumed")]
    owned = cli.ask("resume", "r")
    assert owned.status == 0, "it is over"


def test_resuming_a_run_that_another_process_works_on_and_is_not_paused_is_refused(cli: CommandLine) -> None:
    going = begin(cli)
    refused = cli.ask("resume", "r")
    assert refused.status == 2
    assert f"run 'r' is being worked on by process {going.process.pid} on " in refused.errors
    assert "--take-over" in refused.errors


def test_a_run_that_failed_because_a_child_was_cancelled_says_so(cli: CommandLine) -> None:
    going = begin(cli)
    assert cli.ask("cancel", "r", "--child", "6").status == 0
    failed = going.end()
    assert failed.status == 1
    first, second = failed.errors.splitlines()
    assert first.startswith("run r: failed - ")
    assert second == "  decided by: 6, which was cancelled"


def test_a_run_of_another_process_is_changed(cli: CommandLine) -> None:
    going = begin(cli, items="abcdefgh")
    changed = cli.run("update", "r", "-j", "1", "--threshold", "50%", "--priority", "-3")
    assert changed.status == 0
    assert changed.text == "r has max_workers 1, priority -3, strategy threshold (4 must succeed) now\n"
    as_json = cli.ask("update", "r", "--weight", "2", "--json").json
    assert as_json["strategy"] == {"kind": "threshold", "required": 4}
    go(cli)
    assert going.end().status == 0
    assert cli.types("r").count("LimitsChanged") == 2


def test_one_child_of_a_run_of_another_process_is_cancelled(cli: CommandLine) -> None:
    going = begin(cli)
    waiting = cli.ask("cancel", "r", "--child", "6")
    assert (waiting.status, waiting.text) == (0, "child 6 of r is cancelled\n")
    assert "with that, it is decided: run r: failed - 0 of 6 succeeded" in waiting.errors
    going.end()
    assert cli.status("r")["counts"]["cancelled"] >= 1
    late = cli.ask("cancel", "r", "--child", "6")
    assert (late.status, late.text) == (0, "child 6 of r had ended before: cancelled; nothing was changed\n")
    assert late.errors == ""
    missing = cli.ask("cancel", "r", "--child", "99")
    assert missing.status == 2
    assert "'99'" in missing.errors


def test_a_run_is_watched_and_ends_as_the_run_does(cli: CommandLine) -> None:
    going = begin(cli)
    watching = cli.begin("watch", "r", "--json")
    lines = cli.begin("watch", "r")
    assert watching.process.stdout is not None
    assert lines.process.stdout is not None
    first = watching.process.stdout.readline()
    assert b'"running": 2' in first
    assert lines.process.stdout.readline().startswith(b"run r: running - 0 of 6 succeeded, 2 running")
    cli.ask("pause", "r")
    assert b"run r: running (paused)" in lines.process.stdout.readline()
    cli.ask("resume", "r")
    go(cli)
    done = watching.end()
    assert done.status == 0
    assert done.objects[-1]["settled"]
    assert done.objects[-1]["counts"]["succeeded"] == 6
    assert lines.end().lines[-1] == "run r: succeeded - 6 of 6 succeeded"
    assert going.end().status == 0
    assert cli.ask("watch", "r").lines == ["run r: succeeded - 6 of 6 succeeded"]


def test_watching_fails_as_the_run_does_and_ctrl_c_ends_it_alone(cli: CommandLine) -> None:
    going = begin(cli)
    watching = cli.begin("watch", "r")
    assert watching.process.stdout is not None
    watching.process.stdout.readline()
    watching.signal(signal.SIGINT)
    done = watching.end()
    assert (done.status, done.errors) == (130, "interrupted\n")
    cli.ask("cancel", "r")
    going.end()
    assert cli.ask("watch", "r").status == 1


def redriven(cli: CommandLine, *options: str) -> Done:
    return cli.run("redrive", "r", *options)


def test_what_failed_runs_again_and_ends_as_map_would(cli: CommandLine) -> None:
    command = "echo {} >> ran; [ -e go ] || [ {} = a ] || exit 3; echo {}"
    first = cli.run("map", "--id", "r", "--on-decided", "continue", command, ":::", "a", "b", "c")
    assert first.status == 1
    still = redriven(cli, "--child", "2", "--quiet")
    assert still.status == 1
    go(cli)
    done = redriven(cli, "--outcome", "failed,timed_out", "--error-type", "CommandFailed", "--reason", "mended")
    assert (done.status, sorted(done.lines)) == (0, ["b", "c"])
    assert "run r: succeeded - 3 of 3 succeeded" in done.errors
    ran = (cli.folder / "ran").read_text().split()
    assert (ran.count("a"), ran.count("b"), ran.count("c")) == (1, 3, 2)
    assert cli.types("r").count("Redriven") == 2
    nothing = redriven(cli)
    assert (nothing.status, nothing.text) == (2, "")
    assert "there is no child to run again" in nothing.errors


def test_a_redrive_can_be_interrupted_and_gone_on_with(cli: CommandLine) -> None:
    command = "echo {} >> ran; [ -e wait ] && until [ -e go ]; do sleep 0.02; done; [ -e wait ]"
    assert cli.run("map", "--id", "r", "--on-decided", "continue", command, ":::", "a", "b").status == 1
    (cli.folder / "wait").touch()
    going = cli.begin("redrive", "r", "-j2")
    cli.wait_for("r", "ChildStarted", 4)
    busy = cli.ask("redrive", "r")
    assert busy.status == 2
    assert "not decided yet" in busy.errors
    going.signal(signal.SIGTERM)
    done = going.end()
    assert done.status == 143
    assert "orchestrator resume r" in done.errors
    go(cli)
    assert cli.run("resume", "r").status == 0


def test_a_run_whose_owner_was_killed(cli: CommandLine) -> None:
    going = begin(cli, WAITS)
    going.process.kill()
    going.end()
    paused = cli.run("pause", "r")
    assert (paused.status, paused.text) == (0, "paused r; nobody works on it now\n")
    watched = cli.run("watch", "r")
    assert "nobody works on run 'r' any more; go on with: orchestrator resume r\n" in watched.errors
    assert cli.ask("update", "r", "-j", "3").status == 0
    all_of_them = cli.run("resume")
    assert all_of_them.status == 0
    assert "is paused: orchestrator resume r" in all_of_them.errors
    go(cli)
    done = cli.run("resume", "r")
    assert (done.status, sorted(done.lines)) == (0, list("abcdef"))
    assert cli.ask("pause", "r").status == 2, "it is over"


HOSTILE = ["\x1b[2J", "no\nsuch", "'; rm -rf /", "-r", "\N{RIGHT-TO-LEFT OVERRIDE}x", "a" * 5_000]


def test_ids_that_nobody_has(cli: CommandLine) -> None:
    cli.run("map", "--id", "r", "true", ":::", "a")
    for command in ("pause", "resume", "update", "cancel", "redrive", "watch"):
        more = ["-j", "2"] if command == "update" else []
        for run_id in HOSTILE:
            done = cli.ask(command, *more, "--", run_id)
            assert (done.status, done.text) == (4, ""), (command, run_id)
            assert "\x1b" not in done.errors
            assert done.errors.count("\n") == 1
        missing = cli.ask(command, *more, "--store", str(cli.folder / "none.db"), "r")
        assert missing.status == 4
        assert not (cli.folder / "none.db").exists()


NONSENSE = [
    (["update", "r"], "nothing to change"),
    (["update", "r", "-j", "0"], "whole number from 1"),
    (["update", "r", "--strategy", "most"], "invalid choice"),
    (["update", "r", "--strategy", "threshold"], "--threshold"),
    (["update", "r", "--threshold", "200%"], "percent"),
    (["update", "r", "--priority", "high"], "whole number"),
    (["redrive", "r", "--outcome", "succeeded"], "expected one or more of"),
    (["redrive", "r", "--child", "nobody"], "nobody"),
    (["redrive", "r", "--error-type", "NoSuchError"], "NoSuchError"),
    (["pause", "r"], "settled"),
    (["pause", "r", "--reason", "\x07"], "cannot be printed"),
]


def test_what_makes_no_sense_is_refused_in_a_line(cli: CommandLine) -> None:
    cli.run("map", "--id", "r", "false", ":::", "a")
    before = cli.types("r")
    for words, said in NONSENSE:
        done = cli.ask(*words)
        assert (done.status, done.text) == (2, ""), words
        assert said in done.errors
        assert done.errors.startswith("orchestrator: ")
        assert cli.types("r") == before


def test_the_owner_says_that_it_is_paused(cli: CommandLine, tmp_path: Path) -> None:
    going = cli.begin("map", "--id", "r", "-j1", "--progress", STEPS, ":::", "a", "b")
    cli.wait_for("r", "ChildStarted")
    cli.ask("pause", "r")
    go(cli)
    cli.wait_for("r", "ChildFinished")
    until(lambda: cli.status("r")["counts"]["running"] == 0)
    cli.ask("resume", "r")
    assert going.end().status == 0
    assert tmp_path == cli.folder


def test_what_goes_on_after_the_decision_is_cancelled_too(cli: CommandLine) -> None:
    going = cli.begin(
        "map", "--id", "r", "-j2", "--on-decided", "continue", "[ {} = a ] && exit 3; sleep 60", ":::", *"abcd"
    )
    cli.wait_for("r", "ParentDecided", 1)
    cli.wait_for("r", "ChildStarted", 3)
    cancelled = cli.run("cancel", "r")
    assert (cancelled.status, cancelled.text) == (
        0,
        "run r: failed - 0 of 4 succeeded, 1 failed, 2 cancelled, 1 skipped\n",
    )
    assert "decided before, which stands; what was still to run is cancelled" in cancelled.errors
    assert going.end().status == 1
    assert "nothing was changed" in cli.ask("cancel", "r").errors


def test_a_run_that_is_decided_and_goes_on_is_paused_and_said_to_be(cli: CommandLine) -> None:
    steps = "[ {} != a ] || exit 1; until [ -e go ]; do sleep 0.02; done"
    going = cli.begin("map", "--id", "r", "-j2", "--on-decided", "continue", steps, ":::", *"abcd")
    cli.wait_for("r", "ParentDecided")
    paused = cli.ask("pause", "r")
    assert paused.text == "paused r, which is decided already (failed): what is still to run waits\n"
    go(cli)
    cli.ask("resume", "r")
    assert going.end().status == 1
