"""Making much at once without Python's collector of garbage looking through it again and again, all of it in use."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final


class _Pause:
    """How many threads want no collection right now, and whether there was any before the first of them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wanted = 0
        self._was_on = False

    def begin(self) -> None:
        with self._lock:
            if not self._wanted:
                self._was_on = gc.isenabled()
                gc.disable()
            self._wanted += 1

    def end(self) -> None:
        with self._lock:
            self._wanted -= 1
            if not self._wanted and self._was_on:
                gc.enable()


_PAUSE: Final = _Pause()


@contextmanager
def uncollected() -> Iterator[None]:
    """Let nothing be collected meanwhile, in the whole process. For a second or so at most, in which much is made."""
    _PAUSE.begin()
    try:
        yield
    finally:
        _PAUSE.end()
