"""`replay` on a terminal: keys move through a history, and the terminal is given back as it was."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest

from events.facts import ChildPrepared, Fact
from events.log import FactBatch, open_log
from orchestrator.cli.stepper import Stepper
from tests.cli.driver import CommandLine
from tests.events.scenario import AT, create
from tests.events.scenario import Given as GivenParent
from tests.support.waiting import until

WAIT_SECONDS = 20.0
_AS_ITS_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
_AS_A_SHELL_DOES = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = os.fork()
try:
    os.setpgid(child, child)
except PermissionError:
    pass  # it has done so itself, and is another program by now
if not child:
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
os.tcsetpgrp(0, child)
while True:
    _, status = os.waitpid(child, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        os._exit(os.waitstatus_to_exitcode(status))
    os.write(1, b"[stopped %d]" % child)
"""
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
RIGHT, LEFT, HOME, END, UP = "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1bOA"


class Person:
    """Somebody at a terminal: types, and reads what is drawn."""

    def __init__(
        self, cli: CommandLine, *words: str, size: tuple[int, int] = (24, 100), start: str = _AS_ITS_TERMINAL
    ) -> None:
        self.ours, theirs = pty.openpty()
        self.resize(*size)
        self.modes: Any = termios.tcgetattr(self.ours)
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", start, *cli.argv(*words)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=cli.folder,
            env={**cli.environment, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.ours)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self) -> bool:
        """Read what was drawn, if anything is within a moment; False at the end."""
        if select.select([self.ours], [], [], 0.05)[0]:
            try:
                self.seen += os.read(self.ours, 65_536).decode()
            except OSError:
                return False
        return True

    def sees(self, text: str) -> str:
        """Wait until the latest screen holds a text; return that screen."""
        deadline = time.monotonic() + WAIT_SECONDS
        while text not in self.screen:
            assert time.monotonic() < deadline, f"{text!r} is not in {self.screen!r}"
            assert self.read() or text in self.screen, f"ended: {self.seen!r}"
        return self.screen

    def sees_entered(self, count: int) -> None:
        """Wait until the screen was taken so many times."""
        until(lambda: self.read() and self.seen.count(ENTER) == count)

    @property
    def screen(self) -> str:
        """What was drawn last, without escape sequences."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen.rpartition("\x1b[H")[2])

    def types(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def end(self) -> int:
        """Wait for the end; return the exit status."""
        while self.read() and self.process.poll() is None:
            pass
        return self.process.wait(WAIT_SECONDS)

    def gave_back(self) -> bool:
        """Whether the terminal is as it was."""
        return self.seen.count(ENTER) == self.seen.count(LEAVE) and termios.tcgetattr(self.ours) == self.modes


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with CommandLine(tmp_path_factory.mktemp("stepping")) as made:
        done = made.run("map", "--id", "r", "-j1", "--quiet", "true", ":::", "1", "2", "3")
        assert done.status == 0
        yield made


def test_keys_move_through_a_history(line: CommandLine) -> None:
    last = line.status("r")
    with Person(line, "replay", "r") as person:
        screen = person.sees(f"event 1 of {last['version']} ")
        assert "ParentCreated" in screen
        for number, key in enumerate((RIGHT, " ", "n", "\r"), 2):
            person.types(key)
            person.sees(f"event {number} of")
        for number, key in zip((4, 3, 2), (LEFT, "p", UP), strict=True):
            person.types(key)
            person.sees(f"event {number} of")
        person.types(END)
        screen = person.sees(f"event {last['version']} of")
        assert "ParentSettled" in screen
        assert "status    succeeded - 3 of 3 succeeded" in screen
        person.types(RIGHT)
        person.sees("this is the last event there is")
        person.types("g7\r")
        person.sees("event 7 of")
        person.types("gnonsense\r")
        person.sees("go to takes a position")
        person.types(HOME + LEFT)
        person.sees("this is the first event")
        person.types("q")
        assert person.end() == 0
        assert person.gave_back()
        assert "ParentCreated" in person.seen.rpartition(LEAVE)[2], "the last step stays to be seen"


def test_going_to_a_place_can_be_given_up_and_typed_anew(line: CommandLine) -> None:
    with Person(line, "replay", "r") as person:
        person.sees("event 1 of")
        person.types("g12")
        person.sees("go to position or time: 12_")
        person.types("\x7f\x7f5")
        person.sees("go to position or time: 5_")
        person.types("\x1b")
        person.sees("space")
        assert "event 1 of" in person.screen
        person.types("g5\r")
        person.sees("event 5 of")
        person.types("\x1b")
        assert person.end() == 0


def test_a_terminal_that_is_small_or_changes(line: CommandLine) -> None:
    with Person(line, "replay", "r", size=(4, 20)) as person:
        person.sees("run r   event 1 of")
        person.resize(30, 120)
        person.sees("strategy  all: 0 must succeed")
        person.resize(2, 11)
        until(lambda: person.read() and "strategy" not in person.screen and "run r" in person.screen)
        person.types("q")
        assert person.end() == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_the_terminal_as_it_was(line: CommandLine, number: int, status: int) -> None:
    with Person(line, "replay", "r") as person:
        person.sees("event 1 of")
        person.process.send_signal(number)
        assert person.end() == status
        assert person.gave_back()


def test_ctrl_c_ends_it(line: CommandLine) -> None:
    with Person(line, "replay", "r") as person:
        person.sees("event 1 of")
        person.types("\x03")
        assert person.end() == 130
        assert person.gave_back()


def test_it_can_be_stopped_and_gone_on_with(line: CommandLine) -> None:
    with Person(line, "replay", "r", start=_AS_A_SHELL_DOES) as person:
        person.sees("event 1 of")
        person.types(RIGHT)
        person.sees("event 2 of")
        for entered, number in ((2, 3), (3, 4)):
            person.types("\x1a")
            until(lambda: person.read() and person.seen.endswith("]"))
            assert person.gave_back()
            child = int(person.seen.rpartition(" ")[2][:-1])
            os.kill(child, signal.SIGCONT)
            person.sees_entered(entered)
            person.types(RIGHT)
            person.sees(f"event {number} of")
        person.types("q")
        assert person.end() == 0
        assert person.gave_back()


def test_a_stop_that_nobody_waits_for_is_passed_over(line: CommandLine) -> None:
    with Person(line, "replay", "r") as person:
        person.sees("event 1 of")
        person.types("\x1a" + RIGHT)  # we lead the session: the kernel stops nobody
        person.sees("event 2 of")
        person.types("q")
        assert person.end() == 0
        assert person.gave_back()


def test_no_screen_where_nothing_can_be_drawn(line: CommandLine) -> None:
    line.environment["TERM"] = "dumb"
    done = line.run("replay", "r")
    assert "\x1b" not in done.text
    assert done.status == 0


# Back and forth, without a terminal


def many(tmp_path: Path, count: int) -> Path:
    """Make a store with a run of so many children, and more events than are kept."""
    facts: list[Fact] = list(GivenParent().given(create()).facts)
    facts += [ChildPrepared(at=AT + n, child_id=str(n), index=n, task="t", input="1") for n in range(count)]
    path = tmp_path / "many.db"
    with closing(open_log(path)) as log:
        log.append([FactBatch("r", 0, facts)])
    return path


def test_a_stepper_goes_anywhere_with_few_steps_in_memory(tmp_path: Path) -> None:
    with open_log(many(tmp_path, 3_500), must_exist=True) as log:
        stepper = Stepper(log, "r")

        def at() -> int:
            step = stepper.step
            assert step.event.version == step.status.version
            assert step.status.counts.total == step.event.version - 1
            return step.event.version

        assert (at(), stepper.back()) == (1, False)
        stepper.end()
        assert (at(), stepper.forward()) == (3_501, False)
        for expected in range(3_500, 2_300, -1):
            assert stepper.back()
            assert at() == expected
        for expected in range(2_302, 2_900):
            assert stepper.forward()
            assert at() == expected
        for position in (3, 3_400, 1_200, 1_201, 1, 3_501, 2_000):
            stepper.to(position)
            assert at() == position
        stepper.to(0)
        assert at() == 1
        stepper.home()
        assert (at(), stepper.forward(10), at(), stepper.back(4), at(), stepper.back(100), at()) == (
            *(1, True, 11, True, 7, True, 1),
        )


def test_a_stepper_keeps_between_its_points_and_follows_the_log(tmp_path: Path) -> None:
    path = many(tmp_path, 50)
    with open_log(path, must_exist=True) as log:
        stepper = Stepper(log, "r", 10, 20)
        assert stepper.step.event.version == 10
        stepper.to(5)
        assert stepper.step.event.version == 10
        stepper.to(40)
        assert (stepper.step.event.version, stepper.forward()) == (20, False)
        open_end = Stepper(log, "r", 51)
        assert not open_end.forward()
        log.append([FactBatch("r", 51, [ChildPrepared(at=AT, child_id="new", index=50, task="t", input="1")])])
        assert open_end.forward()
        assert open_end.step.event.version == 52
        assert Stepper(log, "r", 99).empty
