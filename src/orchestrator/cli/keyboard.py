"""Keys as they are pressed, on a terminal that is given back as it was: at the end, on Ctrl-Z, after any error."""

from __future__ import annotations

import os
import select
import signal
import termios
import tty
from types import FrameType
from typing import Any, Final, Self

from orchestrator.cli.terminal import Output

_INPUT: Final = 0
_ESCAPE_SECONDS: Final = 0.05
"""How long the rest of a key may take that begins with an escape character: Escape itself has none."""
_BYTES_MAX: Final = 64
_ENTER_SCREEN: Final = "\x1b[?1049h\x1b[?25l"
_LEAVE_SCREEN: Final = "\x1b[?25h\x1b[?1049l"

_KEYS: Final = {
    "\x1b[C": "right",
    "\x1bOC": "right",
    "\x1b[D": "left",
    "\x1bOD": "left",
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\x1b[H": "home",
    "\x1bOH": "home",
    "\x1b[1~": "home",
    "\x1b[F": "end",
    "\x1bOF": "end",
    "\x1b[4~": "end",
    "\x1b": "escape",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
}


class Keyboard:
    """The keys of the terminal, and a screen of our own on it, while it is entered. Only for the main thread."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._before: Any = None
        self._handlers: dict[int, Any] = {}
        self._wake: tuple[int, int] = (-1, -1)
        self._woken_before = -1
        self._typed = ""
        """What was read and is no key yet."""
        self._taken = False

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(_INPUT)
        self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # The interpreter hears of a signal only after a wait; one that comes right before a wait is to end it, too.
        self._woken_before = signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        handlers = {signal.SIGTSTP: self._suspend, signal.SIGCONT: self._resume, signal.SIGWINCH: self._redraw}
        for number, handler in handlers.items():
            self._handlers[number] = signal.signal(number, handler)
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._woken_before)
        try:
            self._give_back()
        finally:
            for descriptor in self._wake:
                os.close(descriptor)

    def _take(self) -> None:
        tty.setcbreak(_INPUT, termios.TCSADRAIN)
        self._output.text(_ENTER_SCREEN)
        self._taken = True

    def _give_back(self) -> None:
        self._taken = False
        try:
            self._output.text(_LEAVE_SCREEN)
        finally:
            termios.tcsetattr(_INPUT, termios.TCSADRAIN, self._before)

    def _suspend(self, number: int, _: FrameType | None) -> None:
        """Stop, as everybody else does on Ctrl-Z, with the terminal given back until somebody says to go on."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCONT})
        self._give_back()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, self._suspend)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCONT})
        if not self._taken:  # there was nobody to stop for
            self._resume(number, None)

    def _resume(self, _: int, __: FrameType | None) -> None:
        """Take the terminal again: whoever had it meanwhile may have changed it."""
        self._take()
        self._wake_up()

    def _redraw(self, _: int, __: FrameType | None) -> None:
        self._wake_up()

    def _wake_up(self) -> None:
        try:
            os.write(self._wake[1], b"x")
        except BlockingIOError:
            return  # it will wake up as it is

    def key(self) -> str:
        """Wait for a key and return it: a character, or its name; `redraw` where the terminal changed; `end` of input.

        A key that nobody knows is an empty text.
        """
        while not self._typed:
            ready, _, _ = select.select([_INPUT, self._wake[0]], [], [])
            if self._wake[0] in ready:
                os.read(self._wake[0], _BYTES_MAX)
                return "redraw"
            if not self._read():
                return "hung up"
        if self._typed[0] != "\x1b":
            first, self._typed = self._typed[0], self._typed[1:]
            return _KEYS.get(first, first if first.isprintable() else "")
        return self._escaped()

    def _escaped(self) -> str:
        """Return a key that begins with an escape character, all of it taken."""
        if len(self._typed) == 1 and select.select([_INPUT], [], [], _ESCAPE_SECONDS)[0]:
            self._read()
        found = next((keys for keys in _KEYS if len(keys) > 1 and self._typed.startswith(keys)), None)
        if found is not None:
            self._typed = self._typed[len(found) :]
            return _KEYS[found]
        whole, self._typed = self._typed, ""
        return _KEYS.get(whole, "")

    def _read(self) -> bool:
        """Read what was typed; False where the terminal is gone."""
        try:
            data = os.read(_INPUT, _BYTES_MAX)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._typed += data.decode(errors="replace")
        return bool(data)
