"""The items of `map` on standard input: all at once from a file, as they come from anything else."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader
from itertools import islice
from typing import Final

from events.errors import LimitExceededError, UsageError
from events.limits import DEFAULT_LIMITS
from orchestrator.definition import Child
from orchestrator.streams import ChildStream, StandardInput
from orchestrator.templates import split_items

WHOLE_BYTES_MAX: Final = 16_777_216
"""The largest file on standard input that is put on record whole before its first item runs."""


def items_given(items: Sequence[str] | None) -> bool:
    """Whether items were given on the command line; otherwise they come on standard input.

    Raises:
        UsageError: they would come from a terminal, where nobody types them.
    """
    if items is None and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("no items: give them after ::: or one per line on standard input")
    return items is not None


def stream_items(make: Callable[[str, int], Child], command: str, *, null: bool) -> ChildStream:
    """Return the children that `make` makes of the items on standard input, and their indexes, as they come.

    They are its lines, or, with `null`, what NUL characters end. `command` is what it puts them into.
    """
    reading = StandardInput()

    def children() -> Iterator[Child]:
        with reading:
            for index, item in enumerate(_items(reading, null=null)):
                yield make(item, index)

    return ChildStream(children, reading, command)


def whole_items(*, null: bool) -> list[str] | None:
    """Return the items of a file on standard input, so that all of them are on record from the start.

    None where it is no file, or a very large one: its items come one after the other.

    Raises:
        UsageError: it cannot be read, or holds what is no item.
        LimitExceededError: it has more items than a run can have children.
    """
    try:
        found = os.fstat(0)
    except OSError as error:
        raise UsageError(f"standard input cannot be read: {error.strerror or error}") from None
    if not stat.S_ISREG(found.st_mode) or found.st_size > WHOLE_BYTES_MAX:
        return None
    most = DEFAULT_LIMITS.children_max
    with StandardInput() as reading:
        items = list(islice(_items(reading, null=null), most + 1))
    if len(items) > most:
        raise LimitExceededError(f"standard input has more items than the limit children_max of {most:,}")
    return items


def _items(reading: StandardInput, *, null: bool) -> Iterator[str]:
    try:
        yield from split_items(BufferedReader(reading), null=null)
    except OSError as error:
        raise UsageError(f"standard input cannot be read: {error.strerror or error}") from None
