"""Facts that make many children known, or release them: each is made when it is looked at, and is nobody's to keep.

A run may be made of a million children at once. Its facts would take more room than all that is kept of it. They are
looked at when the state follows them, when they are put on record, and when views follow; where children have clocks or
limits of their own, once more.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Final, overload

from events.child_specs import ChildSpec, fields_of
from events.facts import ChildCreated, ChildPrepared, Fact


class Made(Sequence[Fact]):
    """Facts in order that are made when they are looked at."""

    __slots__ = ()

    @abstractmethod
    def _between(self, start: int, stop: int) -> Iterator[Fact]:
        """Make those from one place up to another."""

    def __iter__(self) -> Iterator[Fact]:
        return self._between(0, len(self))

    @overload
    def __getitem__(self, place: int) -> Fact: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Fact]: ...
    def __getitem__(self, place: int | slice) -> Fact | Sequence[Fact]:
        """Return one of the facts, or some of them."""
        places = range(len(self))[place]
        if isinstance(places, int):
            return next(self._between(places, places + 1))
        if places.step != 1:
            return [self[each] for each in places]
        return list(self._between(places.start, places.stop))


class Making(Made):
    """Facts of one kind and one time, one for each of many children."""

    __slots__ = ("at",)

    specs: Sequence[ChildSpec] = ()
    """What the children are to do that become known."""

    def __init__(self, at: int) -> None:
        self.at: Final = at
        """When all of them happened, in microseconds since 1970."""


class Preparing(Making):
    """`ChildPrepared` of children that follow one another, the first of which has an index."""

    __slots__ = ("_first", "specs")

    def __init__(self, at: int, first: int, specs: Sequence[ChildSpec]) -> None:
        super().__init__(at)
        self._first = first
        self.specs = specs

    def __len__(self) -> int:
        return len(self.specs)

    def _between(self, start: int, stop: int) -> Iterator[Fact]:
        at, sure = self.at, ChildPrepared.sure
        for index, (child_id, task, text, limits, file) in enumerate(
            fields_of(self.specs, start, stop), self._first + start
        ):
            yield sure(
                {
                    "at": at,
                    "child_id": child_id,
                    "index": index,
                    "task": task,
                    "input": text,
                    "limits": limits,
                    "input_file": file,
                }
            )


class Creating(Making):
    """`ChildCreated` of children."""

    __slots__ = ("_ids",)

    def __init__(self, at: int, ids: Sequence[str]) -> None:
        super().__init__(at)
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    def _between(self, start: int, stop: int) -> Iterator[Fact]:
        at, ids, sure = self.at, self._ids, ChildCreated.sure
        for place in range(start, stop):
            yield sure({"at": at, "child_id": ids[place]})
