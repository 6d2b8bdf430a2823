"""Whether somebody else appends to an SQLite store, as told from the positions of what we append ourselves.

SQLite only says that another connection has committed. That may be one of our own, which writes views and snapshots.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from events.log.record import Verdict, Written
from events.log.sqlite_connection import Connection

_LAST: Final = "SELECT coalesce(max(position), 0) FROM events"


class OthersAppends:
    """What is known of them. For whoever holds the one place from which this process writes."""

    def __init__(self) -> None:
        self._last: int | None = None
        """The last position that we know of; None where we have not looked yet."""
        self._found = False
        """Whether an append of ours had another one before it that we did not know of."""

    def note_own(self, verdicts: Sequence[Verdict]) -> None:
        """Take note of an append of ours."""
        written = [verdict.positions for verdict in verdicts if isinstance(verdict, Written)]
        if written:
            self._found = self._found or self._last is None or written[0].start != self._last + 1
            self._last = written[-1].stop - 1

    def note_none(self) -> None:
        """Take note that no other connection has committed since the last look."""
        self._found = False

    def look(self, connection: Connection) -> bool:
        """Return whether somebody else has appended since the last look. It may say yes needlessly."""
        last = int(connection.number(_LAST))
        found, self._found = self._found or last != self._last, False
        self._last = last
        return found
