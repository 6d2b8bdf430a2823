"""Standard output and standard error: written at once, byte for byte, and safe for a terminal.

Python's own streams are passed by: they keep text back, mix badly with bytes, and speak up once more at exit when a
pipe was closed.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from io import FileIO
from itertools import islice
from typing import TYPE_CHECKING, Final
from unicodedata import category, east_asian_width

from orchestrator.cli.exits import FAILED, SIGNALLED
from orchestrator.shown_text import shown as shown

if TYPE_CHECKING:
    from typing_extensions import Buffer

_LINES_AT_ONCE: Final = 500
_BRIEF_CHARS_MAX: Final = 2_000


class OutputError(Exception):
    """Our standard output or standard error cannot be written, because its reader is gone or for another reason."""

    def __init__(self, name: str, error: OSError) -> None:
        self.closed: Final = isinstance(error, BrokenPipeError)
        super().__init__(
            f"{name} was closed" if self.closed else f"{name} cannot be written: {error.strerror or error}"
        )

    @property
    def exit_status(self) -> int:
        """What to exit with: for a closed pipe what every filter exits with that the signal ends."""
        return SIGNALLED + signal.SIGPIPE if self.closed else FAILED


class Cursor:
    """Where a terminal's cursor stands: `amid_line` where the last thing written was no line break."""

    def __init__(self) -> None:
        self.amid_line = False


class Output(FileIO):
    """One of our two streams. Errors are `OutputError`, so that nobody takes them for those of something else."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._what = name
        self.cursor = Cursor()
        self.before_write: Callable[[], None] | None = None
        """Called before anything is written."""

    def write(self, data: Buffer, /) -> int:
        """Write some of the data, at least a byte of it; return how many bytes that were."""
        view = memoryview(data)
        if view and self.before_write is not None:
            self.before_write()
        while view:
            try:
                written = super().write(view)
            except OSError as error:
                raise OutputError(self._what, error) from None
            if written:
                self.cursor.amid_line = view[written - 1] != ord("\n")
                return written
            select.select([], [self], [])  # somebody made the stream non-blocking, and it is full
        return 0

    def text(self, text: str) -> None:
        """Write text, all of it."""
        view = memoryview(text.encode(_encoding(), "backslashreplace"))
        while view:
            view = view[self.write(view) :]

    def lines(self, lines: Iterable[str]) -> None:
        """Write lines, many at a time."""
        left = iter(lines)
        while some := list(islice(left, _LINES_AT_ONCE)):
            self.text("".join(f"{line}\n" for line in some))


@cache
def standard_error() -> Output:
    """Return our standard error."""
    return Output(2, "standard error")


@cache
def standard_output() -> Output:
    """Return our standard output."""
    output = Output(1, "standard output")
    if output.isatty() and standard_error().isatty():
        output.cursor = standard_error().cursor
    return output


@cache
def null_device() -> Output:
    """Return an output that goes nowhere."""
    return Output(os.open(os.devnull, os.O_WRONLY), "the null device")


def fill_standard_streams() -> None:
    """Open the null device where one of the three standard streams is missing.

    Otherwise the next file to be opened, the store for one, would take its number and get what is printed.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one


def say(text: str) -> None:
    """Tell the person at the terminal, if there still is one, on a line of its own."""
    error = standard_error()
    with suppress(OutputError):
        if error.before_write is not None:
            error.before_write()
        error.text(f"\n{text}\n" if error.isatty() and error.cursor.amid_line else f"{text}\n")


def _encoding() -> str:
    """Return what Python writes to standard error in, unless that would turn text into something else on the way."""
    name = getattr(sys.stderr, "encoding", None) or "utf-8"
    return name if _is_plain(name) else "utf-8"


@cache
def _is_plain(encoding: str) -> bool:
    """Whether an encoding keeps ASCII as it is and never writes an escape character of its own."""
    sample = "".join(map(chr, range(32, 127)))
    try:
        return sample.encode(encoding) == sample.encode() and b"\x1b" not in "é日".encode(encoding, "replace")
    except LookupError:
        return False


def complain(text: str) -> None:
    """Say what went wrong, in one line."""
    say(f"orchestrator: error: {brief(text)}")


def brief(text: str) -> str:
    """Return text as `shown` does, and where it is very long its beginning and its end: what, and what to do."""
    safe = shown(text if len(text) <= _BRIEF_CHARS_MAX else _without_middle(text))
    return safe if len(safe) <= _BRIEF_CHARS_MAX else _without_middle(safe)


def _without_middle(text: str) -> str:
    half = _BRIEF_CHARS_MAX // 2 - 2
    return f"{text[:half]} … {text[-half:]}"


def columns(text: str) -> int:
    """Return how many columns a printable text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(each) in "WF" else category(each) not in ("Mn", "Me") for each in text)


def cut(text: str, most: int) -> str:
    """Return the text, shortened to so many columns if need be."""
    if columns(text) <= most:
        return text
    kept, used = [], 0
    for each in text:
        used += columns(each)
        if used >= most:
            break
        kept.append(each)
    return "".join(kept) + "…"


def table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]], *, line_columns: int | None) -> Iterator[str]:
    """Yield aligned lines. Cells are made safe; numbers stand to the right; the last column takes what is left.

    With `line_columns` no line gets wider than that, as far as the last column can give way.
    """
    cells = [heading, *(tuple(shown(cell) for cell in row) for row in rows)]
    widths = [max(columns(row[place]) for row in cells) for place in range(len(heading))]
    right = [len(cells) > 1 and all(_is_number(row[place]) for row in cells[1:]) for place in range(len(heading))]
    before = sum(widths[:-1]) + 2 * (len(heading) - 1)
    last = None if line_columns is None else max(12, line_columns - before)
    for row in cells:
        yield "  ".join(
            _cell(text if last is None or place < len(row) - 1 else cut(text, last), widths[place], to_right=at_right)
            for place, (text, at_right) in enumerate(zip(row, right, strict=True))
        ).rstrip()


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").isdecimal()


def _cell(text: str, width: int, *, to_right: bool) -> str:
    filling = " " * (width - columns(text))
    return filling + text if to_right else text + filling
