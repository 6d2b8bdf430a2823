"""One transaction of an SQLite store: judging batches by the heads, writing rows and heads.

Few, large statements: SQLite gives up Python's global lock at each of them, and in a busy process the next thread
keeps it for a while. So the head that this process wrote last is not read again: it is moved on where it still stands.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from events.log.chain import START, Chain
from events.log.record import Batch, Conflict, Head, Verdict, Written
from events.log.sqlite_connection import Connection

_MANY: Final = 64
_ROW: Final = "(?,?,?,?,?)"
_VALUES_MAX: Final = 5 * 16 * _MANY
"""So many values wait to be written: the rows of a run of a million children are never there all at once."""


class Known(NamedTuple):
    """A stream as it stands in this transaction: its key in the tables and its head."""

    key: int
    head: Head


class Append:
    """What one transaction writes. Use it once, inside a transaction that writes.

    `latest` is the stream that this connection wrote to last, by name, and what it became. Where only that one is
    written to again it is not read before; where it is not so any more, `write` raises sqlite3.IntegrityError.
    """

    def __init__(
        self, connection: Connection, *, distrustful: bool = False, latest: tuple[str, Known] | None = None
    ) -> None:
        self._connection = connection
        self._distrustful = distrustful
        self._latest = None if distrustful else latest
        self._streams: dict[str, Known] = {}
        self._changed: dict[str, None] = {}
        self._values: list[Any] = []
        self._last_key: int | None = None
        self._drops = False
        """Whether anything was ever dropped from this store."""
        self._last_position = 0

    def write(self, batches: Sequence[Batch]) -> list[Verdict]:
        """Write the batches that fit and return what became of each."""
        before = self._expected(batches)
        if before is None:
            self._load({batch.parent_id: None for batch in batches})
        taken = [self._take(batch) for batch in batches]
        self._flush()
        if before is None:
            self._write_heads()
        else:
            self._move_head(batches[0].parent_id, before)
        total = sum(count for count, _ in taken if count)
        position = self._last_position - total + 1
        verdicts: list[Verdict] = []
        for count, head in taken:
            if count is None or head is None:
                verdicts.append(Conflict(head))
            else:
                verdicts.append(Written(range(position, position + count), head))
                position += count
        return verdicts

    @property
    def latest(self) -> tuple[str, Known] | None:
        """The stream that was written to, where it is a single one, and what it is once this is committed."""
        if len(self._changed) != 1:
            return None
        name = next(iter(self._changed))
        return name, self._streams[name]

    def _expected(self, batches: Sequence[Batch]) -> Known | None:
        """Return how the one stream that is written to must stand, where we know; only then need nothing be read."""
        if self._latest is None or len(batches) != 1:
            return None
        name, known = self._latest
        if name != batches[0].parent_id or not batches[0].fits(known.head):
            return None  # what becomes of it is for the store to say
        self._streams[name] = known
        return known

    def _move_head(self, name: str, before: Known) -> None:
        key, head = self._streams[name]
        values = (
            head.count,
            head.version,
            head.hash,
            key,
            name,
            before.head.count,
            before.head.version,
            before.head.hash,
        )
        moved = self._connection.execute(_UPDATE_HEAD, values).rowcount
        if moved != 1:
            raise sqlite3.IntegrityError(f"the head of {name!r} is not what was written last")

    def _load(self, names: dict[str, None]) -> None:
        for part in _parts(list(names)):
            found = self._connection.execute(_select_heads(len(part)), part).fetchall()
            for name, key, count, version, digest in found:
                self._streams[name] = Known(key, Head(count, version, digest))

    def _take(self, batch: Batch) -> tuple[int | None, Head | None]:
        """Write a batch's rows if it fits. Return their number (None: a conflict) and the stream's head."""
        known = self._streams.get(batch.parent_id)
        before = None if known is None else known.head
        if known is None and self._was_dropped(batch.parent_id):
            return None, None
        if not batch.fits(before) or (self._distrustful and self._has_stray_rows(known)):
            return None, before
        key = self._new_key() if known is None else known.key
        digest = START if before is None else before.hash
        chain = Chain(batch.parent_id)
        for version, name, data, linked in chain.extend(digest, batch.expected_version, batch.rows):
            if len(self._values) >= _VALUES_MAX:
                self._flush()
            self._values += (key, version, name, data, linked)
            digest = linked
        count = len(batch.rows)
        head = Head((0 if before is None else before.count) + count, batch.expected_version + count, digest)
        self._streams[batch.parent_id] = Known(key, head)
        self._changed[batch.parent_id] = None
        return count, head

    def _look_for_room(self) -> None:
        """Find out, once, which key comes next, and whether anything was ever dropped from this store."""
        if self._last_key is None:
            last, drops = self._connection.execute(_SELECT_LAST_KEY).fetchone()
            self._last_key, self._drops = int(last), bool(drops)

    def _new_key(self) -> int:
        self._look_for_room()
        self._last_key = (self._last_key or 0) + 1
        return self._last_key

    def _was_dropped(self, parent_id: str) -> bool:
        """Whether a parent of this id was archived and dropped: no other one ever gets its id."""
        self._look_for_room()
        return self._drops and self._connection.execute(_SELECT_DROPPED, (parent_id,)).fetchone() is not None

    def _has_stray_rows(self, known: Known | None) -> bool:
        if known is None:
            return False
        found = self._connection.execute(_SELECT_STRAY, (known.key, known.head.version)).fetchone()
        return found is not None

    def _flush(self) -> None:
        start = 0
        for size in _sizes(len(self._values) // 5):
            values = self._values[start : start + size * 5]
            self._last_position = self._connection.execute(_insert_rows(size), values).lastrowid or 0
            start += size * 5
        self._values.clear()

    def _write_heads(self) -> None:
        for part in _parts(list(self._changed)):
            values: list[Any] = []
            for name in part:
                key, head = self._streams[name]
                values += (key, name, head.count, head.version, head.hash)
            self._connection.execute(_upsert_heads(len(part)), values)


# Rows whose parent somebody deleted keep their key to themselves.
_SELECT_LAST_KEY: Final = """
    SELECT max(coalesce((SELECT max(parent) FROM parents), 0), coalesce((SELECT max(parent) FROM events), 0)),
      EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'dropped')"""

_UPDATE_HEAD: Final = """
    UPDATE parents SET count = ?, version = ?, hash = ?
    WHERE parent = ? AND parent_id = ? AND count = ? AND version = ? AND hash = ?"""

_SELECT_DROPPED: Final = "SELECT 1 FROM dropped WHERE parent_id = ?"

_SELECT_STRAY: Final = "SELECT 1 FROM events WHERE parent = ? AND version > ? LIMIT 1"


@cache
def _select_heads(count: int) -> str:
    marks = ",".join("?" * count)
    return f"SELECT parent_id, parent, count, version, hash FROM parents WHERE parent_id IN ({marks})"  # noqa: S608


@cache
def _insert_rows(count: int) -> str:
    marks = ",".join([_ROW] * count)
    return f"INSERT INTO events(parent, version, type, data, hash) VALUES {marks}"  # noqa: S608 - marks only


@cache
def _upsert_heads(count: int) -> str:
    marks = ",".join([_ROW] * count)
    return (
        f"INSERT INTO parents(parent, parent_id, count, version, hash) VALUES {marks}"  # noqa: S608 - marks only
        " ON CONFLICT(parent) DO UPDATE SET count = excluded.count, version = excluded.version,"
        " hash = excluded.hash"
    )


def _parts(names: list[str]) -> Iterator[list[str]]:
    start = 0
    for size in _sizes(len(names)):
        yield names[start : start + size]
        start += size


def _sizes(total: int) -> Iterator[int]:
    """Split a number into 64, 64, ... and what is left, so that few statements run and the cache has room for each."""
    while total:
        size = min(total, _MANY)
        yield size
        total -= size
