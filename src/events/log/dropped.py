"""What stays of a parent that was archived and dropped: the proof of what it was, and of where it stood in the log.

The proofs of a store are chained, in the order in which they were made. Each one's link is

    SHA-256(  02                        one byte
              previous link             32 bytes; zeros for the first
              length of the parent's id 4 bytes, big-endian; then the id itself in UTF-8
              count, version            8 bytes each, big-endian: of its events, of the last one
              hash                      32 bytes: the last event's
              length of the positions   4 bytes, big-endian; then they themselves, as JSON: [[first, last], ...]
              at                        8 bytes, big-endian: when it was dropped, in microseconds since 1970
              archive                   32 bytes: the SHA-256 of the archive that has it  )
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from events.errors import Place, UsageError
from events.log.record import Head

START: Final = bytes(32)
"""The previous link of the first proof."""

DERIVED: Final[dict[str, str]] = {
    "snapshots": "DELETE FROM snapshots WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?)",
    "projection_faults": "DELETE FROM projection_faults WHERE run_id = ?",
}
"""What further tables, which may be there or not, hold of a parent: by their names, the statement that deletes it. It
has one parameter, the parent's id, and runs while the parent is still there."""

_VIEWS: Final = ("children", "attempts", "workers", "errors")
"""Tables of views whose rows belong to a row of `view_runs`."""


def deletions(tables: Collection[str]) -> Iterator[str]:
    """Yield the statements that delete what the further tables of a store, which has these tables, hold of a parent."""
    yield from (statement for table, statement in DERIVED.items() if table in tables)
    for stage in ("", "_next"):
        runs = f"view_runs{stage}"
        if runs in tables:
            for name in (f"view_{each}{stage}" for each in _VIEWS):
                if name in tables:
                    yield f"DELETE FROM {name} WHERE run IN (SELECT run FROM {runs} WHERE id = ?)"  # noqa: S608 - ours
            yield f"DELETE FROM {runs} WHERE id = ?"  # noqa: S608 - ours


class Dropped(NamedTuple):
    """The proof of one parent."""

    parent_id: str
    head: Head
    """What the head of its stream was."""
    positions: str
    """Where its events stood: JSON, the first and the last position of each range."""
    at: int
    archive: bytes
    link: bytes = b""

    def linked(self, previous: bytes) -> Dropped:
        """Return the proof with its link, which follows on another one."""
        name, positions = self.parent_id.encode(), self.positions.encode()
        parts = (
            b"\x02",
            previous,
            len(name).to_bytes(4, "big") + name,
            self.head.count.to_bytes(8, "big") + self.head.version.to_bytes(8, "big") + self.head.hash,
            len(positions).to_bytes(4, "big") + positions,
            self.at.to_bytes(8, "big") + self.archive,
        )
        return self._replace(link=sha256(b"".join(parts)).digest())

    @property
    def last(self) -> int:
        """The last of its positions; 0 where they are nonsense."""
        try:
            return max((last for _, last in self.ranges()), default=0)
        except (ValueError, TypeError, RecursionError):
            return 0

    def ranges(self) -> list[tuple[int, int]]:
        """Return where its events stood. Raises ValueError where that is nonsense."""
        found = json.loads(self.positions)
        made = [(first, last) for first, last in found]
        if not all(type(first) is int and type(last) is int and 0 < first <= last for first, last in made):
            raise ValueError("positions are whole numbers")
        if sum(last - first + 1 for first, last in made) != self.head.count:
            raise ValueError("it has more positions than events, or fewer")
        return made


class Gone(NamedTuple):
    """A parent that is to be dropped: what its head must be, and where its events stand."""

    parent_id: str
    head: Head
    positions: str


class DroppedStore:
    """The part of a recorder that drops parents and keeps the proofs. This one drops none. For any thread."""

    location: str
    _dropped_upto: int | None = None
    """The last position of all that was dropped, as far as is known; None: nobody has looked yet."""

    def dropped_upto(self) -> int:
        """Return the last position of all that was dropped, 0 where nothing was. It is looked up once, and after drops.

        So the last position of a log does not go back where its latest events were dropped.
        """
        if self._dropped_upto is None:
            self._dropped_upto = max((proof.last for proof in self.all_dropped()), default=0)
        return self._dropped_upto

    def dropped(self, parent_id: str) -> Dropped | None:
        """Return the proof of a parent that was dropped; None where it was not."""
        return next((proof for proof in self.all_dropped() if proof.parent_id == parent_id), None)

    def all_dropped(self) -> Iterator[Dropped]:
        """Yield all proofs, in the order in which they were made."""
        yield from ()

    def drop(self, parents: Sequence[Gone], at: int, archive: bytes) -> bool:
        """Drop parents, with what further tables hold of them, and keep the proofs, all in one transaction.

        Return whether that was done: not where one of them is not what it was when it was archived.

        Raises:
            StoreError: it was not done, unless the answer was lost: doing it again is safe.
        """
        raise UsageError(
            f"{self.location}: nothing is dropped from this store ({len(parents)} runs, {at}, {archive!r})"
        )

    def scrub(self) -> None:
        """Leave no copy of what was dropped in the store's own files. Raises StoreBusyError where somebody reads it."""


class Covered:
    """Positions that proofs account for, as few ranges as there can be."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def add(self, first: int, last: int) -> bool:
        """Take a range; whether none of it was there before."""
        at = bisect_left(self._firsts, first)
        fresh = (at == 0 or self._lasts[at - 1] < first) and (at == len(self._firsts) or self._firsts[at] > last)
        while at > 0 and self._lasts[at - 1] >= first - 1:
            at -= 1
            first, last = min(first, self._firsts[at]), max(last, self._lasts.pop(at))
            self._firsts.pop(at)
        while at < len(self._firsts) and self._firsts[at] <= last + 1:
            last = max(last, self._lasts.pop(at))
            self._firsts.pop(at)
        self._firsts.insert(at, first)
        self._lasts.insert(at, last)
        return fresh

    def holds(self, first: int, last: int) -> bool:
        """Whether all of a range is accounted for."""
        at = bisect_left(self._firsts, first + 1)
        return at > 0 and self._lasts[at - 1] >= last

    def meets(self, position: int) -> bool:
        """Whether a position is accounted for."""
        return self.holds(position, position)


def checked(proofs: Iterable[Dropped], covered: Covered) -> Iterator[Place]:
    """Yield what is wrong with proofs, and note which positions they account for."""
    previous = START
    for proof in proofs:
        try:
            sound = proof.linked(previous).link == proof.link
            fresh = sum(not covered.add(first, last) for first, last in proof.ranges()) == 0
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            sound = fresh = False
        if not sound or not fresh:
            name = proof.parent_id if isinstance(proof.parent_id, str) else repr(proof.parent_id)
            yield Place(name, None, None, "the proof of what was dropped was altered, moved, or follows on a lost one")
        previous = proof.link if isinstance(proof.link, bytes) else START
