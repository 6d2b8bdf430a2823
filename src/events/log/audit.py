"""The audit of a log: every event of every parent against its hashes, the catalogue and every invariant.

It reads each stream once, from the first event to the head, in bounded memory. What is wrong with one parent is one
finding, of its first bad event; the others are read all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from events.errors import (
    InvariantBrokenError,
    Place,
    RunNotFoundError,
    StoreDamagedError,
    StoreError,
    StoreVersionError,
)
from events.invariants import HistoryCheck, LogCheck
from events.log.audit_key import AuditKey
from events.log.findings import Check, Finding, damage
from events.log.key_check import key_findings
from events.log.reading import Reading
from events.log.record import Head, Recorded
from events.log.seal_check import SealCheck
from events.log.seals import Places
from events.log.snapshot_check import snapshot_findings
from events.log.store import EventLog
from events.payload_files import PayloadRef, Referred, referred
from events.projections.builtin import BUILT_IN
from events.projections.check import view_flaws

__all__ = ["CHECKS", "Audit", "Check", "Finding"]

CHECKS: Final[tuple[Check, ...]] = (snapshot_findings, key_findings)
"""What every audit checks beyond the events themselves. Whoever keeps something that the log implies adds its check."""

_REMEMBERED_MAX: Final = 100_000


class Audit:
    """One audit of a log. It counts what it has checked so far."""

    def __init__(self, log: EventLog, *, key: AuditKey | None = None, checks: Sequence[Check] = CHECKS) -> None:
        """Make ready to audit a log. With its key, its seals are checked too.

        Raises:
            AuditKeyError: it is sealed with another key.
        """
        self.parents = 0
        self.events = 0
        self._log = log
        self._seals = None if key is None or not log.recorder.can_be_sealed else SealCheck(log.recorder, key)
        self._checks = checks
        self._sound: set[PayloadRef] = set()
        """Payloads that were found to be what they should be, of late."""

    def verify(self, parent_id: str | None = None) -> Iterator[Finding]:
        """Yield findings of the store itself, at most one for each parent, and those of the views; or check one parent.

        Raises:
            RunNotFoundError: there is no such parent.
            StoreError: the store cannot be used at all.
        """
        if parent_id is not None:
            findings = self._parent(parent_id)
            yield from findings
            if not findings and not self.events:
                raise RunNotFoundError(f"there is no run {parent_id!r} in {self._log.location}")
            yield from self._views(parent_id)
            return
        for place in self._log.recorder.flaws():
            yield Finding(*place)
        if self._seals is not None:
            yield from self._seals.whole()
        yield from self._further(None)
        yield from self._parents()
        yield from self._views()

    def _views(self, parent_id: str | None = None) -> Iterator[Finding]:
        """Hold the stored views to the events, all of them or one parent's rows."""
        try:
            for place in view_flaws(self._log, BUILT_IN, parent_id):
                yield Finding(*place)
        except StoreDamagedError as error:
            yield damage(None, error)

    def _parents(self) -> Iterator[Finding]:
        """Check every parent's stream."""
        try:
            for each in self._log.recorder.ids():
                yield from self._parent(each)
        except StoreDamagedError as error:
            yield damage(None, error)

    def bounded(self, max_workers: int | None = None) -> LogCheck:
        """Check positions, and that no orchestrator ever ran more children at a time, over all its parents.

        Without `max_workers` the most are only counted.

        Raises:
            InvariantBrokenError: names the position and the owner.
            StoreDamagedError, StoreVersionError: an event cannot be read.
        """
        check = LogCheck(max_workers)
        while records := self._log.tail(check.position):
            for record in records:
                check.take(record.position, record.parent_id, record.fact)
        return check

    def _payload(self, record: Recorded, payload: Referred) -> None:
        """Check that a payload which lies in a file is there and unaltered; once, however many share it."""
        if payload.ref in self._sound:
            return
        try:
            self._log.check_payload(record.parent_id, payload.child_id, payload.what, payload.ref)
        except StoreError as error:
            problem = str(error) if error.place is None else error.place.problem
            place = Place(record.parent_id, record.version, record.position, problem)
            raise StoreDamagedError.at(self._log.location, place) from None
        if len(self._sound) >= _REMEMBERED_MAX:
            self._sound.clear()
        self._sound.add(payload.ref)

    def _parent(self, parent_id: str) -> list[Finding]:
        """Check one parent and count it; return its first bad event, or what the further checks find."""
        check, stream = HistoryCheck(), _Stream(parent_id)
        position: int | None = None
        self.parents += 1
        finding, more = None, True
        try:
            while more:
                for record in Reading(
                    self._log.recorder, self._log.catalogue, parent_id, stream.version, stream.hash
                ).facts():
                    position = record.position
                    check.take(record.fact)
                    for payload in referred(record.fact):
                        self._payload(record, payload)
                    stream.take(record)
                    self.events += 1
                finding, more = self._sealed(stream)
            position = None
            check.finish()
        except (StoreDamagedError, StoreVersionError) as error:
            return [damage(parent_id, error)]
        except InvariantBrokenError as error:
            return [Finding(parent_id, error.version, position, error.text, error.invariant)]
        if finding is not None:
            return [finding]
        return list(self._further(parent_id)) if stream.version else []

    def _sealed(self, stream: _Stream) -> tuple[Finding | None, bool]:
        """Compare a parent with its seal. True: there is more to read by now."""
        if self._seals is None or not stream.version or stream.hash is None:
            return None, False
        head = Head(stream.version, stream.version, stream.hash)
        return self._seals.run(stream.parent_id, head, stream.places)

    def _further(self, parent_id: str | None) -> Iterator[Finding]:
        """Yield what the further checks find."""
        for check in self._checks:
            try:
                yield from check(self._log, parent_id)
            except (StoreDamagedError, StoreVersionError) as error:
                yield damage(parent_id, error)


class _Stream:
    """How far a parent's stream was read."""

    def __init__(self, parent_id: str) -> None:
        self.parent_id = parent_id
        self.version = 0
        self.hash: bytes | None = None
        self.places = Places()

    def take(self, record: Recorded) -> None:
        """Go on to the next event."""
        self.version, self.hash = record.version, record.hash
        self.places = self.places.followed_by(record.position, record.position)
