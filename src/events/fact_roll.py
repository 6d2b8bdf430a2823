"""The facts of a turn that makes many children, in order: those that make them are not kept.

Elsewhere the facts of a turn are a list. Whoever has no use for those that only make children passes over them with
`apart`, in no time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from events.child_specs import ChildSpec, fields_of
from events.facts import ChildPrepared, Fact
from events.making import Made, Making


class FactRoll(Made):
    """Facts in order. It grows, and is cut, at its end."""

    __slots__ = ("_parts",)

    def __init__(self, facts: list[Fact]) -> None:
        """Take over a list of facts, and go on from there."""
        self._parts: Final[list[list[Fact] | Making]] = [facts]

    @property
    def apart(self) -> Iterator[Fact]:
        """The facts that do not belong to a `Making`."""
        return chain.from_iterable(part for part in self._parts if isinstance(part, list))

    @property
    def makings(self) -> Sequence[Making]:
        """Those that do, in order."""
        return [part for part in self._parts if isinstance(part, Making)]

    @property
    def input_chars(self) -> int:
        """How long the inputs are together, in characters, of the children that become known by its makings."""
        return sum(sum([len(text) for _, _, text, _, _ in fields_of(making.specs)]) for making in self.makings)

    def append(self, fact: Fact) -> None:
        """Add one fact."""
        last = self._parts[-1]
        if isinstance(last, list):
            last.append(fact)
        else:
            self._parts.append([fact])

    def extend(self, facts: Iterable[Fact]) -> None:
        """Add many facts; a `Making` is kept as it is."""
        if isinstance(facts, Making):
            self._parts.append(facts)
        else:
            self._parts.append(list(facts))

    def cut(self, length: int) -> None:
        """Keep only the first facts, so many of them."""
        left = length
        for number, part in enumerate(self._parts):
            if left < len(part):
                self._parts[number] = list(part[:left])
                del self._parts[number + 1 :]
                return
            left -= len(part)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[Fact]:
        return chain.from_iterable(self._parts)

    def part(self, start: int, stop: int) -> Part:
        """Return the facts from one place up to another, to be made when they are looked at."""
        return Part(self, start, min(stop, len(self)))

    def _between(self, start: int, stop: int) -> Iterator[Fact]:
        for part in self._parts:
            if start < len(part) and stop > 0:
                yield from part[max(0, start) : stop]
            start, stop = start - len(part), stop - len(part)


class Part(Made):
    """Some facts of a roll that follow one another. It keeps none of them, but the roll."""

    __slots__ = ("_roll", "_start", "_stop")

    def __init__(self, roll: FactRoll, start: int, stop: int) -> None:
        self._roll = roll
        self._start = start
        self._stop = stop

    def __len__(self) -> int:
        return self._stop - self._start

    def _between(self, start: int, stop: int) -> Iterator[Fact]:
        return iter(self._roll[self._start + start : self._start + stop])


Facts = list[Fact] | FactRoll
"""What a turn gathers."""


def apart(facts: Iterable[Fact]) -> Iterable[Fact]:
    """Return facts, but for those of a roll that only make children."""
    return facts.apart if isinstance(facts, FactRoll) else facts


def work_in(facts: Iterable[Fact]) -> Iterator[ChildPrepared | ChildSpec]:
    """Yield what the children are to do that become known by facts."""
    for fact in apart(facts):
        if type(fact) is ChildPrepared:
            yield fact
    for making in facts.makings if isinstance(facts, FactRoll) else ():
        yield from making.specs


def latest(facts: Iterable[Fact]) -> int:
    """Return the latest time of facts; 0 where there are none."""
    makings = facts.makings if isinstance(facts, FactRoll) else ()
    return max(
        max([fact.at for fact in apart(facts)], default=0), max([making.at for making in makings if making], default=0)
    )
