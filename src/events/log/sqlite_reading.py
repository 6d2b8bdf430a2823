"""What is asked of an SQLite store: each question is one statement, or a few."""

from __future__ import annotations

import json
import sqlite3
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from events.errors import Place, StoreDamagedError, UsageError
from events.log import sqlite_flaws, sqlite_seals
from events.log import sqlite_statements as statements
from events.log.record import Head, Row
from events.log.recorder import LAST, Recorder
from events.log.seals import RunSeal, SealTotals
from events.log.sqlite_look import HEAD, STREAM, some_rows, sound_head

_MAKE: Final = tuple.__new__
"""Makes a row in half of the time that its class takes."""


class SQLiteReading(Recorder):
    """The half of the SQLite recorder that reads."""

    def head(self, parent_id: str) -> Head | None:
        """Return the head of a parent's stream; None where there is no such parent."""
        return sound_head(self._read(HEAD, (parent_id,)), parent_id, self.location)

    def parents(self, after: str | None = None, limit: int | None = None) -> list[tuple[str, Head]]:
        """Return parents and their heads in order of creation, those after the parent `after`."""
        key = statements.FIRST_KEY
        if after is not None:
            found = self._read("SELECT parent FROM parents WHERE parent_id = ?", (after,))
            if not found:
                raise UsageError(f"there is no run {after!r} to go on after")
            [(key,)] = found
        rows = self._read(statements.PARENTS, (key, LAST if limit is None else limit))
        return [(parent_id, Head(count, version, digest)) for parent_id, count, version, digest in rows]

    def ids(self) -> Iterator[str]:
        """Yield the ids of all parents in order of creation, in bounded memory; before a damaged place all of them."""
        key, limit = statements.FIRST_KEY, statements.IDS
        while True:
            try:
                found = self._read(
                    "SELECT parent, parent_id FROM parents WHERE parent > ? ORDER BY parent LIMIT ?", (key, limit)
                )
            except StoreDamagedError:
                if limit == 1:
                    raise
                limit = 1
                continue
            for number, parent_id in found:
                if number <= key:
                    raise StoreDamagedError(f"{self.location}: its runs are out of order")
                key = number
                yield parent_id
            if len(found) < limit:
                return

    def stream(
        self,
        parent_id: str,
        *,
        after_version: int = 0,
        upto_version: int = LAST,
        upto_position: int = LAST,
        types: Sequence[str] = (),
        descending: bool = False,
        limit: int = LAST,
    ) -> list[Row]:
        """Return one stream's rows in order of version; all of those types where types are named."""
        statement = statements.STREAM_OF_TYPES if types else STREAM
        if descending:
            statement = statement.replace("ORDER BY version", "ORDER BY version DESC")
        values: list[Any] = [parent_id, after_version, upto_version, upto_position]
        if types:
            values.append(json.dumps(list(types)))
        found = self._read(statement, (*values, limit))
        return _rows(parent_id, found)

    def _some(
        self, parent_id: str, after_version: int, upto_position: int, types: Sequence[str], limit: int
    ) -> list[Row]:
        values: list[Any] = [
            parent_id,
            after_version,
            LAST,
            upto_position,
            *([json.dumps(list(types))] if types else []),
        ]
        found = self._read(statements.STREAM_OF_TYPES if types else STREAM, (*values, limit), some_rows)
        return _rows(parent_id, found)

    def picked(self, parent_id: str, versions: Sequence[int]) -> list[Row]:
        """Return those of one stream's rows that have these versions, as far as there are any, in order of version."""
        return _rows(parent_id, self._read(statements.PICKED, (parent_id, json.dumps(list(versions)))))

    def tally(self, parent_id: str, upto_position: int) -> dict[str, int]:
        """Return how many rows of each type one stream has, up to a position."""
        return dict(self._read(statements.TALLY, (parent_id, upto_position)))

    def holding(self, parent_id: str, text: bytes, upto_position: int, types: Sequence[str] = ()) -> list[Row]:
        """Return those of one stream's rows, of those types if any, up to a position, whose data hold a text."""
        found = self._read(statements.HOLDING, (parent_id, upto_position, not types, json.dumps(list(types)), text))
        return _rows(parent_id, found)

    def page(
        self, after_position: int, *, upto_position: int = LAST, types: Sequence[str] = (), limit: int = 1000
    ) -> list[Row]:
        """Return the rows of all streams after a position, in order of position."""
        if types:
            values = (after_position, upto_position, json.dumps(list(types)), limit)
            found = self._read(statements.PAGE_OF_TYPES, values)
        else:
            found = self._read(statements.PAGE, (after_position, upto_position, limit))
        rows = [_MAKE(Row, each) for each in found]
        for row in rows:
            if row.parent_id is None:
                raise StoreDamagedError.at(self.location, Place(None, None, row.position, "it belongs to no run"))
        return rows

    def last_position(self) -> int:
        """Return the position of the last event of all, 0 where there is none."""
        position: int
        [(position,)] = self._read("SELECT coalesce(max(position), 0) FROM events", ())
        return max(position, self.dropped_upto()) if type(position) is int else position

    def changed_parents(self, after_position: int) -> tuple[int, list[str]]:
        """Return the last position and the parents that have events after `after_position`, latest last."""
        found = self._read(statements.CHANGED, (after_position,))
        last = found[-1][1] if found else after_position
        return last, [parent_id for parent_id, _ in found]

    def seal_of(self, parent_id: str) -> RunSeal | None:
        """Return the seal of a parent as it is stored; None where it has none."""
        return sqlite_seals.stored_seal(self._read, parent_id)

    def seal_totals(self) -> SealTotals | None:
        """Return the seal of the store and what those of its parents add up to; None where it is not sealed."""
        return sqlite_seals.stored_totals(self._read)

    def flaws(self) -> Iterator[Place]:
        """Yield what is wrong with the file, with rows that no stream shows, and with positions."""
        yield from sqlite_flaws.flaws(self._read, self.all_dropped)
        yield from super().flaws()

    @abstractmethod
    def _read(
        self,
        statement: str,
        values: Sequence[Any],
        fetch: Callable[[sqlite3.Cursor], list[Any]] = sqlite3.Cursor.fetchall,
    ) -> list[Any]:
        """Run a statement that reads, and return what `fetch` takes of its rows."""


def _rows(parent_id: str, found: Sequence[Any]) -> list[Row]:
    return [_MAKE(Row, (place, parent_id, version, name, data, digest)) for place, version, name, data, digest in found]
