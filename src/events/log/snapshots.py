"""Snapshots: what a parent's stream adds up to at one version, kept so that not all of it need be read to go on.

The record is the truth and a snapshot is a convenience. It is used only where everything about it is in order: it
carries a hash over the parent, its version, position, latest time, the hash of its last event, the code that made it
and its body; the row of its last event must be there, at that position, and have that hash by the row before it; it
must be of just this code and this catalogue; and what it says must be a state that can be. From there on the stream is
checked as ever, from the snapshot's hash to the head. With any doubt the whole record is read instead.

What this cannot tell: whether the rows before the snapshot's are still as they were written, and whether somebody who
can write to the store forged a whole snapshot with care. `orchestrator audit verify` finds both.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from events.catalogue import Catalogue
from events.errors import StoreDamagedError, StoreError
from events.log.chain import START, Chain
from events.log.cipher import place
from events.log.collecting import uncollected
from events.log.record import StoredSnapshot
from events.log.recorder import LAST, Recorder
from events.log.vault import Vault
from events.snapshot import STORED_BYTES_MAX, code_version, decoded
from events.state import ParentState

logger: Final = logging.getLogger("orchestrator")

_FORMAT: Final = b"\x01"


class Snapshot(NamedTuple):
    """A state that was read back and found in order, and the place in the record that it holds at."""

    state: ParentState
    position: int
    at: int
    """The latest time of all events that are in it, in microseconds since 1970."""
    hash: bytes
    """That of its last event."""


class Snapshots:
    """The snapshots of one log. Any thread may use it."""

    def __init__(self, recorder: Recorder, catalogue: Catalogue, vault: Vault | None = None) -> None:
        self._recorder = recorder
        self._vault = Vault(recorder) if vault is None else vault
        self._code = f"{code_version()}:{_catalogue_version(catalogue.versions)}"

    def latest(self, parent_id: str, *, upto_position: int = LAST, upto_at: int = LAST) -> Snapshot | None:
        """Return the newest sound snapshot up to a position and a time; None where there is none.

        One that is not sound is left alone, and logged: the owner's next one replaces it.
        """
        try:
            stored = self._recorder.snapshots(parent_id)
        except StoreError as error:
            logger.warning("run %r: its snapshots cannot be used: %s", parent_id, error)
            return None
        for each in stored:
            if not _is_well_formed(each) or (each.position <= upto_position and each.at <= upto_at):
                found = self._sound(each)
                if found is not None:
                    return found
        return None

    def keep(self, parent_id: str, state: ParentState, position: int, at: int, body: Iterable[bytes]) -> bool:
        """Keep the snapshot of a state that is on record, whose encoded form is `body`; `at` is its latest time.

        Return whether it was kept: not where the record does not have just such an event.

        Raises:
            KeyNotFoundError, RedactedError: the parent is encrypted, and its key is not to be had here.
            StoreError: see `Recorder.keep_snapshot`.
        """
        rows = self._recorder.stream(parent_id, after_version=state.version - 1, upto_version=state.version)
        if len(rows) != 1 or rows[0].position != position or type(rows[0].hash) is not bytes:
            return False
        whole = b"".join(body)
        if not self._vault.idle:
            cipher = self._vault.for_writing(parent_id)
            whole = whole if cipher is None else cipher.encrypt(whole, place("snapshot", parent_id, state.version))
        bare = StoredSnapshot(parent_id, state.version, position, at, rows[0].hash, self._code, b"", len(whole))
        self._recorder.keep_snapshot(bare._replace(digest=digest_of(bare, whole)), whole)
        return True

    def all(self, parent_id: str) -> Iterator[tuple[StoredSnapshot, Snapshot | StoreDamagedError | None]]:
        """Yield every snapshot of a parent, and what it says, or what is wrong with it; None where it is of other code.

        Raises:
            StoreDamagedError: the table of snapshots cannot be read.
        """
        for stored in self._recorder.snapshots(parent_id):
            try:
                yield stored, self._opened(stored)
            except StoreDamagedError as error:
                yield stored, error

    def _sound(self, stored: StoredSnapshot) -> Snapshot | None:
        try:
            found = self._opened(stored)
        except StoreError as error:
            logger.warning(
                "run %r: its snapshot of version %r is of no use, its whole record is read instead: %s",
                stored.parent_id,
                stored.version,
                error if error.place is None else error.place.problem,
            )
            return None
        if found is None:
            what = "of other code, or encrypted"
            logger.info("run %r: its snapshot of version %d is %s", stored.parent_id, stored.version, what)
        return found

    def _opened(self, stored: StoredSnapshot) -> Snapshot | None:
        """Return what a snapshot says; None where other code made it, or where it is encrypted and its key is not here.

        Raises:
            StoreDamagedError: it is not as it was written, does not belong to the record as that is, or makes no sense.
        """
        if not _is_well_formed(stored):
            raise StoreDamagedError("it was altered")
        if stored.body_bytes > STORED_BYTES_MAX:
            raise StoreDamagedError(f"it has {stored.body_bytes} bytes, more than any that is written")
        body = self._recorder.snapshot_body(stored.parent_id, stored.version, STORED_BYTES_MAX)
        if type(body) is not bytes or digest_of(stored, body) != stored.digest:
            raise StoreDamagedError("it was altered")
        self._check_row(stored)
        if stored.code != self._code:
            return None
        if self._vault.is_encrypted(stored.parent_id):
            opened = self._opened_body(body, stored)
            if opened is None:
                return None
            body = opened
        with uncollected():
            state = decoded(body, stored.version)
        return Snapshot(state, stored.position, stored.at, stored.hash)

    def _opened_body(self, body: bytes, stored: StoredSnapshot) -> bytes | None:
        """Return the body of an encrypted parent's snapshot; None where its key is not to be had here."""
        cipher = self._vault.for_reading(stored.parent_id)
        if isinstance(cipher, StoreError):
            return None
        opened = cipher.open(body, place("snapshot", stored.parent_id, stored.version))
        if opened is None:
            raise StoreDamagedError("it was altered, moved here, or encrypted with another key")
        return opened

    def _check_row(self, stored: StoredSnapshot) -> None:
        """Check the event that a snapshot ends with, by the row before it."""
        rows = self._recorder.stream(
            stored.parent_id, after_version=stored.version - 2, upto_version=stored.version, limit=2
        )
        before = START if stored.version == 1 else rows[0].hash if rows else None
        if not rows or before is None or len(rows) != min(stored.version, 2):
            raise StoreDamagedError("the event that it ends with is not there")
        row = rows[-1]
        try:
            linked = Chain(stored.parent_id).link(before, row.version, row.type, row.data)
        except (TypeError, AttributeError, ValueError):  # columns of other kinds than are ever written
            linked = b""
        if (row.version, row.position, row.hash) != (stored.version, stored.position, stored.hash):
            raise StoreDamagedError("it is of another record")
        if linked != stored.hash:
            raise StoreDamagedError("the event that it ends with was altered")


@lru_cache(maxsize=16)
def _catalogue_version(versions: tuple[tuple[str, int], ...]) -> str:
    """Return what tells catalogues apart that know other events, or other versions of them."""
    return sha256(repr(versions).encode()).hexdigest()[:16]


def digest_of(snapshot: StoredSnapshot, body: bytes) -> bytes:
    """Return the hash over a snapshot: SHA-256 over the format, each of its fields with its length, and the body."""
    numbers = (snapshot.version, snapshot.position, snapshot.at)
    named = (snapshot.parent_id.encode(), *(number.to_bytes(8, "big", signed=True) for number in numbers))
    digest = sha256(_FORMAT)
    for part in (*named, snapshot.hash, snapshot.code.encode(), body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def _is_well_formed(snapshot: StoredSnapshot) -> bool:
    """Whether its values are of the kinds that are ever written; SQLite keeps what it is given."""
    kinds = (str, int, int, int, bytes, str, bytes, int)
    if any(type(value) is not kind for value, kind in zip(snapshot, kinds, strict=True)):
        return False
    return snapshot.version > 0 and snapshot.position > 0 and len(snapshot.hash) == len(START)
