"""What a person at a terminal sees: text that is safe, tables that line up, a bar that gets in nobody's way."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import time

import pytest

from events.views import Counts
from orchestrator.cli.progress import Bar, rate
from orchestrator.cli.summary import pace
from orchestrator.cli.terminal import Output, columns, cut, shown, table
from tests.cli.driver import CommandLine


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain ü 日本", "plain ü 日本"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31m\x07\x7f", "\\x1b[31m\\x07\\x7f"),
        ("\u202eright to left", "\\u202eright to left"),
        ("\udcff", "\\udcff"),
        ("\x9b31m", "\\x9b31m"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_shown_text_does_nothing_but_show(text: str, safe: str) -> None:
    assert shown(text) == safe
    assert shown(text).isprintable()


def test_columns_are_counted_as_a_terminal_does() -> None:
    assert columns("abc") == 3
    assert columns("日本") == 4
    assert columns("e\u0301") == 1
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdef", 4) == "abc…"
    assert columns(cut("日本日本", 4)) <= 4


def test_a_table_lines_up_and_keeps_to_its_width() -> None:
    rows = [("1", "日本", "short"), ("200", "x\ny", "much longer than there is room")]
    lines = list(table(("N", "NAME", "TEXT"), rows, line_columns=30))
    assert lines == ["  N  NAME  TEXT", "  1  日本  short", "200  x\\ny  much longer than t…"]
    assert all(columns(line) <= 30 for line in lines)


def test_rates_and_times() -> None:
    assert [rate(1234.5), rate(12.34), rate(2.345), rate(0.5)] == ["1,234/s", "12/s", "2.3/s", "30/min"]
    assert [pace(2000, 12.34), pace(0, 0.5), pace(1, 3700)] == ["12.3 s (162/s)", "0.50 s", "1h 01m (0.016/min)"]


class Terminal:
    """A process on a pseudo-terminal of its own."""

    def __init__(self, cli: CommandLine, *words: str, merged: bool = True, size: tuple[int, int] = (24, 100)) -> None:
        self._main, theirs = pty.openpty()
        os.set_inheritable(theirs, True)
        import fcntl
        import struct
        import termios

        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self.process = subprocess.Popen(
            cli.argv(*words),
            stdin=subprocess.DEVNULL,
            stdout=theirs if merged else subprocess.PIPE,
            stderr=theirs,
            cwd=cli.folder,
            env={**cli.environment, "TERM": "xterm-256color"},
        )
        os.close(theirs)

    def read(self) -> str:
        """Return all that was written to the terminal until the process ended."""
        chunks = []
        try:
            while chunk := os.read(self._main, 65_536):
                chunks.append(chunk)
        except OSError:  # how Linux says that nobody has the other end any more
            pass
        finally:
            os.close(self._main)
        self.process.wait(30)
        return b"".join(chunks).decode()


def screen(written: str) -> list[str]:
    """Return the lines that a terminal shows in the end, as far as we use one: \\r, \\n, erase line, colours."""
    lines, at = [""], 0
    for code in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if code == "\n":
            lines.append("")
        elif code == "\r":
            at = 0
        elif code == "\x1b[2K":
            lines[-1] = ""
        elif not code.startswith("\x1b"):
            lines[-1] = lines[-1][:at] + code + lines[-1][at + len(code) :]
        at = len(lines[-1]) if code != "\r" else 0
    return lines


def test_a_bar_on_a_terminal_and_output_that_stays_whole(cli: CommandLine) -> None:
    command = "sleep 0.1; [ {} != 5 ] || echo a line; [ {} != 12 ] || printf half; [ {} != 13 ]"
    words = ("map", "-j2", "--on-decided", "continue", command, ":::", *map(str, range(1, 21)))
    written = Terminal(cli, *words).read()
    assert re.search(r"\d+/20  \d failed  2 running  .{2,8}/s  .{2,8} left", written)
    lines = screen(written)
    assert lines[0].startswith("run ")
    assert lines[1:3] == ["a line", "half"]
    assert re.match(r"run \w+: failed - 19 of 20 succeeded, 1 failed", lines[3])
    assert "━" not in "".join(lines), "nothing of the bar is left"


def test_no_bar_where_nobody_would_see_it(cli: CommandLine) -> None:
    done = cli.run("map", "sleep", ":::", "0.5")
    assert "\x1b" not in done.errors
    assert "━" not in done.errors
    for option in ("--quiet", "--no-progress"):
        assert "━" not in Terminal(cli, "map", option, "sleep", ":::", "0.5").read()


def test_a_narrow_terminal_gets_what_fits(cli: CommandLine) -> None:
    written = Terminal(cli, "map", "-j1", "sleep {}", ":::", *["0.2"] * 4, size=(10, 24)).read()
    drawn = [line for line in re.split(r"[\r\n]", written) if re.search(r"\d/4", line)]
    assert drawn
    assert all(columns(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line)) < 24 for line in drawn)


def test_ctrl_c_leaves_a_clean_line(cli: CommandLine) -> None:
    terminal = Terminal(cli, "map", "--id", "r", "-j1", "sleep {}", ":::", "0.5", "60")
    cli.wait_for("r", "ChildStarted", 2)
    terminal.process.send_signal(signal.SIGINT)
    lines = screen(terminal.read())
    assert lines[-4:] == [
        "stopping; a second Ctrl-C ends it at once",
        "run r: running - 1 of 2 succeeded, 1 pending",
        "interrupted; go on with: orchestrator resume r",
        "",
    ]
    assert terminal.process.returncode == 130


def test_a_bar_that_is_asked_for_where_there_is_no_terminal_is_plain_lines(capfd: pytest.CaptureFixture[str]) -> None:
    bar = Bar(Output(2, "standard error"), in_place=False)
    bar.begin(Counts(10, 10, 0, 0, 0, 0, 0, 0))
    time.sleep(0.01)  # time passes, so that there is a rate
    bar.draw(Counts(10, 4, 2, 3, 1, 0, 0, 0))
    bar.erase()
    written = capfd.readouterr().err
    assert re.fullmatch(r"4/10  1 failed  2 running  [\d,]+/s  [\d.]+s left\n", written)


def test_a_bar_knows_no_total_while_more_children_may_come(capfd: pytest.CaptureFixture[str]) -> None:
    bar = Bar(Output(2, "standard error"), in_place=False)
    bar.begin(Counts(10, 10, 0, 0, 0, 0, 0, 0))
    time.sleep(0.01)
    bar.draw(Counts(10, 4, 2, 3, 1, 0, 0, 0), more=True)
    assert re.fullmatch(r"4 done  1 failed  2 running  [\d,]+/s\n", capfd.readouterr().err)


def test_without_rich_there_is_no_bar_and_who_asks_for_one_is_told(cli: CommandLine) -> None:
    without = "sys.modules['rich'] = None"
    assert cli.python(without, "map", "true", ":::", "1").status == 0
    done = cli.python(without, "map", "--store", "s.db", "--progress", "true", ":::", "1")
    assert (done.status, done.errors.count("\n")) == (2, 1)
    assert "parallel-orchestrator[cli]" in done.errors
    assert not (cli.folder / "s.db").exists()


def test_tables_for_people(cli: CommandLine) -> None:
    cli.run("map", "--id", "r\u00fc", "-j1", "--on-decided", "continue", "echo {}; exit {}", ":::", "0", "1")
    children = cli.ask("children", "r\u00fc").lines
    assert children[0].split() == ["ID", "STATUS", "ATTEMPTS", "TOOK", "INPUT", "RESULT"]
    assert children[2].split()[:3] == ["2", "failed", "1"]
    assert children[2].endswith("exit status 1")
    listed = cli.ask("list").lines
    assert listed[1].split()[:4] == ["r\u00fc", "failed", "1", "2"]
    events = cli.ask("events", "r\u00fc").lines
    assert "ParentCreated" in events[0]
    status = cli.ask("status", "r\u00fc").lines
    assert status[:3] == [
        "run         r\u00fc",
        "status      failed",
        "children    1 of 2 succeeded, 1 failed",
    ]
    nothing = cli.ask("children", "r\u00fc", "--status", "skipped")
    assert (nothing.status, nothing.text, nothing.errors) == (0, "", "no children\n")
