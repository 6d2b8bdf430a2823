"""What can be wrong with a PostgreSQL store that no parent's stream shows: stray rows, lost positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, LiteralString

from events.errors import Place, StoreDamagedError
from events.log.dropped import Covered, Dropped, checked
from events.log.sqlite_flaws import TOLD_MAX, misplaced, of_the_counter

Read = Callable[[LiteralString, Sequence[Any]], list[Any]]
"""Runs one statement that reads, and returns all its rows."""

_ROWS: Final = 10_000
_FIRST: Final = -(2**63)

_PLACES: Final = """
    SELECT position, version, EXISTS (SELECT 1 FROM parents WHERE parents.parent = events.parent)
    FROM events WHERE position > %s ORDER BY position LIMIT %s"""

_COUNTER: Final = """
    SELECT coalesce((SELECT position FROM store), 0), coalesce((SELECT max(position) FROM events), 0)"""


def flaws(read: Read, proofs: Callable[[], Iterable[Dropped]] = tuple) -> Iterator[Place]:
    """Yield what is wrong. Memory stays bounded, whatever the size of the store.

    `proofs` gives those of what was dropped, which account for the positions that are missing.
    """
    covered = Covered()
    try:
        yield from checked(proofs(), covered)
        yield from _of_positions(read, covered)
        [(counter, last)] = read(_COUNTER, ())
        yield from of_the_counter(counter, last, covered)
    except StoreDamagedError as error:
        yield Place(None, None, None, str(error))


def _of_positions(read: Read, covered: Covered) -> Iterator[Place]:
    """Find events that stand in no stream, and positions at which there is none any more.

    Positions are given out without a gap, for they are taken while nobody else writes, and not from a sequence.
    """
    position, told = _FIRST, 0
    while rows := read(_PLACES, (position, _ROWS)):
        for number, version, known in rows:
            place = misplaced(number, version, position, covered, known=known)
            if place is not None and told < TOLD_MAX:
                told += 1
                yield place
            position = number
