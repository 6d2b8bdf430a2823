"""What an audit finds, and how further checks are handed to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from events.errors import Place, StoreDamagedError, StoreVersionError
from events.log.store import EventLog


class Finding(NamedTuple):
    """What is wrong, and where."""

    id: str | None
    """The parent; None where it is the store as a whole."""
    version: int | None
    """The first bad event's place in its parent's stream, where there is one."""
    position: int | None
    """Its place in the whole log, where that is known."""
    problem: str
    invariant: str | None = None
    """The invariant that is broken, by name (see `events.invariants.INVARIANTS`); None where the record was altered."""

    def __str__(self) -> str:
        return str(Place(self.id, self.version, self.position, self.problem))


Check = Callable[[EventLog, str | None], Iterator[Finding]]
"""A further check of an audit. It is called with the id of each parent whose record was found to be sound, and with
None, once, for what belongs to no parent; it yields what is wrong. What it raises ends the audit, but for a
StoreDamagedError or StoreVersionError, which is a finding."""


def damage(parent_id: str | None, error: StoreDamagedError | StoreVersionError) -> Finding:
    """Return the finding that an error stands for."""
    name = parent_id if parent_id is None or isinstance(parent_id, str) else repr(parent_id)  # it may be bytes
    if error.place is None:
        return Finding(name, None, None, str(error))
    return Finding(name, error.place.version, error.place.position, error.place.problem)
