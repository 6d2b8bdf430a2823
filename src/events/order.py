"""The ids of a parent's children by their place: a list that only grows, of which every version knows how much is its.

Like a `Table` it stays as it was for whoever has an older version, and growing it costs next to nothing: versions share
one list. Only where two go on from the same version does the second copy it, and an empty order shares nothing: it may
be the start of many, in several threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from events.table import Table

_MAKE: Final[Any] = object.__new__
_NONE: Final[Table[int, str]] = Table()


class Order:
    """Ids by place, from 0. One thread at a time may use the versions of one order."""

    __slots__ = ("_apart", "_ids", "_length")

    def __init__(self, ids: list[str] | None = None) -> None:
        """Take over a list of the ids of places 0 and up."""
        self._ids = [] if ids is None else ids
        self._length = len(self._ids)
        self._apart = _NONE
        """Ids that do not follow on the list, by place: where only some of the children are known."""

    def opened(self) -> Order:
        """Return a new version that is the same so far, and may be changed in place by whoever opened it."""
        apart = self._apart
        if apart is not _NONE:
            apart = apart.opened()
        elif not self._length:
            return Order()
        newer: Order = _MAKE(Order)
        newer._ids, newer._length, newer._apart = self._ids, self._length, apart
        return newer

    def put(self, place: int, child_id: str) -> None:
        """Say in place who is at a place where nobody was."""
        length = self._length
        if place != length:
            if self._apart is _NONE:
                self._apart = Table()
            self._apart.put(place, child_id)
            return
        if len(self._ids) != length:  # another version went on from here
            self._ids = self._ids[:length]
        self._ids.append(child_id)
        self._length = length + 1

    def __getitem__(self, place: int) -> str:
        """Return who is at a place. Raises KeyError where nobody is known to be."""
        return self._ids[place] if 0 <= place < self._length else self._apart[place]

    def __len__(self) -> int:
        return self._length + len(self._apart)

    def items(self) -> Iterator[tuple[int, str]]:
        """Iterate over places and ids as they are in this version; those that stand apart come last."""
        for place in range(self._length):
            yield place, self._ids[place]
        yield from self._apart.items()
