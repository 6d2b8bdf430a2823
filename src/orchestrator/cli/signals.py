"""Ctrl-C, SIGTERM and SIGHUP: the first one ends in good order, another one at once."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final, Self

from orchestrator.cli.exits import SIGNALLED

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STANDARD_ERROR: Final = 2
_SAME_SECONDS: Final = 0.3
"""A terminal that closes, and `timeout`, send their signal twice within moments: that is one wish, not two."""


class Interrupted(BaseException):
    """We were asked to end, at a time when nothing had to be brought to an end first."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status: Final = SIGNALLED + number


def _wait_for_it() -> None:
    """Do nothing now: that a signal came is known."""


class Signals:
    """Hears signals while it is entered.

    The first one raises `Interrupted` in the main thread, or, once there is somebody to be told (`tell`), is only
    told: then `number` is set. The next one ends the process on the spot; what is on record is safe, what runs dies.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.last_words = ""
        """What is said where another signal ends the process on the spot."""
        self._at = 0.0
        self._wake: Callable[[], object] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # ignored on purpose: nohup, or in the background
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def tell(self, wake: Callable[[], object] | None) -> None:
        """From now on call `wake` instead of raising (None: raise again). It must be fit for a signal handler."""
        self._wake = wake

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Raise `Interrupted` only at the end of what is done here: in the middle of an import it does harm.

        The interpreter may lose it there, and an extension module may make another error of it.
        """
        self._wake = _wait_for_it
        try:
            yield
        finally:
            self._wake = None
        self.check()

    def check(self) -> None:
        """Raise `Interrupted` once more where the interpreter lost it: in a callback of an import, it may."""
        if self.number is not None:
            raise Interrupted(self.number)

    @property
    def exit_status(self) -> int:
        """What to exit with after a signal."""
        return SIGNALLED + (self.number or 0)

    def _hear(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if self.number is not None:
            if now - self._at >= _SAME_SECONDS:
                self._speak_last()
                os._exit(SIGNALLED + number)
            return
        self.number, self._at = number, now
        if self._wake is None:
            raise Interrupted(number)
        self._wake()

    def _speak_last(self) -> None:
        """Write the last words, unless nobody takes them at once."""
        with suppress(OSError, ValueError):
            _, ready, _ = select.select((), (_STANDARD_ERROR,), (), 0)
            if ready:
                os.write(_STANDARD_ERROR, self.last_words.encode())
