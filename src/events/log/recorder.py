"""What every recorder does: the abstract log of rows, and eventsourcing's own interface in its terms."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Final, Protocol, Self
from uuid import UUID
from weakref import WeakSet

from events.errors import Place, UsageError
from events.log.dropped import DroppedStore
from events.log.errors import VersionConflictError
from events.log.filling import Filling
from events.log.keys import KeyStore
from events.log.library import ApplicationRecorder, Notification, StoredEvent
from events.log.payloads import FilePayloads, MemoryPayloads, PayloadStore
from events.log.record import Batch, Conflict, Head, Row, Verdict, Written
from events.log.seals import RunSeal, SealTotals
from events.log.snapshot_store import SnapshotStore
from events.log.sqlite_tables import MemoryTables
from events.log.subscription import LogSubscription
from events.log.tables import Tables

LAST: Final = 2**63 - 1
"""No position or version lies above this."""


_FIRST_ROWS: Final = 64
_BATCH_BYTES: Final = 8 * 1024 * 1024
SOME_BYTES_MAX: Final = 4 * _BATCH_BYTES
"""Once so many bytes of a stream were read, no further row is, however many were asked for."""


class Source(Protocol):
    """Where one stream's rows and head can be read from: a recorder, or what it shows while nobody else may write."""

    location: str
    """The store, for messages."""

    def head(self, parent_id: str) -> Head | None:
        """Return the head of a parent's stream; None where there is no such parent."""

    def rows(self, parent_id: str, *, after_version: int = 0, upto_position: int | None = None) -> Iterator[Row]:
        """Yield one stream's rows in order of version."""


class Recorder(KeyStore, DroppedStore, SnapshotStore, Filling, ApplicationRecorder):
    """A log of rows in many streams, one stream a parent. Any thread may call any method.

    All methods raise a StoreError when the store cannot be used, and ClosedError once it was closed.
    """

    location: str
    """The store, for messages."""
    payloads_folder: Path | None = None
    """Where large payloads lie, if in files."""
    comes_back: bool = False
    """Whether a store that cannot be used may be usable again soon by itself, so that who follows it waits for that."""

    can_be_sealed: bool = False
    """Whether somebody else can write to it, so that seals are worth something (see `events.log.seals`)."""

    def __init__(self) -> None:
        self._subscriptions: WeakSet[LogSubscription] = WeakSet()
        self._subscriptions_lock = Lock()
        self._tables: Tables | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def payloads(self, packed_bytes_min: int | None = None) -> PayloadStore:
        """Return where large payloads lie: in files beside the store, or in memory along with everything else.

        Files of texts of at least `packed_bytes_min` bytes are packed, if any are.
        """
        folder = self.payloads_folder
        return MemoryPayloads() if folder is None else FilePayloads(folder, packed_bytes_min=packed_bytes_min)

    def on_change(self, tell: Callable[[Collection[str]], None]) -> None:
        """Have a function told, in another thread, which parents were appended to when somebody else wrote.

        Only some stores can say so, and it is only a hint, which may be lost: who waits for news looks by itself too.
        """

    def append(self, batches: Sequence[Batch]) -> list[Verdict]:
        """Write batches in one transaction; what is `Written` is on disk when this returns.

        Each batch is judged on its own: one that finds its stream elsewhere is a `Conflict` and the others are
        written all the same. Where a commit's answer is lost, the store is read again, so nobody is ever told of a
        conflict with their own events.

        Raises:
            StoreError: nothing of it is in the store. (Unless the message says that this could not be found out.)
            UsageError: a batch is empty or names its parent in no valid text; nothing was written.
        """
        if not all(batch.rows for batch in batches):
            raise UsageError("a batch without rows cannot be appended")
        verdicts = self._write(batches, together=False) if batches else []
        self._wake()
        return verdicts

    @abstractmethod
    def _write(self, batches: Sequence[Batch], *, together: bool) -> list[Verdict]:
        """Write in one transaction. With `together`, one conflict keeps all the others from being written too."""

    def append_after_look(self, decide: Callable[[Source], Batch | None]) -> Verdict | None:
        """Let a function look at the store while nobody else can write, and write what it returns, if anything.

        So whoever decides is never too late, however fast others append. Everybody else waits for the function: it
        must be quick, and may read nothing but what it is handed. What it raises leaves nothing written, and comes
        through. Where the connection to the store is lost before its end, the function is called once more. Where the
        commit's answer is lost, the store is read again, as in `append`.

        Raises:
            StoreError: nothing of it is in the store. (Unless the message says that this could not be found out.)
        """
        verdict = self._write_after_look(decide)
        if isinstance(verdict, Written):
            self._wake()
        return verdict

    @abstractmethod
    def _write_after_look(self, decide: Callable[[Source], Batch | None]) -> Verdict | None:
        """Read, decide and write in one transaction that keeps all others from writing. None: nothing was decided."""

    @abstractmethod
    def head(self, parent_id: str) -> Head | None:
        """Return the head of a parent's stream; None where there is no such parent."""

    @abstractmethod
    def parents(self, after: str | None = None, limit: int | None = None) -> list[tuple[str, Head]]:
        """Return parents and their heads in order of creation, those after the parent `after`.

        Raises:
            UsageError: there is no parent `after`.
        """

    @abstractmethod
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

    def picked(self, parent_id: str, versions: Sequence[int]) -> list[Row]:
        """Return those of one stream's rows that have these versions, as far as there are any, in order of version."""
        wanted = sorted(set(versions))
        found = (self.stream(parent_id, after_version=each - 1, upto_version=each) for each in wanted)
        return [row for rows in found for row in rows]

    @abstractmethod
    def page(
        self, after_position: int, *, upto_position: int = LAST, types: Sequence[str] = (), limit: int = 1000
    ) -> list[Row]:
        """Return the rows of all streams after a position, in order of position."""

    @abstractmethod
    def last_position(self) -> int:
        """Return the position of the last event of all, 0 where there is none."""

    @abstractmethod
    def changed_elsewhere(self) -> bool:
        """Whether somebody else committed since the last call. Never wrong when it says no; cheap."""

    @abstractmethod
    def changed_parents(self, after_position: int) -> tuple[int, list[str]]:
        """Return the last position and the parents that have events after `after_position`, latest last."""

    def rows(
        self,
        parent_id: str,
        *,
        after_version: int = 0,
        upto_position: int | None = None,
        types: Sequence[str] = (),
        batch: int = 1000,
    ) -> Iterator[Row]:
        """Yield one stream's rows in order of version, holding at most `batch` of them, fewer large ones, in memory."""
        upto = LAST if upto_position is None else upto_position
        limit = min(batch, _FIRST_ROWS)
        while True:
            found = self._some(parent_id, after_version, upto, types, limit)
            yield from found
            last = found[-1].version if found else after_version
            ended = len(found) < limit and _bytes_of(found) < SOME_BYTES_MAX
            if ended or type(last) is not int or last <= after_version:  # the end, or a damaged index
                return
            after_version = last
            limit = _next_limit(found, batch)

    def _some(
        self, parent_id: str, after_version: int, upto_position: int, types: Sequence[str], limit: int
    ) -> list[Row]:
        """Return rows as `stream` does; fewer of them where they have `SOME_BYTES_MAX` together."""
        return self.stream(
            parent_id, after_version=after_version, upto_position=upto_position, types=types, limit=limit
        )

    def tally(self, parent_id: str, upto_position: int) -> dict[str, int]:
        """Return how many rows of each type one stream has, up to a position."""
        return Counter(row.type for row in self.rows(parent_id, upto_position=upto_position))

    def holding(self, parent_id: str, text: bytes, upto_position: int, types: Sequence[str] = ()) -> list[Row]:
        """Return those of one stream's rows, up to a position, whose data hold a text; in order of version.

        Where types are named, only rows of those.
        """
        return [row for row in self.rows(parent_id, upto_position=upto_position, types=types) if text in row.data]

    def ids(self) -> Iterator[str]:
        """Yield the ids of all parents in order of creation, in bounded memory.

        Raises:
            StoreDamagedError: no more of them can be read.
        """
        yield from (parent_id for parent_id, _ in self.parents())

    def seal_of(self, parent_id: str) -> RunSeal | None:
        """Return the seal of a parent as it is stored; None where it has none."""
        del parent_id  # stores that nobody else can write to need none
        return None

    def seal_totals(self) -> SealTotals | None:
        """Return the seal of the store and what those of its parents add up to; None where it is not sealed."""
        return None

    def flaws(self) -> Iterator[Place]:
        """Yield what is wrong with the store beyond what the streams of its parents tell."""
        yield from ()

    def tables(self) -> Tables:
        """Return the tables beside the events: of the same database, or in memory where the log is in none."""
        with self._subscriptions_lock:
            if self._tables is None:
                self._tables = self._make_tables()
            return self._tables

    def _make_tables(self) -> Tables:
        return MemoryTables(self.location)

    def close(self) -> None:
        """End all subscriptions and give back what the store holds open. Closing again does nothing."""
        with self._subscriptions_lock:
            subscriptions = list(self._subscriptions)
            tables = self._tables
        for subscription in subscriptions:
            subscription.stop()
        if tables is not None:
            tables.close()

    # What eventsourcing asks of an ApplicationRecorder.

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """Write events, all or none, and return their positions. A stream may begin with version 0 or 1.

        Raises:
            VersionConflictError: an event's version does not follow on its stream; nothing was written.
            UsageError: something is asked for that this log does not do (tracking, ids that are not text).
        """
        if kwargs:
            raise UsageError(f"this log cannot record {', '.join(kwargs)} along with events")
        batches = list(_runs(stored_events))
        verdicts = self._write(batches, together=True) if batches else []
        for batch, verdict in zip(batches, verdicts, strict=True):
            if isinstance(verdict, Conflict):
                raise VersionConflictError(_conflict_text(batch, verdict.head))
        self._wake()
        return [position for done in verdicts if isinstance(done, Written) for position in done.positions]

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return one stream's events with versions above `gt` and up to `lte`."""
        rows = self.stream(
            _text(originator_id),
            after_version=-1 if gt is None else gt,
            upto_version=LAST if lte is None else lte,
            descending=desc,
            limit=LAST if limit is None else limit,
        )
        return [StoredEvent(row.parent_id, row.version, row.type, row.data) for row in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return events of all streams from position `start` on, in order of position."""
        after = 0 if start is None else start - 1 if inclusive_of_start else start
        rows = self.page(after, upto_position=LAST if stop is None else stop, types=topics, limit=limit)
        return [Notification(row.parent_id, row.version, row.type, row.data, row.position) for row in rows]

    def max_notification_id(self) -> int | None:
        """Return the last position, None where there is none."""
        return self.last_position() or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> LogSubscription:
        """Return an iterator over the events after position `gt`, which waits for those yet to come."""
        subscription = LogSubscription(self, gt=gt, topics=topics)
        with self._subscriptions_lock:
            self._subscriptions.add(subscription)
        return subscription

    def _wake(self) -> None:
        if self._subscriptions:
            with self._subscriptions_lock:
                for subscription in self._subscriptions:
                    subscription.wake()


def _next_limit(rows: Sequence[Row], most: int) -> int:
    """Return how many rows like these to read next: at most four times as many, and not too many bytes."""
    return max(1, min(most, 4 * len(rows), _BATCH_BYTES * len(rows) // max(_bytes_of(rows), 1)))


def _bytes_of(rows: Sequence[Row]) -> int:
    return sum(len(row.data) for row in rows if isinstance(row.data, bytes | str))


def _runs(stored_events: Sequence[StoredEvent]) -> Iterator[Batch]:
    """Yield the events as batches, one for each run of events of one stream, so that positions keep their order."""
    for originator_id, group in groupby(stored_events, key=attrgetter("originator_id")):
        run = list(group)
        for before, event in pairwise(run):
            if event.originator_version != before.originator_version + 1:
                raise VersionConflictError(
                    f"event {event.originator_version} of parent {originator_id!r}"
                    f" cannot follow on event {before.originator_version}"
                )
        rows = [(event.topic, event.state) for event in run]
        yield Batch(_text(originator_id), run[0].originator_version - 1, rows)


def _text(originator_id: UUID | str) -> str:
    if not isinstance(originator_id, str):
        raise UsageError(f"parent ids are text, not {type(originator_id).__name__}")
    return originator_id


def _conflict_text(batch: Batch, head: Head | None) -> str:
    there = "does not exist" if head is None else f"already stands at version {head.version}"
    return f"event {batch.expected_version + 1} cannot be next: parent {batch.parent_id!r} {there}"
