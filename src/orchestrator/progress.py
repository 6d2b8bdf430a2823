"""What running children say of how far they are, kept up to date from the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from events.facts import ChildProgressed
from events.log.reading import decoded
from events.log.recorder import LAST
from events.log.store import EventLog
from events.sketch import TOLD_NAMES

_FACTS_MAX: Final = 2_000
"""How many facts are read at a time, the latest ones. An attempt that lives tells of itself every second or so."""


class Progress:
    """How far the running children of a parent are, as far as they said so. For one thread."""

    def __init__(self, log: EventLog, parent_id: str) -> None:
        self._log = log
        self._parent_id = parent_id
        self._version = 0
        self._said: dict[str, tuple[int, ChildProgressed]] = {}
        """What was said last, and the version that it stands at, by child."""

    def look(self, upto_position: int = LAST) -> Mapping[str, ChildProgressed]:
        """Return what running children said last, by child, in the order in which they said it.

        Raises:
            StoreError: the log cannot be read.
        """
        log, recorder, parent_id = self._log, self._log.recorder, self._parent_id
        head = recorder.head(parent_id)
        latest: dict[str, tuple[int, ChildProgressed]] = {}
        for row in recorder.stream(
            parent_id,
            after_version=self._version,
            upto_position=upto_position,
            types=("ChildProgressed",),
            descending=True,
            limit=_FACTS_MAX,
        ):
            fact = decoded(row, log.catalogue, log.location)
            if isinstance(fact, ChildProgressed):
                latest.setdefault(fact.child_id, (row.version, fact))
        for child_id in reversed(latest):
            self._said.pop(child_id, None)
            self._said[child_id] = latest[child_id]
        if self._said:
            self._forget_ended(upto_position)
        self._version = 0 if head is None else head.version
        return {child_id: fact for child_id, (_, fact) in self._said.items()}

    def _forget_ended(self, upto_position: int) -> None:
        """Drop what attempts had said that are over."""
        after = self._version or min(version for version, _ in self._said.values())
        for row in self._log.recorder.rows(
            self._parent_id, after_version=after, upto_position=upto_position, types=tuple(TOLD_NAMES)
        ):
            child_id = getattr(decoded(row, self._log.catalogue, self._log.location), "child_id", "")
            if child_id in self._said and self._said[child_id][0] < row.version:
                del self._said[child_id]


def part_of(said: Mapping[str, ChildProgressed]) -> float:
    """Return how many children's worth of work is done by those that have not ended."""
    return sum(fact.progress or 0.0 for fact in said.values())
