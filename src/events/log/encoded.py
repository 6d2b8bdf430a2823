"""The rows of many facts, each of which is encoded when it is asked for, and is nobody's to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final, overload

from events.facts import Fact

Row = tuple[str, bytes]
"""Stored name and stored bytes."""

_STRETCH: Final = 256
"""So many facts are encoded together."""


class EncodedRows(Sequence[Row]):
    """Rows in order of their facts, the same ones however often they are asked for."""

    __slots__ = ("_encode_all", "_facts", "_size")

    def __init__(self, facts: Sequence[Fact], encode_all: Callable[[Sequence[Fact]], list[Row]]) -> None:
        """Encode facts by a function that gives the same bytes for the same fact every time."""
        self._facts = facts
        self._encode_all = encode_all
        self._size: int | None = None

    def __len__(self) -> int:
        return len(self._facts)

    def __iter__(self) -> Iterator[Row]:
        facts, size = iter(self._facts), 0
        while some := list(islice(facts, _STRETCH)):
            rows = self._encode_all(some)
            size += sum([len(data) for _, data in rows])
            yield from rows
        self._size = size

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        """Return one of the rows, or some of them."""
        if isinstance(place, int):
            return self._encode_all([self._facts[place]])[0]
        return self._encode_all(self._facts[place])

    @property
    def size(self) -> int:
        """How many bytes are stored of all rows together. Whoever has gone through them has found that out."""
        return sum(len(data) for _, data in self) if self._size is None else self._size


def size_of(rows: Sequence[Row]) -> int:
    """Return how many bytes are stored of rows."""
    return rows.size if isinstance(rows, EncodedRows) else sum([len(data) for _, data in rows])
