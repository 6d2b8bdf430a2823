"""What can be wrong with an SQLite store that no parent's stream shows: the file itself, stray rows, lost positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from events.errors import Place, StoreDamagedError
from events.log.dropped import Covered, Dropped, checked

Read = Callable[[str, Sequence[Any]], list[Any]]
"""Runs one statement that reads, and returns all its rows."""

_ROWS: Final = 10_000
_FIRST: Final = -(2**63)
TOLD_MAX: Final = 10
"""How many flaws of one kind are told one by one."""

_INTEGRITY: Final = f"PRAGMA integrity_check({TOLD_MAX})"

_PLACES: Final = """
    SELECT position, version, EXISTS (SELECT 1 FROM parents WHERE parents.parent = events.parent)
    FROM events NOT INDEXED WHERE position > ? ORDER BY position LIMIT ?"""

_COUNTER: Final = """
    SELECT coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = 'events'), 0),
      coalesce((SELECT max(position) FROM events NOT INDEXED), 0)"""


def flaws(read: Read, proofs: Callable[[], Iterable[Dropped]] = tuple) -> Iterator[Place]:
    """Yield what is wrong. Memory stays bounded, whatever the size of the store.

    `proofs` gives those of what was dropped, which account for the positions that are missing.
    """
    yield from _of_the_file(read)
    covered = Covered()
    try:
        yield from checked(proofs(), covered)
        yield from _of_positions(read, covered)
        [(counter, last)] = read(_COUNTER, ())
        yield from of_the_counter(counter, last, covered)
    except StoreDamagedError as error:
        yield _place(str(error))


def _of_the_file(read: Read) -> Iterator[Place]:
    """Let SQLite check its pages, and that tables and indexes say the same."""
    try:
        for (text,) in read(_INTEGRITY, ()):
            if text != "ok":
                yield _place(f"SQLite finds its file damaged: {' '.join(str(text).split())}")
    except StoreDamagedError as error:
        yield _place(str(error))


def _of_positions(read: Read, covered: Covered) -> Iterator[Place]:
    """Find events that stand in no stream, and positions at which there is none any more.

    Positions are given out without a gap: a transaction that is given up gives back what it took.
    """
    position, told = _FIRST, 0
    while rows := read(_PLACES, (position, _ROWS)):
        for number, version, known in rows:
            if number <= position:
                yield _place(f"its events are out of order: position {number} comes after position {position}")
                return
            place = misplaced(number, version, position, covered, known=known)
            if place is not None and told < TOLD_MAX:
                told += 1
                yield place
            position = number


def misplaced(position: int, version: object, before: int, covered: Covered, *, known: int) -> Place | None:
    """Return what is wrong with the place of an event; `before` is the position of the event before it.

    What was dropped accounts for the positions that are `covered`.
    """
    if not known:
        return Place(None, None, position, "it belongs to no run")
    if type(version) is not int or version < 1:
        return Place(None, None, position, f"its version is {version!r}, so no stream shows it")
    before = max(before, 0)
    if position < 1:
        return Place(None, None, position, "positions begin with 1")
    if covered.meets(position):
        return Place(None, None, position, "it is among those that were dropped, and yet there")
    if position != before + 1 and not covered.holds(before + 1, position - 1):
        missing = f"position {before + 1}" if position == before + 2 else f"positions {before + 1} to {position - 1}"
        return Place(None, None, position, f"{missing} before it: deleted")
    return None


def of_the_counter(counter: object, last: object, covered: Covered) -> Iterator[Place]:
    """Compare the last position with the last one that was given out, as `counter` says."""
    if type(counter) is int and type(last) is int and counter > last:
        if covered.holds(last + 1, counter):
            return
        missing = f"position {counter}" if counter == last + 1 else f"positions {last + 1} to {counter}"
        yield _place(f"{missing} at the end: deleted")
    elif counter != last:
        yield _place(f"its counter of positions is at {counter!r}, its last position is {last}")


def _place(problem: str) -> Place:
    return Place(None, None, None, problem)
