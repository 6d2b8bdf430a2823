"""Ctrl-C and its kin, closed pipes, kill -9: the run is kept, nothing is left running, and it can be gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.driver import CommandLine, Done, Going
from tests.support.waiting import until

SLOW = "echo $$ > pid.{#}; echo {}; exec sleep 60"
"""The process id of the command itself is in a file while it runs."""
TWICE = "echo {} >> ran; [ -e go ] || exec sleep 60; echo {}"
"""Hangs for as long as there is no file `go`."""


def running(folder: Path) -> list[int]:
    pids = [int(path.read_text() or 0) for path in folder.glob("pid.*")]
    return [pid for pid in pids if pid and Path(f"/proc/{pid}").exists()]


def begin(cli: CommandLine, *options: str, command: str = SLOW, items: str = "abcd") -> Going:
    going = cli.begin("map", "--id", "r", "-j2", *options, command, ":::", *items)
    cli.wait_for("r", "ChildStarted", 2)
    return going


def hint(done: Done) -> str:
    line = done.errors.splitlines()[-1]
    why, _, command = line.partition("; go on with: ")
    assert why in ("interrupted", "standard output was closed")
    return command


@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_it_in_good_order(cli: CommandLine, number: str, status: int) -> None:
    going = begin(cli)
    until(lambda: len(running(cli.folder)) == 2, what="two commands")
    going.signal(signal.Signals[number])
    done = going.end()
    assert done.status == status
    assert done.text == ""
    assert hint(done) == "orchestrator resume r"
    assert running(cli.folder) == []
    assert cli.status("r")["counts"]["running"] == 0, "what was interrupted is on record"
    assert cli.types("r")[-1] == "OwnershipReleased"


def test_the_printed_command_goes_on_and_ends_as_the_run_would_have(cli: CommandLine) -> None:
    going = begin(cli, command=TWICE, items="abcd")
    ran = cli.folder / "ran"
    until(lambda: ran.exists() and len(ran.read_text().split()) == 2, what="two commands")
    going.signal(signal.SIGINT)
    interrupted = going.end()
    (cli.folder / "go").touch()
    done = cli.again(hint(interrupted))
    assert (done.status, sorted(done.lines)) == (0, list("abcd"))
    assert "run r: succeeded - 4 of 4 succeeded" in done.errors
    assert sorted(ran.read_text().split()) == sorted("abcdab"), "what was interrupted ran again"
    assert cli.again(hint(interrupted)).text == "", "what is finished never runs again"


def test_the_printed_command_names_the_store_where_need_be(cli: CommandLine) -> None:
    store = cli.folder / "a b.db"
    going = cli.begin("map", "--store", str(store), "--id", "-r s", SLOW, ":::", "1")
    cli.wait_for("-r s", "ChildStarted", store=store)
    going.signal(signal.SIGINT)
    command = hint(going.end())
    assert command == f"orchestrator resume --store '{store}' -- '-r s'"
    again = cli.begin("resume", "--store", str(store), "--", "-r s")
    cli.wait_for("-r s", "ChildStarted", 2, store=store)
    again.signal(signal.SIGINT)
    assert again.end().status == 130


def test_a_second_ctrl_c_ends_it_at_once(cli: CommandLine) -> None:
    going = begin(cli, command="trap '' TERM; echo $$ > pid.{#}; while :; do sleep 0.1; done")
    until(lambda: len(running(cli.folder)) == 2, what="two commands")
    going.signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        going.process.wait(0.4)  # the commands take no notice of SIGTERM
    going.signal(signal.SIGINT)
    done = going.end()
    assert (done.status, done.errors) == (130, "ended at once; go on with: orchestrator resume r\n")
    until(lambda: not running(cli.folder), what="the end of the commands")
    assert cli.status("r")["status"] == "running"
    assert "worked on   by nobody; go on with: orchestrator resume r\n" in cli.ask("status", "r").text
    assert cli.ask("cancel", "r").status == 0


def test_one_wish_that_comes_twice_is_one(cli: CommandLine) -> None:
    going = begin(cli)
    going.signal(signal.SIGHUP)
    going.signal(signal.SIGHUP)
    assert hint(going.end()) == "orchestrator resume r"


def test_a_signal_before_there_is_a_run(cli: CommandLine) -> None:
    going = cli.begin("map", "echo", stdin=subprocess.PIPE)
    status = Path(f"/proc/{going.process.pid}/status")

    def listens() -> bool:
        caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (signal.SIGHUP - 1) & 1)

    until(listens, what="a handler")
    going.signal(signal.SIGINT)
    done = going.end()
    assert (done.status, done.errors) == (130, "interrupted\n")
    assert not cli.store.exists()


def test_a_signal_that_is_ignored_on_purpose_stays_ignored(cli: CommandLine) -> None:
    argv = ["nohup", *cli.argv("map", "--id", "r", "-j1", TWICE, ":::", "a")]
    process = subprocess.Popen(
        argv, cwd=cli.folder, env=cli.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=-3
    )
    cli.wait_for("r", "ChildStarted")
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143, "the other one was heard"


def test_a_run_in_memory_is_gone_and_that_is_said(cli: CommandLine) -> None:
    going = cli.begin("map", "--store", "memory:", SLOW, ":::", "1")
    until(lambda: running(cli.folder), what="the command")
    going.signal(signal.SIGINT)
    done = going.end()
    assert done.status == 130
    assert "in memory alone and is gone" in done.errors
    assert "resume" not in done.errors


def test_kill_9_and_resume(cli: CommandLine) -> None:
    (cli.folder / "go").touch()
    going = cli.begin(
        "map", "--id", "r", "-j2", "[ {} -lt 3 ] || [ -e on ] || exec sleep 60; echo {}", ":::", *"123456"
    )
    cli.wait_for("r", "ChildFinished", 2)
    cli.wait_for("r", "ChildStarted", 4)
    going.signal(signal.SIGKILL)
    going.end()
    (cli.folder / "on").touch()
    done = cli.run("resume", "r")
    assert (done.status, sorted(done.lines)) == (0, list("3456"))
    assert cli.types("r").count("AttemptLost") == 2
    assert cli.types("r").count("ChildFinished") == 6


def test_resume_without_an_id_goes_on_with_all(cli: CommandLine) -> None:
    for run_id in ("r", "s"):
        going = cli.begin("map", "--id", run_id, TWICE, ":::", run_id)
        cli.wait_for(run_id, "ChildStarted")
        going.signal(signal.SIGKILL)
        going.end()
    (cli.folder / "go").touch()
    done = cli.run("resume", "--json")
    assert [view["id"] for view in done.objects] == ["r", "s"]
    assert (done.status, {view["status"] for view in done.objects}) == (0, {"succeeded"})
    done = cli.run("resume")
    assert (done.status, done.text) == (0, "")
    assert "nothing to resume" in done.errors


def test_a_run_that_another_process_works_on(cli: CommandLine) -> None:
    going = begin(cli, command=TWICE)
    refused = cli.run("resume", "r")
    assert (refused.status, refused.errors.count("\n")) == (2, 1)
    assert "is being worked on" in refused.errors
    passed = cli.run("resume")
    assert passed.status == 0
    assert "passed over" in passed.errors
    cancelled = cli.ask("cancel", "r", "--reason", "enough")
    assert (cancelled.status, cancelled.text) == (0, "run r: cancelled - 0 of 4 succeeded, 2 cancelled, 2 skipped\n")
    done = going.end()
    assert (done.status, done.text) == (1, "")
    assert "run r: cancelled" in done.errors
    again = cli.ask("cancel", "r")
    assert again.status == 0
    assert "decided before" in again.errors


def test_taking_over_what_another_process_works_on(cli: CommandLine) -> None:
    first = begin(cli, command=TWICE, items="abc")
    line = cli.run("resume", "r").errors.strip()
    assert line.endswith(": orchestrator resume r --take-over")
    second = cli.begin("resume", "r", "--take-over")
    cli.wait_for("r", "ChildStarted", 4)
    (cli.folder / "go").touch()
    done = second.end()
    assert (done.status, sorted(done.lines)) == (0, list("abc"))
    follower = first.end()
    assert (follower.status, follower.text) == (0, ""), "who lost the run sees it end all the same"
    assert cli.types("r").count("ChildFinished") == 3


def test_cancel_brings_a_run_to_rest_that_nobody_works_on(cli: CommandLine) -> None:
    going = begin(cli)
    going.signal(signal.SIGKILL)
    going.end()
    done = cli.ask("cancel", "r")
    assert (done.status, done.text) == (0, "run r: cancelled - 0 of 4 succeeded, 2 cancelled, 2 skipped\n")
    assert cli.status("r")["settled"]


def test_who_starts_the_same_run_again_follows_it_and_takes_over(cli: CommandLine) -> None:
    words = ("map", "--id", "r", "-j2", TWICE, ":::", *"abc")
    first = cli.begin(*words)
    cli.wait_for("r", "ChildStarted", 2)
    second = cli.begin(*words)
    assert second.process.stderr is not None
    assert second.process.stderr.readline().startswith(b"another process works on run r: looking on")
    with pytest.raises(subprocess.TimeoutExpired):
        second.process.wait(1)  # it only looks on
    (cli.folder / "go").touch()
    first.signal(signal.SIGKILL)
    first.end()
    done = second.end()
    assert (done.status, sorted(done.lines)) == (0, list("abc"))
    assert cli.types("r").count("OwnershipTaken") == 2


def test_a_reader_that_leaves_stops_the_run_and_it_is_kept(cli: CommandLine) -> None:
    going = cli.begin("map", "--id", "r", "-j1", "echo {}; sleep 0.02", ":::", *map(str, range(60)))
    assert going.process.stdout is not None
    assert going.process.stdout.readline() == b"0\n"
    going.process.stdout.close()
    going.process.wait(30)
    assert going.process.stderr is not None
    done = Done(going.process.returncode, b"", going.process.stderr.read().decode())
    assert done.status == 141
    assert "Traceback" not in done.errors
    assert cli.again(hint(done)).status == 0
    assert cli.status("r")["counts"]["succeeded"] == 60


@pytest.mark.parametrize("words", [("events", "r"), ("events", "r", "--json"), ("children", "r"), ("--help",)])
def test_a_reader_that_leaves_is_no_error_for_a_question(cli: CommandLine, words: tuple[str, ...]) -> None:
    cli.run("map", "--id", "r", "true", ":::", "1")
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            cli.argv(*words), stdout=write, stderr=subprocess.PIPE, cwd=cli.folder, env=cli.environment
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_output_that_cannot_be_written(cli: CommandLine) -> None:
    done = cli.run("map", "--id", "r", "-j1", "echo", ":::", "1", before=("sh", "-c", 'exec "$0" "$@" > /dev/full'))
    assert done.status == 1
    assert "standard output cannot be written: No space left on device" in done.errors
    assert "Traceback" not in done.errors


def test_a_store_that_is_taken_away_is_one_clear_line(cli: CommandLine) -> None:
    going = cli.begin("map", "--id", "r", "-j1", "until [ -e {} ]; do sleep 0.01; done", ":::", "a", "b")
    cli.wait_for("r", "ChildStarted")
    cli.store.unlink()
    (cli.folder / "a").touch()
    done = going.end()
    assert (done.status, done.errors.count("\n")) == (3, 1), done.errors
    assert f"{cli.store}: the file was removed" in done.errors


@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_missing_streams_are_no_harm(cli: CommandLine, closing: str) -> None:
    done = cli.run(
        "map", "--id", "r", "echo {}; echo {} >&2", ":::", "1", before=("sh", "-c", f'exec "$0" "$@" {closing}')
    )
    assert done.status == 0
    assert cli.status("r")["status"] == "succeeded"


def test_a_child_that_may_not_run_again_is_told_of_with_the_reason(cli: CommandLine) -> None:
    (cli.folder / "plan.yaml").write_text('tasks: [{id: once, run: "exec sleep 60", on_lost: fail}]\n')
    going = cli.begin("run", "plan.yaml", "--id", "r")
    cli.wait_for("r", "ChildStarted")
    going.signal(signal.SIGKILL)
    going.end()
    done = cli.run("resume", "r")
    assert done.status == 1
    assert "failed: once (exec sleep 60): the attempt was interrupted and may not run again\n" in done.errors
