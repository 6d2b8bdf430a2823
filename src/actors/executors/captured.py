"""What a command printed, whole: for the one who shows it, never for the record."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import FileIO
from typing import BinaryIO, Final, Self

_CHUNK_BYTES: Final = 1_048_576

Printed = bytes | FileIO | OSError
"""One stream: its bytes, or the file that holds them, or why they could not be had."""


class CapturedOutput:
    """Standard output and standard error of one command. Whoever was handed it closes it; it is a context manager.

    It lives on after its executor. While many are open the executor starts no further commands.
    """

    def __init__(self, stdout: Printed, stderr: Printed, *, on_close: Callable[[], None] | None = None) -> None:
        self._streams: tuple[Printed, Printed] = (stdout, stderr)
        self._on_close = on_close
        self._closed = False

    def copy_to(self, stdout: BinaryIO, stderr: BinaryIO) -> None:
        """Write everything that was printed, byte for byte, in chunks. May be called again.

        Raises:
            ValueError: this is closed.
            OSError: a stream could not be had whole (the message says why), or could not be written.
        """
        if self._closed:
            raise ValueError("this captured output is closed: copy it before closing it")
        for stream, target in zip(self._streams, (stdout, stderr), strict=True):
            if isinstance(stream, OSError):
                raise stream
            if isinstance(stream, bytes):
                _write(target, stream)
            else:
                _copy(stream.fileno(), target)

    def close(self) -> None:
        """Give the descriptors back. Closing twice is the same as once."""
        streams, self._streams = self._streams, (b"", b"")
        on_close, self._on_close = self._on_close, None
        self._closed = True
        for stream in streams:
            if isinstance(stream, FileIO):
                stream.close()
        if on_close is not None:
            on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _copy(descriptor: int, target: BinaryIO) -> None:
    offset = 0
    while chunk := os.pread(descriptor, _CHUNK_BYTES, offset):
        _write(target, chunk)
        offset += len(chunk)


def _write(target: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[target.write(view) :]
