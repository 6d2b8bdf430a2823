"""The recorder in a PostgreSQL database: one connection that writes, a few that read, one that listens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Lock
from typing import Any, Final, LiteralString, TypeVar

import psycopg

from events.errors import ClosedError, Place, StoreDamagedError, StoreError, StoreNotFoundError, UsageError
from events.limits import BUSY_TIMEOUT_SECONDS
from events.log import postgres_flaws, postgres_schema
from events.log.payloads import PayloadStore
from events.log.postgres_address import parsed
from events.log.postgres_append import Append
from events.log.postgres_beside import PostgresTables
from events.log.postgres_connection import Connection, open_connection
from events.log.postgres_deadline import Deadline
from events.log.postgres_errors import is_passing, told, translated
from events.log.postgres_filling import PostgresFilling
from events.log.postgres_hints import Hints
from events.log.postgres_look import HEAD, STREAM, Look
from events.log.postgres_payloads import PostgresPayloads
from events.log.postgres_pool import Readers
from events.log.postgres_private import PostgresPrivacy
from events.log.postgres_seals import PostgresSeals, refuse_sealed
from events.log.postgres_snapshots import PostgresSnapshots
from events.log.postgres_writer import Writer
from events.log.record import Batch, Head, Row, Verdict
from events.log.recorder import LAST, Source
from events.log.subscription import LogSubscription
from events.log.tables import Tables

T = TypeVar("T")

_PARENTS: Final = "SELECT parent_id, count, version, hash FROM parents WHERE parent > %s ORDER BY parent LIMIT %s"

_STREAM_BACKWARDS: Final = STREAM.replace("ORDER BY version", "ORDER BY version DESC")

_STREAM_OF_TYPES: Final = """
    SELECT position, version, type, data, hash FROM events
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = %s)
      AND version > %s AND version <= %s AND position <= %s AND type = ANY(%s)
    ORDER BY version LIMIT %s"""

_STREAM_OF_TYPES_BACKWARDS: Final = _STREAM_OF_TYPES.replace("ORDER BY version", "ORDER BY version DESC")

_PICKED: Final = """
    SELECT position, version, type, data, hash FROM events
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = %s) AND version = ANY(%s::bigint[])
    ORDER BY version"""

_PAGE: Final = """
    SELECT position, parent_id, events.version, type, data, events.hash
    FROM events LEFT JOIN parents ON parents.parent = events.parent
    WHERE position > %s AND position <= %s AND (%s OR type = ANY(%s)) ORDER BY position LIMIT %s"""

_TALLY: Final = """
    SELECT type, count(*) FROM events
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = %s) AND position <= %s GROUP BY type"""

_HOLDING: Final = """
    SELECT position, version, type, data, hash FROM events
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = %s) AND position <= %s
      AND (%s OR type = ANY(%s)) AND position(%s::bytea IN data) > 0
    ORDER BY version"""

_CHANGED: Final = """
    SELECT parent_id, max(position) FROM events JOIN parents ON parents.parent = events.parent
    WHERE position > %s GROUP BY parent_id ORDER BY 2"""

_LAST: Final = "SELECT coalesce(max(position), 0) FROM events"

_FIRST: Final = -(2**63)
"""Lies below every key of a parent."""

_OPENING_SECONDS: Final = 10.0
"""So long a store that is being opened may take to answer ..."""
_PART_FOR_TRYING: Final = 0.3
"""... and for this part of it a server that refuses is asked again."""

_IDS: Final = 1024
"""How many ids of parents are read at a time."""


class PostgresRecorder(PostgresPrivacy, PostgresSnapshots, PostgresSeals, PostgresFilling):
    """Events in a schema of a PostgreSQL database, durable: fsync and synchronous_commit on, checked every time.

    Any number of threads, processes and machines may use it at once. Every call ends within `busy_timeout_seconds`
    (at least three seconds), whatever becomes of the server or the network; it is tried again until then wherever that
    can do no harm.
    """

    comes_back = True

    def __init__(
        self, url: str, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS, must_exist: bool = False
    ) -> None:
        """Open the store that a URL names, and make one there unless it `must_exist`.

        Raises:
            UsageError: the URL names none.
            StoreNotFoundError: there is none, and it must exist; or there is no such database.
            NotAStoreError: something else lies in the schema. Nothing was written to it.
            StoreVersionError: a newer release made it.
            StoreError: it cannot be used; the message says why.
        """
        super().__init__()
        self.address: Final = parsed(url)
        self.location = self.address.location
        self._seconds = busy_timeout_seconds
        self._seconds_most = Deadline(busy_timeout_seconds).remaining_seconds()
        self._closing = Event()
        self._greeted: Connection | None = None
        self._readers = Readers(self.location, self._opened)
        self._writer = Writer(self.address, busy_timeout_seconds, self._opened, self._append_on)
        self._hints = Hints(self.address.channel, self._opened, lambda: self._writer.process, self._hear)
        self._seen_lock = Lock()
        self._seen = 0
        self._changed_elsewhere = False
        self._tell: Callable[[Collection[str]], None] | None = None
        self._told_position = 0
        with ExitStack() as unless_open:
            unless_open.callback(self.close)
            self._patiently(lambda connection: self._make(connection, must_exist=must_exist), opening=True)
            self._seen = self.last_position()
            unless_open.pop_all()

    def _make(self, connection: Connection, *, must_exist: bool) -> None:
        if postgres_schema.is_there(connection, self.address):
            return
        if must_exist:
            raise StoreNotFoundError(
                f"{self.location}: there is no store; check the URL, or start a run, which makes one"
            )
        postgres_schema.create(connection, self.address)

    def _opened(self, deadline: Deadline) -> Connection:
        return open_connection(self.address, deadline, seconds=self._seconds_most)

    def close(self) -> None:
        """End all subscriptions and close all connections. Waits for a running append."""
        self._closing.set()
        super().close()
        self._hints.close()
        self._readers.close()
        self._writer.close()

    def _make_tables(self) -> Tables:
        """Return the tables beside the events; in memory where the role may make none."""
        if not self._read("SELECT has_schema_privilege(current_schema(), 'CREATE')", ())[0][0]:
            return super()._make_tables()
        return PostgresTables(self.location, self.address.key, self._opened, self._patiently, self._seconds)

    def payloads(self, packed_bytes_min: int | None = None) -> PayloadStore:  # noqa: ARG002 - the server packs rows
        """Return where large payloads lie: in a table beside the events."""
        return PostgresPayloads(self.location, self._patiently)

    # Writing.

    def _write(self, batches: Sequence[Batch], *, together: bool) -> list[Verdict]:
        names = list(dict.fromkeys(checked_id(batch.parent_id) for batch in batches))
        return self._transact(names, lambda append, _: append.judge(batches), together=together)

    def _write_after_look(self, decide: Callable[[Source], Batch | None]) -> Verdict | None:
        def work(append: Append, connection: Connection) -> list[Verdict]:
            batch = decide(Look(connection, self.location))
            if batch is None:
                return []
            append.look_up(checked_id(batch.parent_id))
            return append.judge([batch])

        verdicts = self._transact((), work, distrustful=True)
        return verdicts[0] if verdicts else None

    def _transact(
        self,
        names: Sequence[str],
        work: Callable[[Append, Connection], list[Verdict]],
        *,
        together: bool = False,
        distrustful: bool = False,
    ) -> list[Verdict]:
        append, verdicts = self._writer.transact(names, work, together=together, distrustful=distrustful)
        with self._seen_lock:
            if append.first_position > self._seen:
                self._changed_elsewhere = True
            self._seen = max(self._seen, append.last_position)
        return verdicts

    def _append_on(self, connection: Connection, *, distrustful: bool) -> Append:
        """Make what one transaction appends. Whether the store is sealed is asked once for each connection."""
        if self._greeted is not connection:
            refuse_sealed(connection, self.location)
            self._greeted = connection
        return Append(connection, self.address, distrustful=distrustful)

    def _change(self, work: Callable[[Connection], T]) -> T:
        return self._writer.change(work)

    def _undertake(self, work: Callable[[Connection], T]) -> T:
        return self._writer.undertake(work)

    # Hearing of what others write.

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> LogSubscription:
        """Return an iterator over the events after position `gt`, which waits for those yet to come."""
        self._hints.begin()
        return super().subscribe(gt, topics)

    def on_change(self, tell: Callable[[Collection[str]], None]) -> None:
        """Have a function told, in another thread, which parents were appended to when somebody else wrote."""
        self._told_position = self.last_position()
        self._tell = tell
        self._hints.begin()

    def _hear(self) -> None:
        self._wake()
        if self._tell is not None:
            with suppress(StoreError, ClosedError):  # it was only a hint
                self._told_position, changed = self.changed_parents(self._told_position)
                self._tell(changed)

    def changed_elsewhere(self) -> bool:
        """Whether somebody else appended since the last call. It may say yes needlessly, while we append."""
        position = self.last_position()
        with self._seen_lock:
            changed = self._changed_elsewhere or position > self._seen
            self._changed_elsewhere = False
            self._seen = max(self._seen, position)
        return changed

    def changed_parents(self, after_position: int) -> tuple[int, list[str]]:
        """Return the last position and the parents that have events after `after_position`, latest last."""
        found = self._read(_CHANGED, (after_position,))
        last = found[-1][1] if found else after_position
        return last, [parent_id for parent_id, _ in found]

    # Reading.

    def head(self, parent_id: str) -> Head | None:
        """Return the head of a parent's stream; None where there is no such parent."""
        found = self._read(HEAD, (checked_id(parent_id),))
        return Head(*found[0]) if found else None

    def parents(self, after: str | None = None, limit: int | None = None) -> list[tuple[str, Head]]:
        """Return parents and their heads in order of creation, those after the parent `after`."""
        key = _FIRST
        if after is not None:
            found = self._read("SELECT parent FROM parents WHERE parent_id = %s", (checked_id(after),))
            if not found:
                raise UsageError(f"there is no run {after!r} to go on after")
            [(key,)] = found
        rows = self._read(_PARENTS, (key, LAST if limit is None else limit))
        return [(parent_id, Head(count, version, digest)) for parent_id, count, version, digest in rows]

    def ids(self) -> Iterator[str]:
        """Yield the ids of all parents in order of creation, in bounded memory."""
        key = _FIRST
        while True:
            found = self._read(
                "SELECT parent, parent_id FROM parents WHERE parent > %s ORDER BY parent LIMIT %s", (key, _IDS)
            )
            yield from (parent_id for _, parent_id in found)
            if len(found) < _IDS:
                return
            key = found[-1][0]

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
        values: list[Any] = [checked_id(parent_id), after_version, upto_version, upto_position]
        if types:
            values.append(list(types))
            statement = _STREAM_OF_TYPES_BACKWARDS if descending else _STREAM_OF_TYPES
        else:
            statement = _STREAM_BACKWARDS if descending else STREAM
        return _of_stream(parent_id, self._read(statement, (*values, limit)))

    def picked(self, parent_id: str, versions: Sequence[int]) -> list[Row]:
        """Return those of one stream's rows that have these versions, as far as there are any, in order of version."""
        return _of_stream(parent_id, self._read(_PICKED, (checked_id(parent_id), list(versions))))

    def tally(self, parent_id: str, upto_position: int) -> dict[str, int]:
        """Return how many rows of each type one stream has, up to a position."""
        return dict(self._read(_TALLY, (checked_id(parent_id), upto_position)))

    def holding(self, parent_id: str, text: bytes, upto_position: int, types: Sequence[str] = ()) -> list[Row]:
        """Return those of one stream's rows, of those types if any, up to a position, whose data hold a text."""
        found = self._read(_HOLDING, (checked_id(parent_id), upto_position, not types, list(types), text))
        return _of_stream(parent_id, found)

    def page(
        self, after_position: int, *, upto_position: int = LAST, types: Sequence[str] = (), limit: int = 1000
    ) -> list[Row]:
        """Return the rows of all streams after a position, in order of position."""
        found = self._read(_PAGE, (after_position, upto_position, not types, list(types), limit))
        for row in (rows := list(map(Row._make, found))):
            if row.parent_id is None:
                raise StoreDamagedError.at(self.location, Place(None, None, row.position, "it belongs to no run"))
        return rows

    def last_position(self) -> int:
        """Return the position of the last event of all, 0 where there is none."""
        position: int
        [(position,)] = self._read(_LAST, ())
        return max(position, self.dropped_upto())

    def flaws(self) -> Iterator[Place]:
        """Yield what is wrong with rows that no stream shows, with positions, and with further tables."""
        yield from postgres_flaws.flaws(self._read, self.all_dropped)
        yield from super().flaws()

    def _read(self, statement: LiteralString, values: Sequence[Any]) -> list[Any]:
        return self._patiently(lambda connection: connection.rows(statement, values))

    def _patiently(self, action: Callable[[Connection], T], *, opening: bool = False) -> T:
        """Do what may be done twice, and again where the connection is lost, until the deadline of the call.

        While the store is being opened there is less patience: the URL may be wrong.
        """
        deadline = Deadline(min(self._seconds, _OPENING_SECONDS) if opening else self._seconds)
        trying = deadline.part(_PART_FOR_TRYING) if opening else deadline
        cause: psycopg.Error | None = None
        while True:
            try:
                with self._mapped(), self._readers.lend(deadline) as connection:
                    return action(connection)
            except psycopg.Error as error:
                self._readers.forget()
                cause = told(error, cause)
                pause_seconds = trying.pause_seconds()
                if not is_passing(error) or not pause_seconds or self._closing.wait(pause_seconds):
                    raise translated(cause, self.location) from error

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except UnicodeEncodeError as error:
            raise UsageError(f"{self.location}: not valid Unicode text: {error.object!r}") from error


def checked_id(parent_id: str) -> str:
    """Return a parent's id. Raises UsageError where it is none that this store can keep."""
    if "\0" in parent_id:
        raise UsageError(f"PostgreSQL keeps no text with a zero byte, so {parent_id!r} cannot be the id of a run there")
    try:
        parent_id.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"the parent id {parent_id!r} is not valid Unicode text") from error
    return parent_id


def _of_stream(parent_id: str, found: Sequence[Any]) -> list[Row]:
    return [Row(position, parent_id, version, name, data, digest) for position, version, name, data, digest in found]
