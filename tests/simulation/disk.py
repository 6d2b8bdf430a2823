"""The simulated store: one log that outlives every process, and each process's own door to it, where faults are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Protocol

from actors.simulated import SimulatedRuntime
from events.catalogue import Catalogue
from events.errors import StoreBusyError, StoreFullError, StoreUnavailableError
from events.facts import Fact
from events.log import Batch, Head, MemoryRecorder, Recorder, Row, StoredSnapshot, Verdict, Written
from events.log.recorder import LAST, Source
from events.log.tables import Tables
from tests.simulation.faults import FaultyMeddler
from tests.simulation.harm import HARMS, harmed
from tests.simulation.process_death import ProcessDiedError
from tests.simulation.tables import FaultyTables


class Witness(Protocol):
    """Who looks at everything that is put on record."""

    def appended(self, owner: str, batches: Sequence[Batch], verdicts: Sequence[Verdict]) -> None:
        """See an append that is on record, before anybody hears of it."""


class RememberingCatalogue(Catalogue):
    """A catalogue that decodes the same bytes once: facts are frozen, and a simulated machine reads them many times.

    What decodes plain bytes remembers them too.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[tuple[str, bytes], Fact] = {}

    def decode(self, name: str, data: bytes) -> Fact:
        """Return the fact that was stored."""
        fact = self._known.get((name, data))
        if fact is None:
            fact = self._known[name, data] = super().decode(name, data)
        return fact

    def plain(self, name: str) -> Callable[[bytes], Fact] | None:
        """Return what decodes plain bytes of this stored name, if that is all there is to do."""
        return None if super().plain(name) is None else partial(self.decode, name)


class Disk:
    """The log itself, and a counter of its commits."""

    def __init__(self, recorder: Recorder | None = None) -> None:
        self.recorder = MemoryRecorder() if recorder is None else recorder
        self.catalogue = RememberingCatalogue()
        self.races: list[Callable[[], object]] = []
        """What somebody else may do to the views just before a process writes to them."""
        self.commits = 0
        self.stalls: list[tuple[int, int]] = []
        """From when to when in simulated time (us) an append stood still, and whoever waited for it, too."""

    @cached_property
    def tables(self) -> Tables:
        """Where views are; made for machines that keep some, for it takes a database."""
        return self.recorder.tables()

    def stalled_us(self, since_us: int) -> int:
        """Return for how long nobody could do anything, since that time."""
        return sum(until - max(begun, since_us) for begun, until in self.stalls if until > since_us)


class Door(Recorder):
    """One process's way to the disk."""

    location = "simulated:"

    def __init__(
        self,
        disk: Disk,
        runtime: SimulatedRuntime,
        meddler: FaultyMeddler,
        witness: Witness,
        crash: Callable[[], None],
        owner: str,
    ) -> None:
        super().__init__()
        self._disk = disk
        self._runtime = runtime
        self._meddler = meddler
        self._witness = witness
        self._crash = crash
        self._owner = owner
        self._seen = disk.commits

    def _write(self, batches: Sequence[Batch], *, together: bool) -> list[Verdict]:
        self._before()
        verdicts = self._disk.recorder._write(batches, together=together)
        self._after(batches, verdicts)
        return verdicts

    def _write_after_look(self, decide: Callable[[Source], Batch | None]) -> Verdict | None:
        self._before()
        decided: list[Batch] = []

        def look(source: Source) -> Batch | None:
            batch = decide(source)
            if batch is not None:
                decided.append(batch)
            return batch

        verdict = self._disk.recorder._write_after_look(look)
        if verdict is not None:
            self._after(decided, [verdict])
        return verdict

    def _before(self) -> None:
        """Let an append come to harm before it is on record."""
        happens, faults = self._meddler.happens, self._meddler.faults
        self._check_alive()
        if happens("append_stalls", faults.append_stalls):
            begun = self._runtime.scheduler.elapsed_us
            self._runtime.scheduler.elapsed_us += int(self._runtime.random.random() * 20_000_000)
            self._disk.stalls.append((begun, self._runtime.scheduler.elapsed_us))
        if happens("append_fails", faults.append_fails):
            kind = self._runtime.random.choice((StoreBusyError, StoreFullError, StoreUnavailableError))
            raise kind("simulated: the append was refused")
        if happens("crash_before_append", faults.crash_before_append):
            self._die()

    def _after(self, batches: Sequence[Batch], verdicts: Sequence[Verdict]) -> None:
        """Let everybody know of an append, unless it comes to harm now that it is on record."""
        happens, faults = self._meddler.happens, self._meddler.faults
        if self._seen == self._disk.commits:
            self._seen += 1  # of its own commits a connection does not say that they were made elsewhere
        self._disk.commits += 1
        for batch, verdict in zip(batches, verdicts, strict=True):
            what = "written" if isinstance(verdict, Written) else "conflict"
            self._runtime.scheduler.note(self._owner, what, _shown(batch))
        self._witness.appended(self._owner, batches, verdicts)
        if happens("crash_after_append", faults.crash_after_append):
            self._die()
        if happens("reply_lost", faults.reply_lost):
            raise StoreUnavailableError("simulated: whether the append was kept could not be found out")

    def _die(self) -> None:
        self._crash()
        raise ProcessDiedError

    def _check_alive(self) -> None:
        if not self._runtime.alive:
            raise ProcessDiedError

    def _make_tables(self) -> Tables:
        return FaultyTables(self._disk.tables, self._runtime, self._meddler, self._crash, self._disk.races)

    def head(self, parent_id: str) -> Head | None:
        """Return the head of a parent's stream."""
        return self._disk.recorder.head(parent_id)

    def parents(self, after: str | None = None, limit: int | None = None) -> list[tuple[str, Head]]:
        """Return parents and their heads."""
        return self._disk.recorder.parents(after, limit)

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
        """Return one stream's rows."""
        self._check_alive()
        if self._meddler.happens("read_fails", self._meddler.faults.read_fails):
            raise StoreUnavailableError("simulated: the disk reports an error")
        return self._disk.recorder.stream(
            parent_id,
            after_version=after_version,
            upto_version=upto_version,
            upto_position=upto_position,
            types=types,
            descending=descending,
            limit=limit,
        )

    def snapshots(self, parent_id: str) -> list[StoredSnapshot]:
        """Return a parent's snapshots; some of them may have gone."""
        self._check_alive()
        if self._meddler.happens("snapshots_lost", self._meddler.faults.snapshots / 4):
            self._disk.recorder.drop_snapshots(parent_id)
        return self._disk.recorder.snapshots(parent_id)

    def snapshot_body(self, parent_id: str, version: int, bytes_max: int) -> bytes | None:
        """Return the body of a snapshot."""
        return self._disk.recorder.snapshot_body(parent_id, version, bytes_max)

    def keep_snapshot(self, snapshot: StoredSnapshot, body: bytes) -> None:
        """Keep a snapshot, unless it comes to harm."""
        self._check_alive()
        harms = self._meddler.faults.snapshots
        kind = self._runtime.random.choice(HARMS) if harms and self._meddler.happens("snapshot_harmed", harms) else ""
        if kind == "refused":
            raise StoreBusyError("simulated: the snapshot was refused")
        if kind == "crash before":
            self._die()
        self._disk.recorder.keep_snapshot(*harmed(kind, snapshot, body))
        self._runtime.scheduler.note(self._owner, "snapshot", f"{snapshot.parent_id} at {snapshot.version} {kind}")
        if kind == "crash after":
            self._die()

    def page(
        self, after_position: int, *, upto_position: int = LAST, types: Sequence[str] = (), limit: int = 1000
    ) -> list[Row]:
        """Return the rows of all streams after a position."""
        return self._disk.recorder.page(after_position, upto_position=upto_position, types=types, limit=limit)

    def last_position(self) -> int:
        """Return the position of the last event of all."""
        return self._disk.recorder.last_position()

    def changed_elsewhere(self) -> bool:
        """Whether anybody committed since the last call."""
        seen, self._seen = self._seen, self._disk.commits
        return seen != self._seen

    def changed_parents(self, after_position: int) -> tuple[int, list[str]]:
        """Return the last position and the parents that have events after `after_position`."""
        return self._disk.recorder.changed_parents(after_position)


def _shown(batch: Batch) -> str:
    names = " ".join([name for name, _ in batch.rows])
    return f"{batch.parent_id} after {batch.expected_version}: {names}"
