"""`--keep-order`: children end in any order, and what they printed is printed in theirs."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.driver import CommandLine, Done

BACKWARDS = "until [ {#} = 4 ] || [ -e over.$(({#} + 1)) ]; do sleep 0.01; done; echo {}; echo {} >&2; touch over.{#}"
"""Of four children, each ends after the one behind it."""
FIRST_WAITS = "[ {#} = 1 ] && until [ -e go ]; do sleep 0.01; done; "
"""The first child ends once there is a file `go`."""


def test_without_it_output_comes_as_children_end(cli: CommandLine) -> None:
    assert cli.run("map", "-j4", BACKWARDS, ":::", *"abcd").lines == list("dcba")


@pytest.mark.parametrize("option", ["-k", "--keep-order"])
def test_output_comes_in_the_order_of_the_items(cli: CommandLine, option: str) -> None:
    done = cli.run("map", option, "-j4", "--quiet", BACKWARDS, ":::", *"abcd")
    assert (done.status, done.lines, done.errors.splitlines()) == (0, list("abcd"), list("abcd"))


def test_with_json_standard_error_alone_is_printed_in_order(cli: CommandLine) -> None:
    done = cli.run("map", "-k", "-j4", "--quiet", "--json", BACKWARDS, ":::", *"abcd")
    assert done.json["counts"]["succeeded"] == 4
    assert done.errors.splitlines() == list("abcd")


def test_the_last_to_end_may_stand_anywhere_and_print_nothing(cli: CommandLine) -> None:
    command = "[ {#} = 3 ] && { until [ -e over.6 ]; do sleep 0.01; done; exit 0; }; echo {}; touch over.{#}"
    assert cli.run("map", "-k", "-j3", command, ":::", *"abcdef").lines == list("abdef")


def test_nothing_is_held_whose_turn_it_is(cli: CommandLine) -> None:
    command = "[ {#} = 3 ] && until [ -e go ]; do sleep 0.01; done; echo {}"
    going = cli.begin("map", "-k", "-j2", "--id", "m", command, ":::", *"abcdef")
    output = going.process.stdout
    assert output is not None
    assert [output.readline() for _ in "ab"] == [b"a\n", b"b\n"]
    cli.wait_for("m", "ChildFinished", 5)
    os.set_blocking(output.fileno(), False)
    assert output.read() in (None, b"")
    os.set_blocking(output.fileno(), True)
    (cli.folder / "go").touch()
    assert going.end().lines == list("cdef")


def test_items_of_a_stream_come_in_order(cli: CommandLine) -> None:
    going = cli.begin("map", "-k", "-j4", "--id", "m", FIRST_WAITS + "echo {}", stdin=subprocess.PIPE)
    stdin = going.process.stdin
    assert stdin is not None
    stdin.write(b"a\nb\nc\n")
    stdin.flush()
    cli.wait_for("m", "ChildFinished", 2)
    stdin.write(b"d\n")
    stdin.flush()
    cli.wait_for("m", "ChildFinished", 3)
    (cli.folder / "go").touch()
    assert going.end().lines == list("abcd")


def test_more_may_wait_than_may_be_open(cli: CommandLine) -> None:
    """A thousand outputs wait for the first, long ones too; while 256 are open, no command would be started."""
    long = "case {#} in *00) head -c 200000 /dev/zero | tr '\\0' x; head -c 150000 /dev/zero | tr '\\0' y >&2;; esac"
    command = f"{FIRST_WAITS}echo {{}}; {long}; [ {{#}} = 1000 ] && touch go; :"
    items = [str(number) for number in range(1, 1_001)]
    done = cli.run("map", "-k", "-j2", "--quiet", command, items="\n".join(items).encode())
    assert done.status == 0
    assert done.output == "".join(f"{item}\n{'x' * 200_000 if item.endswith('00') else ''}" for item in items).encode()
    assert done.errors == "y" * 150_000 * 10


def test_no_room_for_what_waits_ends_it_and_it_is_resumed(cli: CommandLine) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (24_000_000, 24_000_000))"
    command = f"{FIRST_WAITS}head -c 1000000 /dev/zero | tr '\\0' x; echo"
    words = ("map", "-k", "-j2", "--id", "m", "--quiet", command, ":::", *map(str, range(120)))
    done = cli.python(limit, *words)
    assert done.status == 1
    assert "the file of outputs that wait for their turn cannot be written: File too large" in done.errors
    assert done.errors.count("go on with: orchestrator resume m -k") == 1
    (cli.folder / "go").touch()
    resumed = cli.run("resume", "m", "-k", "--quiet")
    assert resumed.status == 0
    assert cli.status("m")["counts"]["succeeded"] == 120


def test_what_waited_is_printed_at_an_interruption_and_the_rest_in_order_later(cli: CommandLine) -> None:
    going = cli.begin(
        "map",
        "-k",
        "-j3",
        "--id",
        "m",
        FIRST_WAITS + "{ [ {#} -le 3 ] || until [ -e go ]; do sleep 0.01; done; }; echo {}",
        ":::",
        *"abcdef",
    )
    cli.wait_for("m", "ChildFinished", 2)
    cli.wait_for("m", "ChildStarted", 5)
    going.signal(signal.SIGINT)
    done = going.end()
    assert (done.status, done.lines) == (130, list("bc"))
    assert hint(done) == "orchestrator resume m -k"
    (cli.folder / "go").touch()
    resumed = cli.again(hint(done))
    assert (resumed.status, resumed.lines) == (0, list("adef"))


def test_what_waited_when_it_was_killed_is_on_record(cli: CommandLine) -> None:
    going = cli.begin("map", "-k", "-j2", "--id", "m", FIRST_WAITS + "echo {}", ":::", *"abc")
    cli.wait_for("m", "ChildFinished", 2)
    going.process.kill()
    going.end()
    (cli.folder / "go").touch()
    resumed = cli.run("resume", "m", "-k", "--quiet")
    assert (resumed.status, resumed.lines) == (0, ["a"])
    outputs = [child["output"]["stdout"] for child in cli.run("children", "m", "--json").objects]
    assert outputs == ["a\n", "b\n", "c\n"]


def test_a_retried_child_keeps_its_place(cli: CommandLine) -> None:
    command = "[ {#} = 1 ] && [ ! -e tried ] && { touch tried; exit 1; }; echo {}"
    assert cli.run("map", "-k", "-j2", "--retries", "1", "--quiet", command, ":::", *"abc").lines == list("abc")


def test_a_cancelled_rest_leaves_no_gap(cli: CommandLine) -> None:
    command = f"{FIRST_WAITS}[ {{#}} = 2 ] && exec sleep 60; echo {{}}; [ {{#}} = 4 ] && touch go; :"
    done = cli.run("map", "-k", "-j4", "--threshold", "3", "--quiet", command, ":::", *"abcdef")
    assert done.status == 0
    assert done.lines[:3] == list("acd")


def test_a_plan_has_its_order_too_and_what_is_inside_comes_as_it_ends(cli: CommandLine, tmp_path: Path) -> None:
    tasks = "".join(
        f"  - {{id: {name}, run: 'until [ {number} = 3 ] || [ -e over.{number + 1} ]; do sleep 0.01; done; "
        f"echo {name}; touch over.{number}'}}\n"
        for number, name in enumerate("abc", 1)
    )
    inner = "  - id: inner\n    type: parallel\n    tasks:\n      - {id: x, run: 'echo inside'}\n"
    (tmp_path / "plan.yaml").write_text(f"type: parallel\nmax_workers: 4\ntasks:\n{tasks}{inner}")
    done = cli.run("run", "-k", "--quiet", "plan.yaml")
    assert done.status == 0, done.errors
    assert [line for line in done.lines if line != "inside"] == list("abc")
    assert done.lines.count("inside") == 1


def test_several_runs_are_resumed_each_in_its_order(cli: CommandLine) -> None:
    for name in ("m", "n"):
        going = cli.begin(
            "map",
            "-j4",
            "--id",
            name,
            f"until [ -e go ]; do sleep 0.01; done; {BACKWARDS}",
            ":::",
            *(f"{name}{item}" for item in "abcd"),
        )
        cli.wait_for(name, "ChildStarted", 4)
        going.signal(signal.SIGINT)
        assert going.end().status == 130
    (cli.folder / "go").touch()
    lines = cli.run("resume", "-k", "-j8", "--quiet").lines
    for name in ("m", "n"):
        assert [line for line in lines if line.startswith(name)] == [f"{name}{item}" for item in "abcd"]


def hint(done: Done) -> str:
    return done.errors.splitlines()[-1].partition("; go on with: ")[2]
