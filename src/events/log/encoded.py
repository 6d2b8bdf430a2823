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

    __slots__ = ("_encode_all", "_facts")

    def __init__(self, facts: Sequence[Fact], encode_all: Callable[[Sequence[Fact]], list[Row]]) -> None:
        """Encode facts by a function that gives the same bytes for the same fact every time."""
        self._facts = facts
        self._encode_all = encode_all

    def __len__(self) -> int:
        return len(self._facts)

    def __iter__(self) -> Iterator[Row]:
        facts = iter(self._facts)
        while some := list(islice(facts, _STRETCH)):
            yield from self._encode_all(some)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        """Return one of the rows, or some of them."""
        if isinstance(place, int):
            return self._encode_all([self._facts[place]])[0]
        return self._encode_all(self._facts[place])
