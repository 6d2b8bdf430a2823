"""Outputs of commands that wait to be shown: the first few as they are, the others copied into one file."""

from __future__ import annotations

import errno
import os
from io import FileIO
from tempfile import gettempdir
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from actors.executors.captured import CapturedOutput
from actors.executors.command_streams import open_unlinked
from actors.hearing import EndedChild
from orchestrator.cli.terminal import Output, OutputError

if TYPE_CHECKING:
    from typing_extensions import Buffer

OPEN_MAX: Final = 64
"""So many outputs wait as they are. While very many are open no command is started, and the one that they all wait for
might be among those."""
_CHUNK_BYTES: Final = 1_048_576
_NAME: Final = "the file of outputs that wait for their turn"


class Raw(Protocol):
    """What one command printed. Whoever was handed it closes it."""

    def copy_to(self, stdout: BinaryIO, stderr: BinaryIO) -> None:
        """Write everything that was printed, byte for byte. Raises OSError where it could not be had."""

    def close(self) -> None:
        """Give back what it holds."""


def raw_of(child: EndedChild) -> CapturedOutput | None:
    """Return what a child printed, None where that is nothing."""
    raw = None if child.ending is None else child.ending.raw
    return raw if isinstance(raw, CapturedOutput) else None


class Spool:
    """Keeps outputs until they are shown. The file has no name, and is given up whenever all in it was shown."""

    def __init__(self) -> None:
        self._file: FileIO | None = None
        self._open = 0
        self._copied = 0

    def keep(self, raw: Raw) -> Raw:
        """Take an output over; return the same, to be shown at any later time.

        Raises:
            OutputError: there is no room for it. The output is closed.
        """
        if self._open < OPEN_MAX:
            self._open += 1
            return _Open(self, raw)
        try:
            copied = self._copy(raw)
        except OSError:
            return raw  # it could not be had whole, which is said when it is its turn
        except OutputError:
            raw.close()
            raise
        raw.close()
        return copied

    def _copy(self, raw: Raw) -> Raw:
        try:
            if self._file is None:
                self._file = FileIO(open_unlinked(gettempdir()), "rb+")
            file = self._file
            begin = file.seek(0, os.SEEK_END)
        except OSError as error:
            raise OutputError(_NAME, error) from None
        stdout, stderr = _Pen(file), _Pen(file)
        raw.copy_to(stdout, stderr)  # the one whole, then the other
        self._copied += 1
        return _Copied(self, file, begin, stdout.size, stderr.size)

    def note_open_closed(self) -> None:
        """Note that one that was kept as it is has been shown."""
        self._open -= 1

    def note_copied_closed(self) -> None:
        """Note that one of the file has been shown."""
        self._copied -= 1
        if not self._copied and self._file is not None:
            self._file.close()
            self._file = None


class _Open:
    """An output that waits as it is."""

    def __init__(self, spool: Spool, raw: Raw) -> None:
        self._spool = spool
        self._raw: Raw | None = raw

    def copy_to(self, stdout: BinaryIO, stderr: BinaryIO) -> None:
        if self._raw is not None:
            self._raw.copy_to(stdout, stderr)

    def close(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.close()
            self._spool.note_open_closed()


class _Copied:
    """An output in the file: standard output from `begin` on, standard error behind it; sizes in bytes."""

    def __init__(self, spool: Spool, file: BinaryIO, begin: int, stdout_bytes: int, stderr_bytes: int) -> None:
        self._spool: Spool | None = spool
        self._file = file
        self._begin = begin
        self._sizes = (stdout_bytes, stderr_bytes)

    def copy_to(self, stdout: BinaryIO, stderr: BinaryIO) -> None:
        self._file.seek(self._begin)
        for size, target in zip(self._sizes, (stdout, stderr), strict=True):
            left = size
            while left:
                chunk = self._file.read(min(left, _CHUNK_BYTES))
                if not chunk:
                    raise OSError(errno.EIO, "what waited for its turn is gone")
                left -= len(chunk)
                view = memoryview(chunk)
                while view:
                    view = view[target.write(view) :]

    def close(self) -> None:
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.note_copied_closed()


class _Pen(Output):
    """Writes into the file and counts the bytes. Its errors are not those of what is copied."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file.fileno(), _NAME)
        self.size = 0

    def write(self, data: Buffer, /) -> int:
        written = super().write(data)
        self.size += written
        return written
