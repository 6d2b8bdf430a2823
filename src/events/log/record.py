"""The shapes in which events enter and leave the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from events.catalogue import type_name
from events.facts import Fact


class Recorded(NamedTuple):
    """A fact on record, and where it stands. In the eventsourcing library's terms: a domain event."""

    originator_id: str
    originator_version: int
    fact: Fact
    position: int = 0
    hash: bytes = b""

    @property
    def parent_id(self) -> str:
        """The parent in whose stream it stands."""
        return self.originator_id

    @property
    def version(self) -> int:
        """Its place in that stream: 1, 2, 3 ..."""
        return self.originator_version

    @property
    def type(self) -> str:
        """Its stored name."""
        return type_name(self.fact)


@dataclass(frozen=True, slots=True)
class Head:
    """What the store says of a whole stream: how many events, the last one's version, the last one's hash."""

    count: int
    version: int
    hash: bytes

    @property
    def is_sound(self) -> bool:
        """Whether its values are of the kinds that are ever written; SQLite keeps what it is given."""
        return type(self.count) is int and type(self.version) is int and type(self.hash) is bytes


class Row(NamedTuple):
    """An event as it is stored."""

    position: int
    parent_id: str
    version: int
    type: str
    data: bytes
    hash: bytes


class StoredSnapshot(NamedTuple):
    """What one event's stream added up to, as it is stored beside the events. Its body is fetched by itself.

    Nothing in it is believed: see `events.log.snapshots`.
    """

    parent_id: str
    version: int
    """Of the last event that is in it."""
    position: int
    """That event's place in the whole log."""
    at: int
    """The latest time of all events that are in it, in microseconds since 1970."""
    hash: bytes
    """That of its last event."""
    code: str
    """What tells which code made it."""
    digest: bytes
    """A SHA-256 over everything else of it, and over its body."""
    body_bytes: int
    """How long its body is."""


class Batch(NamedTuple):
    """Rows (stored name, data) for one stream, to be written all or none.

    `expected_version` is the version of the stream's last event, 0 where there is no such stream yet. (With -1 there
    must be none, and its first version will be 0: eventsourcing's own test suites count so.)
    """

    parent_id: str
    expected_version: int
    rows: Sequence[tuple[str, bytes]]

    def fits(self, head: Head | None) -> bool:
        """Whether the stream stands where this batch expects it."""
        if head is None:
            return self.expected_version in {0, -1}
        return self.expected_version == head.version and head.is_sound


class Written(NamedTuple):
    """A batch is on disk, at these positions; the stream's head is now this one."""

    positions: range
    head: Head


class Conflict(NamedTuple):
    """A batch was not written, for the stream stands elsewhere: `head` is what is really there."""

    head: Head | None


Verdict = Written | Conflict
