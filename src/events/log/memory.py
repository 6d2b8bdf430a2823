"""The recorder that keeps everything in memory: for tests, and for runs whose record nobody needs afterwards."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from threading import Lock
from typing import Final

from events.errors import ClosedError, StoreDamagedError, UsageError
from events.log.chain import START, Chain
from events.log.dropped import START as START_OF_PROOFS
from events.log.dropped import Dropped, Gone, deletions
from events.log.errors import VersionConflictError
from events.log.keyring import WrappedKey
from events.log.record import Batch, Conflict, Head, Row, StoredSnapshot, Verdict, Written
from events.log.recorder import LAST, Recorder, Source

_VERSION: Final = attrgetter("version")
_POSITION: Final = attrgetter("position")


class _Stream:
    """One parent's rows and head."""

    __slots__ = ("chain", "head", "rows")

    def __init__(self, parent_id: str) -> None:
        self.chain = Chain(parent_id)
        self.rows: list[Row] = []
        self.head: Head | None = None


class _Look(Source):
    """What a function sees while the lock is held for it."""

    location = "memory:"

    def __init__(self, stream_of: Callable[[str], _Stream]) -> None:
        self._stream_of = stream_of

    def head(self, parent_id: str) -> Head | None:
        return self._stream_of(parent_id).head

    def rows(self, parent_id: str, *, after_version: int = 0, upto_position: int | None = None) -> Iterator[Row]:
        rows = self._stream_of(parent_id).rows
        start = bisect_right(rows, after_version, key=_VERSION)
        stop = len(rows) if upto_position is None else bisect_right(rows, upto_position, key=_POSITION)
        return iter(rows[start:stop])


class MemoryRecorder(Recorder):
    """Events in this process's memory, with the same positions, conflicts and hashes as on disk."""

    location = "memory:"

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._rows: list[Row | None] = []
        """By position, from 1; None where what stood there was dropped."""
        self._proofs: dict[str, Dropped] = {}
        self._streams: dict[str, _Stream] = {}
        self._keys: dict[str, WrappedKey] = {}
        self._snapshots: dict[str, list[tuple[StoredSnapshot, bytes]]] = {}
        """By parent, newest first."""
        self._closed = False

    def close(self) -> None:
        """End all subscriptions; what was recorded is gone."""
        super().close()
        with self._lock:
            self._closed = True
            self._rows, self._streams, self._snapshots = [], {}, {}

    def key_of(self, parent_id: str) -> WrappedKey | None:
        """Return the data key that an encrypted parent has; None where it has none."""
        return self._keys.get(parent_id)

    def add_keys(self, keys: Sequence[WrappedKey]) -> None:
        """Keep data keys for those parents that have none yet and are not there yet."""
        with self._lock:
            for key in keys:
                if key.parent_id not in self._streams:
                    self._keys.setdefault(key.parent_id, key)

    def dropped(self, parent_id: str) -> Dropped | None:
        """Return the proof of a parent that was dropped; None where it was not."""
        return self._proofs.get(parent_id)

    def all_dropped(self) -> Iterator[Dropped]:
        """Yield all proofs, in the order in which they were made."""
        yield from tuple(self._proofs.values())

    def drop(self, parents: Sequence[Gone], at: int, archive: bytes) -> bool:
        """Drop parents and keep the proofs, all or nothing."""
        with self._lock:
            if any(self._stream_of(gone.parent_id).head != gone.head for gone in parents):
                return False
            for gone in parents:
                previous = next(reversed(self._proofs.values())).link if self._proofs else START_OF_PROOFS
                proof = Dropped(gone.parent_id, gone.head, gone.positions, at, archive).linked(previous)
                self._proofs[gone.parent_id] = proof
                self._keys.pop(gone.parent_id, None)
                self._snapshots.pop(gone.parent_id, None)
                for row in self._streams.pop(gone.parent_id).rows:
                    self._rows[row.position - 1] = None
        self._clear_tables([gone.parent_id for gone in parents])
        return True

    def _clear_tables(self, parent_ids: Sequence[str]) -> None:
        """Delete what the tables of views hold of parents that were dropped."""
        tables = self._tables
        if tables is None:
            return
        with tables.transaction() as session:
            names = [name for (name,) in session.query("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for statement in deletions(names):
                for parent_id in parent_ids:
                    session.execute(statement, (parent_id,))

    def redact(self, batches: Sequence[Batch], parent_ids: Sequence[str]) -> None:
        """Destroy data keys of parents, and write batches, all or nothing."""
        if any(isinstance(verdict, Conflict) for verdict in (self._write(batches, together=True) if batches else ())):
            raise VersionConflictError("a parent was appended to meanwhile")
        for parent_id in parent_ids:
            if parent_id in self._keys:
                self._keys[parent_id] = self._keys[parent_id].zeroed()
        self._wake()

    def _write(self, batches: Sequence[Batch], *, together: bool) -> list[Verdict]:
        with self._lock:
            streams = {batch.parent_id: self._stream_of(batch.parent_id) for batch in batches}
            heads = {parent_id: stream.head for parent_id, stream in streams.items()}
            rows: list[Row] = []
            verdicts = [self._take(batch, streams[batch.parent_id], heads, rows) for batch in batches]
            if not (together and any(isinstance(verdict, Conflict) for verdict in verdicts)):
                self._keep(rows, streams, heads)
            return verdicts

    def _write_after_look(self, decide: Callable[[Source], Batch | None]) -> Verdict | None:
        with self._lock:
            batch = decide(_Look(self._stream_of))
            if batch is None:
                return None
            stream = self._stream_of(batch.parent_id)
            heads = {batch.parent_id: stream.head}
            rows: list[Row] = []
            verdict = self._take(batch, stream, heads, rows)
            self._keep(rows, {batch.parent_id: stream}, heads)
            return verdict

    def fill(self, rows: Iterator[Row]) -> None:
        """Write rows, which keep their positions, to a log that is empty; all of them or none. See `Recorder.fill`."""
        streams: dict[str, _Stream] = {}
        for row in rows:
            stream = streams.setdefault(row.parent_id, _Stream(row.parent_id))
            stream.rows.append(row)
            stream.head = Head(len(stream.rows), row.version, row.hash)
        ordered = sorted((row for stream in streams.values() for row in stream.rows), key=_POSITION)
        if [row.position for row in ordered] != list(range(1, len(ordered) + 1)):
            raise StoreDamagedError(f"{self.location}: the positions are not 1, 2, 3 ...")
        with self._lock:
            self._check_open()
            if self._rows:
                raise UsageError(f"{self.location}: there are events in it; import into an empty store")
            self._rows, self._streams = list[Row | None](ordered), streams
        self._wake()

    def _take(self, batch: Batch, stream: _Stream, heads: dict[str, Head | None], rows: list[Row]) -> Verdict:
        """Judge one batch and add its rows to those of the transaction."""
        head = heads[batch.parent_id]
        if not batch.fits(head) or batch.parent_id in self._proofs:
            return Conflict(head)
        position = first = len(self._rows) + len(rows) + 1
        previous = START if head is None else head.hash
        for version, name, data, digest in stream.chain.extend(previous, batch.expected_version, batch.rows):
            rows.append(Row(position, batch.parent_id, version, name, data, digest))
            previous = digest
            position += 1
        count = len(batch.rows)
        after = Head((0 if head is None else head.count) + count, batch.expected_version + count, previous)
        heads[batch.parent_id] = after
        return Written(range(first, position), after)

    def _keep(self, rows: list[Row], streams: dict[str, _Stream], heads: dict[str, Head | None]) -> None:
        self._rows += rows
        for row in rows:
            stream = self._streams.setdefault(row.parent_id, streams[row.parent_id])
            stream.rows.append(row)
            stream.head = heads[row.parent_id]

    def head(self, parent_id: str) -> Head | None:
        """Return the head of a parent's stream; None where there is no such parent."""
        with self._lock:
            return self._stream_of(parent_id).head

    def parents(self, after: str | None = None, limit: int | None = None) -> list[tuple[str, Head]]:
        """Return parents and their heads in order of creation, those after the parent `after`."""
        with self._lock:
            self._check_open()
            found = [(name, stream.head) for name, stream in self._streams.items() if stream.head]
        start = 0
        if after is not None:
            names = [name for name, _ in found]
            if after not in names:
                raise UsageError(f"there is no run {after!r} to go on after")
            start = names.index(after) + 1
        return found[start:] if limit is None else found[start : start + limit]

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
        with self._lock:
            rows = self._stream_of(parent_id).rows
        start = bisect_right(rows, after_version, key=_VERSION)
        stop = bisect_right(rows, upto_version, key=_VERSION)
        stop = min(stop, bisect_right(rows, upto_position, key=_POSITION))
        order = range(start, stop)
        wanted = (rows[index] for index in (reversed(order) if descending else order))
        return list(islice((row for row in wanted if not types or row.type in types), limit))

    def page(
        self, after_position: int, *, upto_position: int = LAST, types: Sequence[str] = (), limit: int = 1000
    ) -> list[Row]:
        """Return the rows of all streams after a position, in order of position."""
        with self._lock:
            self._check_open()
            rows = self._rows
        order = range(max(after_position, 0), min(upto_position, len(rows)))
        wanted = (row for index in order if (row := rows[index]) is not None)
        return list(islice((row for row in wanted if not types or row.type in types), limit))

    def last_position(self) -> int:
        """Return the position of the last event of all, 0 where there is none."""
        with self._lock:
            self._check_open()
            return len(self._rows)

    def changed_elsewhere(self) -> bool:
        """Whether somebody else committed since the last call: nobody else can."""
        return False

    def changed_parents(self, after_position: int) -> tuple[int, list[str]]:
        """Return the last position and the parents that have events after `after_position`, latest last."""
        latest: dict[str, int] = {}
        for row in self.page(after_position, limit=LAST):
            latest.pop(row.parent_id, None)
            latest[row.parent_id] = row.position
        return max(latest.values(), default=after_position), list(latest)

    def snapshots(self, parent_id: str) -> list[StoredSnapshot]:
        """Return a parent's snapshots without their bodies, newest first."""
        with self._lock:
            self._check_open()
            return [snapshot for snapshot, _ in self._snapshots.get(parent_id, ())]

    def snapshot_body(self, parent_id: str, version: int, bytes_max: int) -> bytes | None:
        """Return the body of a snapshot; None where there is none, or a larger one."""
        with self._lock:
            self._check_open()
            kept = self._snapshots.get(parent_id, ())
        bodies = (body for snapshot, body in kept if snapshot.version == version and len(body) <= bytes_max)
        return next(bodies, None)

    def keep_snapshot(self, snapshot: StoredSnapshot, body: bytes) -> None:
        """Keep a snapshot, and of the others of its parent the newest one before it."""
        with self._lock:
            self._check_open()
            kept = self._snapshots.get(snapshot.parent_id, ())
            before = [each for each in kept if each[0].version < snapshot.version]
            self._snapshots[snapshot.parent_id] = [(snapshot, body), *before[:1]]

    def drop_snapshots(self, parent_id: str) -> None:
        """Drop all snapshots of a parent."""
        with self._lock:
            self._check_open()
            self._snapshots.pop(parent_id, None)

    def _stream_of(self, parent_id: str) -> _Stream:
        self._check_open()
        return self._streams.get(parent_id) or _Stream(parent_id)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("memory:: the store was closed")
