"""Children that are made of items as they are read: from a file, from standard input, from a long range."""

from __future__ import annotations

import io
import os
import select
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from events.errors import LimitExceededError, UsageError
from orchestrator.definition import Child

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STANDARD_INPUT: Final = "standard input"


class ChildStream:
    """An iterable of children that reads its items anew each time, as far as they can be read twice."""

    def __init__(
        self,
        make: Callable[[], Iterator[Child]],
        reading: StandardInput | None = None,
        template: str | Mapping[str, Any] | None = None,
    ) -> None:
        """Make a stream. `reading` is given where the items come from standard input.

        `template` is what each item is put into: a command as text, or the task of a plan, as JSON.
        """
        self.template: Final = template
        self._make: Final = make
        self._reading: Final = reading

    def __iter__(self) -> Iterator[Child]:
        yield from self._make()

    @property
    def read_once(self) -> bool:
        """Whether what has been read is gone."""
        return self._reading is not None

    def interrupt(self) -> None:
        """Let whoever waits for input come to an end. From any thread."""
        if self._reading is not None:
            self._reading.interrupt()

    def changed(self, change: Callable[[Child], Child]) -> ChildStream:
        """Return a stream of the same children, each of them changed."""
        return ChildStream(lambda: (change(child) for child in self._make()), self._reading, self.template)


class StandardInput(io.RawIOBase):
    """Standard input, read in such a way that another thread can break off a wait for more."""

    def __init__(self, descriptor: int = 0) -> None:
        super().__init__()
        self._descriptor: Final = descriptor
        self._lock: Final = threading.Lock()
        self._wake: tuple[int, int] | None = None
        self._interrupted = False

    def readable(self) -> bool:
        """Return True: that is what it is for."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Wait for input and read some of it; nothing at its end, and once it was interrupted."""
        with self._lock:
            if self._wake is None:
                self._wake = os.pipe()
        wait = select.poll()
        wait.register(self._descriptor, select.POLLIN)
        wait.register(self._wake[0], select.POLLIN)
        while not self._interrupted:
            wait.poll()
            if self._interrupted:
                break
            try:
                return os.readv(self._descriptor, [buffer])
            except BlockingIOError:  # somebody made it non-blocking, or was faster
                continue
        return 0

    def interrupt(self) -> None:
        """Break off a wait for more, now and for good."""
        with self._lock:
            self._interrupted = True
            if self._wake is not None:
                os.write(self._wake[1], b"x")

    def close(self) -> None:
        """Give back what the wait needs; standard input itself stays open."""
        with self._lock:
            wake, self._wake = self._wake, None
        for descriptor in wake or ():
            os.close(descriptor)
        super().close()


def numbered_lines(stream: BinaryIO, bytes_max: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a stream as they come, from number 1, without their newline.

    Raises:
        LimitExceededError: a line has more than `bytes_max` bytes.
        UsageError: the stream cannot be read.
    """
    number = 0
    while True:
        number += 1
        try:
            line = stream.readline(bytes_max + 2)
        except OSError as error:
            raise UsageError(f"cannot be read: {(error.strerror or str(error)).lower()}") from None
        if not line:
            return
        line = line.removesuffix(b"\n")
        if len(line) > bytes_max:
            raise LimitExceededError(f"line {number} is longer than the limit item_bytes_max of {bytes_max:,} bytes")
        yield number, line
