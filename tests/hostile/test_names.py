"""Names with anything in them, at a terminal and in JSON: shown, quoted or refused, never obeyed."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import termios
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.terminal import brief, shown
from tests.cli.driver import CommandLine
from tests.hostile.checks import calm, decent, one_object_a_line, refused
from tests.hostile.effort import tries
from tests.hostile.names import IN_ARGV, NAMES

SHORT = {what: name for what, name in IN_ARGV.items() if len(name) < 1_000}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_what_is_shown_is_calm(name: str) -> None:
    calm(shown(name))
    calm(brief(name))
    assert len(brief(name)) <= 2_000


@given(text=st.text())
@tries(300)
def test_any_text_that_is_shown_is_calm(text: str) -> None:
    calm(shown(text))
    assert shown(shown(text)) == shown(text)


def test_items_reach_the_terminal_calm_and_the_command_whole(cli: CommandLine) -> None:
    """Every place where an item's name is ours to print; what the command itself prints is passed on as it is."""
    names = [name for name in SHORT.values() if "\n" not in name]
    command = "printf %s {} >$ORCHESTRATOR_CHILD_ID; exit 3"
    words = ("map", "--id", "r", "--on-decided", "continue", command)
    done = cli.run(*words, items=b"".join(os.fsencode(name) + b"\n" for name in names))
    assert done.status == 1
    calm(done.errors)
    assert "failed: 1 (" in done.errors
    assert [(cli.folder / str(place)).read_bytes() for place in range(1, len(names) + 1)] == list(
        map(os.fsencode, names)
    )
    assert len(list(cli.folder.iterdir())) == len(names) + 1, "nothing but what was asked for"
    for question in (("status", "r"), ("children", "r"), ("events", "r"), ("list",)):
        decent(cli.ask(*question))
        done = cli.ask(*question, "--json")
        decent(done)
        one_object_a_line(done)


@pytest.mark.parametrize("name", SHORT.values(), ids=SHORT)
def test_errors_that_quote_a_name_are_calm(cli: CommandLine, name: str) -> None:
    for words in (
        ("status", name),
        ("children", "--", name),
        ("map", "--id", name, "--dry-run", "true", ":::", "1"),
        ("map", "--timeout", name, "true", ":::", "1"),
        ("map", "--threshold", name, "true", ":::", "1"),
        ("map", f"--{name}", "true", ":::", "1"),
        ("list", "--status", name),
        ("status", "r", "--at", name),
        ("run", f"./{name}.yaml"),
        ("resume", "r", "--import", name),
        ("cancel", "r", "--reason", name),
        (name,),
        ("--version", name),
    ):
        done = cli.ask(*words)
        decent(done)
        assert done.status in (0, 2, 3, 4), words
    assert not (cli.folder / "owned").exists()


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_plan_with_such_names_is_taken_or_refused_in_one_line(cli: CommandLine, name: str) -> None:
    quoted = '"' + "".join(f"\\U{ord(each):08x}" for each in name[:5_000]) + '"'
    for text in (
        f"id: {quoted}\ntasks: [{{id: a, run: x}}]\n",
        f"tasks: [{{id: {quoted}, run: x}}]\n",
        f"tasks: [{{id: a, {quoted}: x}}]\n",
        f"tasks: [{{id: a, use: {quoted}}}]\n",
        f"{quoted}: 1\ntasks: [{{id: a, run: x}}]\n",
        f"strategy: {quoted}\ntasks: [{{id: a, run: x}}]\n",
        f"metadata: {{{quoted}: {quoted}}}\ntasks: [{{id: a, run: x}}]\n",
        f"type: collection\nitems: [{quoted}]\ntask: {{run: 'echo {{item}}'}}\n",
        f"type: collection\nitem_var: {quoted}\nitems: [a]\ntask: {{run: 'echo {{item}}'}}\n",
    ):
        (cli.folder / "plan.yaml").write_text(text)
        done = cli.ask("run", "plan.yaml", "--dry-run")
        decent(done)
        if done.status:
            refused(done)
            assert "plan.yaml" in done.errors
        done = cli.ask("run", "plan.yaml", "--dry-run", "--json")
        decent(done)
        one_object_a_line(done)


def test_help_and_messages_hold_at_every_width_and_terminal(cli: CommandLine) -> None:
    """On a real terminal, with a bar: of all that is printed only our own erasing of the line is a control."""
    loud = "x\x1b]0;owned\x07\x1b[31m\u202ey\u0301\u0301\u0301\u0301\u0301\u0301\u0301"
    for term, size in (("xterm-256color", (10, 20)), ("dumb", (24, 80)), ("", (24, 200))):
        seen = _at_terminal(
            cli, ["map", "--on-decided", "continue", "sleep 0.4; false {}", ":::", loud, "b"], term, size
        )
        text = seen.replace("\r\x1b[2K", "").replace("\r\n", "\n")
        if term != "xterm-256color":
            calm(text)
        assert "owned\x07" not in seen
        assert "\u202e" not in seen
        assert "\\x1b]0;owned" in seen


def _at_terminal(cli: CommandLine, words: list[str], term: str, size: tuple[int, int]) -> str:
    environment = {name: value for name, value in cli.environment.items() if name != "TERM"}
    if term:
        environment["TERM"] = term
    store = Path(cli.folder) / f"{term or 'none'}.db"
    ours, theirs = pty.openpty()
    os.set_inheritable(theirs, True)
    termios.tcsetwinsize(theirs, size)
    process = subprocess.Popen(
        cli.argv(*words[:1], "--store", str(store), *words[1:]),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        cwd=cli.folder,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    seen, deadline = b"", time.monotonic() + 60
    try:
        while time.monotonic() < deadline and select.select([ours], [], [], 30)[0]:
            try:
                data = os.read(ours, 65_536)
            except OSError:  # the other end is closed: this is how a terminal says so
                break
            if not data:
                break
            seen += data
    finally:
        os.close(ours)
        process.kill()
        process.wait()
    return seen.decode()
