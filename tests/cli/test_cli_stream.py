"""Items that come over time: on standard input, from files that a plan names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.driver import CommandLine, Done
from tests.support.waiting import until


def test_items_are_worked_on_as_they_come(cli: CommandLine) -> None:
    going = cli.begin("map", "--id", "m", "echo {#} {}", stdin=subprocess.PIPE)
    stdin = going.process.stdin
    assert stdin is not None
    stdin.write(b"first\n")
    stdin.flush()
    cli.wait_for("m", "ChildFinished")
    assert "MembershipClosed" not in cli.types("m")
    stdin.write(b"second\nlast")
    done = going.end()
    assert (done.status, done.lines) == (0, ["1 first", "2 second", "3 last"])
    assert cli.types("m").count("MembershipClosed") == 1


def test_items_that_end_with_nul_are_any_names_of_files(cli: CommandLine, tmp_path: Path) -> None:
    names = ["a", "b c", "n\nl", "'q"]
    for name in names:
        (tmp_path / name).write_text("x")
    found = b"".join(os.fsencode(tmp_path / name) + b"\0" for name in names)
    going = cli.begin("map", "-0", "--id", "m", "-j1", "cat {} && rm {}", stdin=subprocess.PIPE)
    assert going.process.stdin is not None
    going.process.stdin.write(found)
    done = going.end()
    assert (done.status, done.text) == (0, "x" * 4)
    assert [name for name in names if (tmp_path / name).exists()] == []


def test_a_large_item_that_failed_is_named_by_its_beginning(cli: CommandLine) -> None:
    done = cli.run("map", "--id", "m", "exit 7; : {}", items=b"x" * 100_000 + b"\n")
    assert done.status == 1
    assert done.errors.splitlines()[1] == f"  failed: 1 ({'x' * 59}…): exit status 7"


def test_items_without_end_are_stopped_and_what_was_read_is_resumed(cli: CommandLine) -> None:
    with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as endless:
        assert endless.stdout is not None
        going = cli.begin("map", "--id", "m", "-j2", "echo {#}", stdin=endless.stdout.fileno())
        cli.wait_for("m", "ChildFinished", 3)
        going.signal(signal.SIGINT)
        done = going.end()
        endless.kill()
    assert done.status == 130
    assert done.errors.endswith("go on with: orchestrator resume m\n")
    total = cli.status("m")["counts"]["total"]
    resumed = cli.run("resume", "m")
    assert resumed.status == 0
    line = f"its items came from standard input, and those not read yet are gone; it ends with the {total:,} on record"
    assert resumed.errors.splitlines()[0] == f"run m: {line}"
    assert cli.status("m")["counts"]["succeeded"] == total


def test_waiting_for_an_item_does_not_hold_up_an_end(cli: CommandLine) -> None:
    going = cli.begin("map", "--id", "m", "echo {}", stdin=subprocess.PIPE)
    stdin = going.process.stdin
    assert stdin is not None
    stdin.write(b"one\n")
    stdin.flush()
    cli.wait_for("m", "ChildFinished")
    assert cli.run("cancel", "m").status == 0
    going.process.wait(timeout=30)  # though its standard input is still open
    done = going.end()
    assert (done.status, done.text) == (1, "one\n")


def test_a_dry_run_reads_items_as_they_are_printed(cli: CommandLine) -> None:
    done = cli.run("map", "--dry-run", "echo {}", items=b"a\nb\n")
    assert (done.status, done.lines) == (0, ["1\techo a", "2\techo b"])
    refused = cli.run("map", "--dry-run", "echo {}", items=b"a\n\0\n")
    assert refused.status == 2
    assert "line 2 of the items contains a NUL character" in refused.errors
    assert not cli.store.exists()


def test_no_items_on_standard_input_can_not_be_enough(cli: CommandLine) -> None:
    assert cli.run("map", "true").status == 0
    done = cli.run("map", "--strategy", "any", "--json", "true")
    assert (done.status, done.json["status"], done.json["counts"]["total"]) == (1, "failed", 0)


def test_a_run_that_failed_without_a_failed_child_says_why(cli: CommandLine) -> None:
    done = cli.run("map", "--threshold", "3", "--on-decided", "continue", "echo {}", items=b"1\n2\n")
    assert done.status == 1
    first, *rest = done.errors.splitlines()
    assert "failed - 2 of 2 succeeded" in first
    assert rest == ["  why: 0 of 2 ended without success, 3 successes required"]
    failed = cli.run("map", "--threshold", "3", "--on-decided", "continue", "false", items=b"1\n")
    assert [line.split(":")[0] for line in failed.errors.splitlines()[1:]] == ["  failed"]


def test_standard_input_that_cannot_be_read_says_so(cli: CommandLine) -> None:
    unreadable = os.open(cli.folder / "file", os.O_WRONLY | os.O_CREAT)
    done = cli.begin("map", "true", stdin=unreadable).end()
    os.close(unreadable)
    assert done.status == 2
    assert done.errors == "orchestrator: error: standard input cannot be read: Bad file descriptor\n"


PLAN = """
id: fed
type: collection
max_workers: 1
on_decided: continue
items: ITEMS
task: {run: "printf '%s\\n' {item.name}"}
"""


def plan(cli: CommandLine, items: str, **files: str) -> None:
    (cli.folder / "plan.yaml").write_text(PLAN.replace("ITEMS", items))
    for name, text in files.items():
        (cli.folder / name.replace("_", ".")).write_text(text)


def test_a_plan_reads_a_file_as_it_goes_and_names_the_line_that_is_wrong(cli: CommandLine) -> None:
    plan(cli, "{jsonl: items.jsonl}", items_jsonl='{"name": "a b"}\n\n{"name": "$(id)"}\n{"name": \n{"name": "c"}\n')
    done = cli.run("run", "plan.yaml")
    assert (done.status, done.lines) == (1, ["a b", "$(id)"])
    assert "source-2 (where the children come from): no more children after 2: items.jsonl:4: is not valid JSON" in (
        done.errors
    )
    dry = cli.run("run", "plan.yaml", "--dry-run")
    assert dry.status == 2
    assert dry.errors.startswith("orchestrator: error: items.jsonl:4: is not valid JSON: ")


def test_a_plan_reads_standard_input(cli: CommandLine) -> None:
    plan(cli, "{stdin: csv}")
    done = cli.run("run", "plan.yaml", "--retries", "1", items=b'name,size\nx,1\n"two\nlines",2\n')
    assert (done.status, done.text) == (0, "x\ntwo\nlines\n")
    created = cli.ask("events", "fed", "--json").objects[0]
    metadata = {"items": "standard input", "for each item": {"run": "printf '%s\n' {item.name}"}}
    assert json.loads(created["data"]["metadata"]) == metadata


def test_a_plan_that_was_interrupted_is_run_again_and_goes_on(cli: CommandLine) -> None:
    lines = "".join(f'{{"name": {number}}}\n' for number in range(30))
    plan(cli, "{jsonl: items.jsonl}", items_jsonl=lines)
    path = cli.folder / "plan.yaml"
    path.write_text(path.read_text().replace("printf", "[ {item.name} -lt 3 ] || [ -e go ] || exec sleep 60; printf"))
    going = cli.begin("run", "plan.yaml")
    cli.wait_for("fed", "ChildFinished", 3)
    cli.wait_for("fed", "ChildStarted", 4)
    going.signal(signal.SIGKILL)
    going.process.wait()
    (cli.folder / "go").touch()
    resuming = cli.begin("resume", "fed", "--quiet")  # it has no items, and says so
    until(lambda: cli.types("fed").count("ChildFinished") >= 4)
    resuming.signal(signal.SIGINT)
    left = resuming.end()
    assert left.status == 130
    assert "run fed is open: the " in left.errors
    done = cli.run("run", "plan.yaml")
    assert done.status == 0, done.errors
    counts = cli.status("fed")["counts"]
    assert (counts["total"], counts["succeeded"]) == (30, 30)
    ids = [child["id"] for child in cli.ask("children", "fed", "--json").objects]
    assert ids == [f"shell-{number}" for number in range(30)]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none.txt", "none.txt cannot be read: no such file or directory"),
        ("folder", "folder: is a folder, not a file with items"),
        ("pipe", "pipe: is a pipe, a device or a socket, not a file with items"),
    ],
)
def test_a_file_that_is_none_is_refused_before_there_is_a_run(cli: CommandLine, name: str, why: str) -> None:
    (cli.folder / "folder").mkdir()
    os.mkfifo(cli.folder / "pipe")
    plan(cli, f"{{lines: {name}}}")
    done = cli.run("run", "plan.yaml")
    assert (done.status, done.errors) == (2, f"orchestrator: error: plan.yaml:6: items.lines: {why}\n")
    assert not cli.store.exists()


def test_a_file_is_found_beside_its_plan(cli: CommandLine, tmp_path: Path) -> None:
    plan(cli, "{lines: items.txt}", items_txt="x")
    inner = cli.folder / "inner"
    inner.mkdir()
    for name in ("plan.yaml", "items.txt"):
        (cli.folder / name).rename(inner / name)
    (inner / "plan.yaml").write_text((inner / "plan.yaml").read_text().replace("item.name", "item"))
    assert cli.run("run", "inner/plan.yaml").text == "x\n"


def test_another_command_under_the_same_id_is_refused_and_both_are_shown(cli: CommandLine) -> None:
    assert cli.run("map", "--id", "n1", "echo {}", items=b"1\n2\n").status == 0
    other = cli.run("map", "--id", "n1", "rm {}", items=b"x\ny\n")
    assert (other.status, other.text) == (2, "")
    assert "exists with other content: what is done for each item was echo {} and now is rm {}. Use" in other.errors
    long = cli.run("map", "--id", "n1", f"echo {'x' * 200}; rm {{}}", items=b"1\n")
    assert long.status == 2


def test_a_long_command_is_noted_by_its_beginning_and_told_from_another_one(cli: CommandLine) -> None:
    filler = "x" * 5_000
    assert cli.run("map", "--id", "n1", f": {filler} 1 {{}}", items=b"1\n").status == 0
    assert cli.run("map", "--id", "n1", f": {filler} 1 {{}}", items=b"1\n").status == 0
    other = cli.run("map", "--id", "n1", f": {filler} 2 {{}}", items=b"1\n")
    assert other.status == 2
    assert "SHA-256" in other.errors
    assert len(cli.ask("events", "n1", "--json").objects[0]["data"]["metadata"]) < 400


def test_standard_input_that_is_not_read_is_told(cli: CommandLine) -> None:
    words = ("map", "--id", "n1", "echo {}")
    first = cli.run(*words, items=b"1\n2\n")
    assert "not read" not in first.errors
    again = cli.run(*words, items=b"3\n")
    assert (again.status, again.text) == (0, "")
    assert again.errors.splitlines()[0] == "run n1 was over already: standard input was not read"
    assert cli.run("map", "--quiet", *words[1:], items=b"3\n").errors == ""


def test_a_plan_whose_task_changed_is_refused_under_the_same_id(cli: CommandLine) -> None:
    plan(cli, "{stdin: lines}")
    path = cli.folder / "plan.yaml"
    path.write_text(path.read_text().replace("item.name", "item"))
    assert cli.run("run", "plan.yaml", items=b"a\n").text == "a\n"
    again = cli.run("run", "plan.yaml", items=b"b\n")
    assert again.errors.splitlines()[0] == "run fed was over already: standard input was not read"
    path.write_text(path.read_text().replace("printf", "echo"))
    other = cli.run("run", "plan.yaml", items=b"b\n")
    assert (other.status, other.text) == (2, "")
    assert 'what is done for each item was {"run":"printf ' in other.errors
    assert ' and now is {"run":"echo ' in other.errors


def test_a_plan_that_reads_a_file_is_refused_once_its_task_changed(cli: CommandLine) -> None:
    plan(cli, "{jsonl: items.jsonl}", items_jsonl='{"name": "a"}\n')
    path = cli.folder / "plan.yaml"
    assert cli.run("run", "plan.yaml").text == "a\n"
    again = cli.run("run", "plan.yaml")
    assert (again.status, again.text, "not read" in again.errors) == (0, "", False)
    path.write_text(path.read_text().replace("printf", "echo"))
    assert cli.run("run", "plan.yaml").status == 2
    path.write_text(path.read_text().replace("echo", "printf").replace("{jsonl: items.jsonl}", "[{name: a}]"))
    listed = cli.run("run", "plan.yaml")
    assert "its children came over time and now are all known at once" in listed.errors


@pytest.mark.parametrize("piped_first", [False, True])
def test_the_same_lines_from_a_file_and_from_a_pipe_are_told_apart_in_words(
    cli: CommandLine, *, piped_first: bool
) -> None:
    def from_file() -> Done:
        lines.seek(0)
        return cli.begin("map", "--id", "n3", "echo {}", stdin=lines.fileno()).end()

    def from_pipe() -> Done:
        return cli.run("map", "--id", "n3", "echo {}", items=b"1\n2\n")

    (cli.folder / "a.txt").write_bytes(b"1\n2\n")
    with (cli.folder / "a.txt").open("rb") as lines:
        first, second = (from_pipe, from_file) if piped_first else (from_file, from_pipe)
        assert first().status == 0
        refused = second()
    origins = ["a file or the command line", "a pipe"]
    came, come = reversed(origins) if piped_first else origins
    said = f"exists with other content: its items came from {came} and now come from {come}. Use another id"
    assert refused.status == 2
    assert said in refused.errors
