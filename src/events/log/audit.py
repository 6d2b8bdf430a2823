"""The audit of a log: every event of every parent against its hashes, the catalogue and every invariant.

It reads each stream once, from the first event to the head, in bounded memory. What is wrong with one parent is one
finding, of its first bad event; the others are read all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from events.errors import (
    InvariantBrokenError,
    Place,
    RunNotFoundError,
    StoreDamagedError,
    StoreError,
    StoreVersionError,
)
from events.facts import Redacted
from events.invariants import HistoryCheck, LogCheck
from events.log.reading import Reading
from events.log.record import Recorded
from events.log.store import EventLog
from events.payload_files import PayloadRef, Referred, referred

_REMEMBERED_MAX: Final = 100_000


class Finding(NamedTuple):
    """What is wrong, and where."""

    id: str | None
    """The parent; None where it is the store as a whole."""
    version: int | None
    """The first bad event's place in its parent's stream, where there is one."""
    position: int | None
    """Its place in the whole log, where that is known."""
    problem: str
    invariant: str | None = None
    """The invariant that is broken, by name (see `events.invariants.INVARIANTS`); None where the record was altered."""

    def __str__(self) -> str:
        return str(Place(self.id, self.version, self.position, self.problem))


class Audit:
    """One audit of a log. It counts what it has checked so far."""

    def __init__(self, log: EventLog) -> None:
        self.parents = 0
        self.events = 0
        self._log = log
        self._sound: set[PayloadRef] = set()
        """Payloads that were found to be what they should be, of late."""

    def verify(self, parent_id: str | None = None) -> Iterator[Finding]:
        """Yield at most one finding for each parent, and those of the store as a whole; or check one parent alone.

        Raises:
            RunNotFoundError: there is no such parent.
            StoreError: the store cannot be used at all.
        """
        if parent_id is not None:
            finding = self._parent(parent_id)
            if finding is not None:
                yield finding
            elif not self.events:
                raise RunNotFoundError(f"there is no run {parent_id!r} in {self._log.location}")
            return
        for place in self._log.recorder.flaws():
            yield Finding(*place)
        try:
            for each in self._log.recorder.ids():
                finding = self._parent(each)
                if finding is not None:
                    yield finding
        except StoreDamagedError as error:
            yield _damage(None, error)

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

    def _check_key(self, parent_id: str, *, encrypted: bool, redacted: bool) -> None:
        """Check that an encrypted parent has its data key, unless it was redacted. Raises StoreDamagedError."""
        key = self._log.recorder.key_of(parent_id) if encrypted else None
        problem = None
        if encrypted and key is None:
            problem = "it is encrypted, and its data key is missing"
        elif key is not None and key.destroyed and not redacted:
            problem = "its data key was destroyed, and nothing on record says so"
        elif key is not None and redacted and not key.destroyed:
            problem = "it was redacted, and its data key is still there: redact it again"
        if problem is not None:
            raise StoreDamagedError.at(self._log.location, Place(parent_id, None, None, problem))

    def _parent(self, parent_id: str) -> Finding | None:
        """Check one parent's stream and count it."""
        check = HistoryCheck()
        position: int | None = None
        self.parents += 1
        try:
            encrypted = redacted = False
            for record in Reading(self._log.recorder, self._log.catalogue, parent_id).facts():
                position = record.position
                encrypted = encrypted or (record.version == 1 and self._log.vault.is_encrypted(parent_id))
                redacted = redacted or isinstance(record.fact, Redacted)
                check.take(record.fact)
                for payload in referred(record.fact):
                    self._payload(record, payload)
                self.events += 1
            position = None
            check.finish()
            self._check_key(parent_id, encrypted=encrypted, redacted=redacted)
        except (StoreDamagedError, StoreVersionError) as error:
            return _damage(parent_id, error)
        except InvariantBrokenError as error:
            return Finding(parent_id, error.version, position, error.text, error.invariant)
        return None


def _damage(parent_id: str | None, error: StoreDamagedError | StoreVersionError) -> Finding:
    name = parent_id if parent_id is None or isinstance(parent_id, str) else repr(parent_id)  # it may be bytes
    if error.place is None:
        return Finding(name, None, None, str(error))
    return Finding(name, error.place.version, error.place.position, error.place.problem)
