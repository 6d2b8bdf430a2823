"""`map`: items in, commands run, outputs whole."""

from __future__ import annotations

import json
import re
from itertools import groupby
from pathlib import Path

import pytest

from tests.cli.driver import CommandLine, Word

HOSTILE: tuple[Word, ...] = (
    "a b'; touch pwned #",
    "$(touch pwned)",
    "`touch pwned`",
    "two\nlines",
    "-n",
    "--",
    "",
    "*",
    "~",
    'x" "y',
    "back\\slash",
    "\x1b[31mred",
    b"bytes\xff\xfe",
    "{}",
    "Ünïcödé 日本",
)


def test_items_after_the_mark(cli: CommandLine) -> None:
    done = cli.run("map", "-j1", "echo {#} {}", ":::", "a", "b c")
    assert (done.status, done.lines) == (0, ["1 a", "2 b c"])
    assert "2 of 2 succeeded" in done.errors


def test_items_on_standard_input(cli: CommandLine) -> None:
    done = cli.run("map", "-j1", "echo {.} {/}", items=b"x/a.txt\n\nlast")
    assert (done.status, done.lines) == (0, ["x/a a.txt", " ", "last last"])


def test_several_words_make_one_command_and_get_the_item_appended(cli: CommandLine) -> None:
    done = cli.run("map", "-j8", "echo", "-j5", "--json", "-h", ":::", "1")
    assert done.text == "-j5 --json -h 1\n"


def test_glued_options_and_a_command_after_two_dashes(cli: CommandLine) -> None:
    done = cli.run("map", "-j8", "--", "-x", ":::", "1", "--dry-run")
    assert done.status == 1, "the command -x does not exist, and --dry-run is an item"
    assert cli.ask("children", cli.ask("list", "--json").json["id"], "--json").objects[1]["id"] == "2"


@pytest.mark.parametrize("strategy", [(), ("--threshold", "80%")])
def test_no_items_are_a_success(cli: CommandLine, strategy: tuple[str, ...]) -> None:
    done = cli.run("map", *strategy, "--json", "true", ":::")
    assert done.status == 0
    assert done.json["status"] == "succeeded"
    assert done.json["counts"]["total"] == 0


@pytest.mark.parametrize("strategy", [("--strategy", "any"), ("--threshold", "1")])
def test_no_items_can_not_be_enough(cli: CommandLine, strategy: tuple[str, ...]) -> None:
    done = cli.run("map", *strategy, "true", ":::")
    assert done.status == 2
    assert done.errors.count("\n") == 1
    assert "needs at least 1 success, has 0 children" in done.errors
    assert not cli.store.exists()


def test_hostile_items_are_plain_data(cli: CommandLine) -> None:
    done = cli.run("map", "-j1", "--id", "hostile", "printf '<%s>' {}; printf '<%s>' \"in {} quotes\"", ":::", *HOSTILE)
    assert done.status == 0, done.errors
    items = [item if isinstance(item, bytes) else item.encode() for item in HOSTILE]
    assert done.output == b"".join(b"<%b><in %b quotes>" % (item, item) for item in items)
    assert [path.name for path in cli.folder.iterdir() if path.name == "pwned"] == []


def test_hostile_items_on_standard_input(cli: CommandLine) -> None:
    items = [item if isinstance(item, bytes) else item.encode() for item in HOSTILE]
    lines = [item for item in items if b"\n" not in item]
    done = cli.run("map", "-j1", "printf '<%s>' {}", items=b"\n".join(lines) + b"\n")
    assert done.output == b"".join(b"<%b>" % line for line in lines)


def test_hostile_items_do_nothing_to_a_terminal(cli: CommandLine) -> None:
    failed = cli.run("map", "-j1", "--on-decided", "continue", "false", ":::", *HOSTILE)
    run_id = cli.ask("list", "--json").json["id"]
    shown = failed.errors + cli.ask("children", run_id).text + cli.ask("events", run_id).text
    assert "\\x1b[31mred" in shown
    assert all(line.isprintable() for line in shown.split("\n"))


def test_an_item_with_a_nul_fails_one_child(cli: CommandLine) -> None:
    done = cli.run("map", "--on-decided", "drain", "echo {}", items=b"a\n\0\nb\n")
    assert (done.status, done.errors.count("\n")) == (1, 2)
    assert "line 2 of the items contains a NUL character" in done.errors


def test_outputs_are_whole_and_never_mixed(cli: CommandLine) -> None:
    command = "for line in $(seq 50); do echo {} $line; echo {} $line >&2; sleep 0.001; done"
    done = cli.run("map", "-j8", "--quiet", command, ":::", *map(str, range(16)))
    for text in (done.text, done.errors):
        blocks = [(item, len(list(lines))) for item, lines in groupby(line.split()[0] for line in text.splitlines())]
        assert sorted(blocks, key=lambda block: int(block[0])) == [(str(item), 50) for item in range(16)]


def test_bytes_and_large_outputs_come_through_as_they_are(cli: CommandLine) -> None:
    done = cli.run("map", "-j2", r"printf '\377\000{}'; head -c 300000 /dev/zero", ":::", "a")
    assert done.output == b"\xff\x00a" + bytes(300_000)


def test_children_are_called_1_2_3_and_keep_their_item(cli: CommandLine) -> None:
    cli.run("map", "--id", "r", "cat {}", ":::", "x", "y")
    prepared = [event for event in cli.ask("events", "r", "--json").objects if event["type"] == "ChildPrepared"]
    assert [event["data"]["child_id"] for event in prepared] == ["1", "2"]
    assert [json.loads(event["data"]["input"])["input"] for event in prepared] == ["x", "y"]


def test_retries_are_further_attempts(cli: CommandLine) -> None:
    command = ': {}; echo x >> tries; [ "$(wc -l < tries)" -eq 3 ]'
    done = cli.run("map", "--id", "r", "--retries", "2", command, ":::", "a")
    assert done.status == 0
    assert cli.ask("children", "r", "--json").json["attempts"] == 3


def test_timeouts_and_deadlines(cli: CommandLine) -> None:
    late = cli.run("map", "--timeout", "100ms", "--json", "sleep", ":::", "60")
    assert (late.status, late.json["status"], late.json["counts"]["timed_out"]) == (1, "failed", 1)
    over = cli.run("map", "--deadline", "0.1", "--json", "sleep", ":::", "60")
    assert (over.status, over.json["status"], over.json["counts"]["cancelled"]) == (1, "timed_out", 1)


def test_quiet_drops_what_is_ours_and_not_what_is_theirs(cli: CommandLine) -> None:
    done = cli.run("map", "--quiet", "echo {}; echo {} >&2; false", ":::", "a")
    assert (done.status, done.text, done.errors) == (1, "a\n", "a\n")


def test_failures_are_named_with_their_item_and_reason(cli: CommandLine) -> None:
    done = cli.run("map", "-j1", "--on-decided", "continue", "exit {}", ":::", *"0123456789")
    first, *rest = done.errors.splitlines()
    assert "failed - 1 of 10 succeeded, 9 failed" in first
    assert rest[0] == "  failed: 2 (1): exit status 1"
    assert len(rest) == 6
    assert "4 more: orchestrator children" in rest[-1]


def test_a_dry_run_says_what_would_run_and_does_nothing(cli: CommandLine) -> None:
    done = cli.run("map", "--dry-run", "touch {}", ":::", "a", "b c", "d\ne")
    assert (done.status, done.lines) == (0, ["1\ttouch a", "2\ttouch 'b c'", "3\ttouch 'd\\ne'"])
    assert list(cli.folder.iterdir()) == []


def test_the_same_id_with_the_same_content_is_the_same_run(cli: CommandLine) -> None:
    words = ("map", "--id", "once", "echo {} | tee -a made", ":::", "a", "b")
    assert cli.run(*words).status == 0
    again = cli.run(*words)
    assert (again.status, again.text) == (0, "")
    assert "already over" in again.errors
    assert len((cli.folder / "made").read_text().splitlines()) == 2
    other = cli.run("map", "--id", "once", "echo", ":::", "c")
    assert other.status == 2


def test_the_default_is_one_child_a_core_and_j_is_on_record(cli: CommandLine) -> None:
    cli.run("map", "--id", "r", "-j7", "true", ":::", "a")
    assert cli.ask("events", "r", "--json").objects[0]["data"]["max_workers"] == 7


def test_a_command_has_the_variables_that_the_reference_names(cli: CommandLine) -> None:
    done = cli.run("map", "--quiet", ": {}; env", ":::", "x")
    ours = {line.split("=")[0] for line in done.text.splitlines() if line.startswith("ORCHESTRATOR_")}
    page = (Path(__file__).parents[2] / "docs/reference/cli.md").read_text("utf-8")
    place = page[page.index("A command sees its place") : page.index("Children have the ids")]
    assert ours - {"ORCHESTRATOR_STORE"} == set(re.findall("ORCHESTRATOR_[A-Z_]+", place))


def test_a_command_that_is_too_long_for_linux_fails_its_child_alone(cli: CommandLine) -> None:
    items = f"{'x' * 130_000}\n{'x' * 140_000}\n".encode()
    done = cli.run("map", "-j1", "--on-decided", "continue", "echo {} | wc -c", items=items)
    assert (done.status, done.text.strip()) == (1, "130001")
    assert "Argument list too long" in done.errors
