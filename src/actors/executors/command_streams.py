"""What a command prints on one stream, as the spawner takes it in.

Through a pipe, not straight into a file: a command that opens /dev/stderr for writing would cut the file. Only what
is too long for the record goes on into a file, which has no name and so vanishes with its last descriptor.
"""

from __future__ import annotations

import errno
import os

CHUNK_BYTES = 65_536
_DRAIN_BYTES_MAX = 1_048_576  # the largest pipe that an unprivileged process can make


class Keep:
    """What is kept of each stream: its first bytes in memory and, if `whole`, all of it in a file in `folder`."""

    __slots__ = ("bytes_max", "folder", "whole")

    def __init__(self, bytes_max: int, folder: str, *, whole: bool) -> None:
        self.bytes_max = bytes_max
        self.folder = folder
        self.whole = whole


class Stream:
    """The reading end of one pipe, how much came out of it (`size`, in bytes), and what was kept of that.

    `error` is the errno of the first failure to keep it, else 0; `whole` the descriptor of the file, if there is one.
    """

    __slots__ = ("descriptor", "error", "kept", "size", "whole")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.kept = bytearray()
        self.size = 0
        self.whole: int | None = None
        self.error = 0
        os.set_blocking(descriptor, False)

    def read(self, keep: Keep) -> int | None:
        """Take one chunk in; return its bytes, 0 at the end of the stream, None where nothing is there for now."""
        try:
            data = os.read(self.descriptor, CHUNK_BYTES)
        except BlockingIOError:
            return None
        self.size += len(data)
        if data and not self.error:
            try:
                self._take(data, keep)
            except OSError as error:
                self.error = error.errno or errno.EIO
        return len(data)

    def drain(self, keep: Keep) -> None:
        """Take in what was printed before the end (someone who left the session may go on printing for ever)."""
        taken = 0
        while taken < _DRAIN_BYTES_MAX and (size := self.read(keep)):
            taken += size

    def _take(self, data: bytes, keep: Keep) -> None:
        room = keep.bytes_max - len(self.kept)
        if len(data) > room and keep.whole and self.whole is None:
            self.whole = open_unlinked(keep.folder)
            _write(self.whole, self.kept)
        if self.whole is not None:
            _write(self.whole, data)
        self.kept += data[:room]


def open_unlinked(folder: str) -> int:
    """Open a new file without a name in a folder, to read and write; return its descriptor. Raises OSError."""
    place = os.open(folder, os.O_RDONLY)
    try:
        return os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600, dir_fd=place)
    except (AttributeError, OSError):  # this system, or this file system, has no files without a name
        name = f"orchestrator-{os.getpid()}"
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=place)
        os.unlink(name, dir_fd=place)
        return descriptor
    finally:
        os.close(place)


def _write(descriptor: int, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
