"""Exports: the log, or one run of it, as lines; checked on the way, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from events.errors import Place, RunNotFoundError, StoreDamagedError
from events.log import export_lines
from events.log.reading import Reading
from events.log.record import Head, Recorded, Row
from events.log.store import EventLog
from events.payload_files import referred


class Exported(NamedTuple):
    """One event, as a fact and as it is stored."""

    record: Recorded
    row: Row


def events_of(log: EventLog, run_id: str, upto_position: int) -> Iterator[Exported]:
    """Yield a run's events up to a position, each after it was checked against its hash.

    Raises:
        StoreDamagedError, StoreVersionError: see `EventLog.read`.
    """
    reading = Reading(log.recorder, log.catalogue, run_id)
    for record in reading.facts():  # to its very end, so that a cut one is found
        if record.position > upto_position or reading.row is None:
            return
        yield Exported(record, reading.row)


def exported_runs(log: EventLog, run_id: str | None) -> Iterator[str]:
    """Yield the ids of the runs to export.

    Raises:
        RunNotFoundError: there is no such run.
    """
    if run_id is None:
        yield from log.recorder.ids()
    elif log.head(run_id) is None:
        raise RunNotFoundError(f"there is no run {run_id!r} in {log.location}")
    else:
        yield run_id


def export(log: EventLog, release: str, run_id: str | None = None) -> Iterator[bytes]:
    """Yield the lines of an export of the whole log, or of one run, as it stands now (see `export_lines`).

    Whoever appends meanwhile is in nobody's way. What is yielded before an error is no export: it has no last line.

    Raises:
        RunNotFoundError: there is no such run.
        StoreDamagedError, StoreVersionError: an event, or a payload that lies in a file, is not what was written.
    """
    yield from _Export(log, log.last_position(), run_id).lines(release)


class _Export:
    """One export of a log, up to a position."""

    def __init__(self, log: EventLog, position: int, run_id: str | None) -> None:
        self._log = log
        self._position = position
        self._run_id = run_id
        self._said = export_lines.Said()

    def lines(self, release: str) -> Iterator[bytes]:
        """Yield all lines."""
        digest, runs, events = sha256(), 0, 0
        first = export_lines.header(release, self._run_id, self._position)
        digest.update(first)
        yield first
        for run_id in exported_runs(self._log, self._run_id):
            count = 0
            for line, is_event in self._run(run_id):
                digest.update(line)
                count += is_event
                yield line
            runs, events = runs + (count > 0), events + count
        missing = sum(proof.head.count for proof in self._log.recorder.all_dropped()) if self._run_id is None else 0
        if self._run_id is None and events + missing != self._position:
            problem = f"there are {events:,} events up to position {self._position:,}: some were deleted"
            raise StoreDamagedError.at(self._log.location, Place(None, None, None, problem))
        yield export_lines.end(runs, events, digest.digest())

    def _run(self, run_id: str) -> Iterator[tuple[bytes, bool]]:
        """Yield the lines of one run, and whether each is an event."""
        self._said.forget()
        last: Recorded | None = None
        wrapped = self._log.recorder.key_of(run_id) if self._log.vault.is_encrypted(run_id) else None
        if wrapped is not None:
            yield export_lines.key(wrapped), False
        for record, row in events_of(self._log, run_id, self._position):
            for line in self._payloads(record):
                yield line, False
            last = record
            try:
                yield export_lines.event(row, record.fact.at), True
            except StoreDamagedError as error:
                place = Place(run_id, row.version, row.position, str(error))
                raise StoreDamagedError.at(self._log.location, place) from error
        if last is not None:
            yield export_lines.head(run_id, Head(last.version, last.version, last.hash)), False

    def _payloads(self, record: Recorded) -> Iterator[bytes]:
        """Yield the lines of payloads of an event that lie in files, unless they were said before."""
        for child_id, what, ref in referred(record.fact):
            if ref in self._said:
                continue
            self._said.add(ref)
            if not self._log.has_payload(record.parent_id):
                return
            data = self._log.payload_data(record.parent_id, child_id, what, ref)
            for part, start in enumerate(range(0, len(data), export_lines.PART_BYTES)):
                yield export_lines.payload(ref, part, data[start : start + export_lines.PART_BYTES])
