"""The items of `map` on standard input, one a line, as they come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader

from events.errors import UsageError
from orchestrator.definition import Child
from orchestrator.streams import ChildStream, StandardInput
from orchestrator.templates import split_items


def items_given(items: Sequence[str] | None) -> bool:
    """Whether items were given on the command line; otherwise they come on standard input.

    Raises:
        UsageError: they would come from a terminal, where nobody types them.
    """
    if items is None and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("no items: give them after ::: or one per line on standard input")
    return items is not None


def stream_items(make: Callable[[str, int], Child]) -> ChildStream:
    """Return the children that `make` makes of the lines of standard input, and their indexes, as they come."""
    reading = StandardInput()

    def children() -> Iterator[Child]:
        with reading:
            for index, item in enumerate(_items(reading)):
                yield make(item, index)

    return ChildStream(children, reading)


def _items(reading: StandardInput) -> Iterator[str]:
    try:
        yield from split_items(BufferedReader(reading))
    except OSError as error:
        raise UsageError(f"standard input cannot be read: {error.strerror or error}") from None
