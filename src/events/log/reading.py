"""One checked pass over a stream: no gap, the right hashes, readable facts, and an end where the head says."""

from __future__ import annotations

from collections.abc import Iterator

from events.catalogue import PLAIN, Catalogue
from events.errors import Place, StoreDamagedError, StoreError, StoreVersionError
from events.facts import Fact
from events.log.chain import START, Chain
from events.log.record import Head, Recorded, Row
from events.log.recorder import Source


def decoded(row: Row, catalogue: Catalogue, location: str) -> Fact:
    """Return a row's fact.

    Raises:
        StoreDamagedError, StoreVersionError: it cannot be read. Names the place.
    """
    position, parent_id, version, name, data, _ = row
    if type(data) is bytes and data.startswith(PLAIN):
        validate = catalogue.plain(name)
        try:
            if validate is not None:
                return validate(data)
        except (ValueError, RecursionError):
            validate = None  # the longer way, below, says what is wrong with it
    try:
        return catalogue.decode_at(parent_id, version, name, data)
    except (StoreDamagedError, StoreVersionError) as error:
        raise type(error).at(location, Place(parent_id, version, position, str(error))) from error
    except (AttributeError, TypeError) as error:  # the data are a number or a text
        raise StoreDamagedError.at(location, Place(parent_id, version, position, "the row was altered")) from error


class Reading:
    """Where a pass over a parent's stream stands, and its checks. Iterate over `facts` once."""

    def __init__(
        self,
        recorder: Source,
        catalogue: Catalogue,
        parent_id: str,
        after_version: int = 0,
        after_hash: bytes | None = None,
        upto_position: int | None = None,
    ) -> None:
        self._recorder = recorder
        self._catalogue = catalogue
        self._parent_id = parent_id
        self._version = after_version
        self._hash = after_hash
        self._position = 0
        self._upto_position = upto_position
        self.row: Row | None = None
        """The latest fact as it is stored."""

    def facts(self) -> Iterator[Recorded]:
        """Yield the facts, each after it was checked.

        Raises:
            StoreDamagedError, StoreVersionError: see `EventLog.read`.
        """
        if not isinstance(self._parent_id, str):  # SQLite keeps what it is given
            raise self._damage(None, None, "its id is no text")
        if self._hash is None:
            self._hash = START if self._version == 0 else self._stored_hash()
            if self._hash is None:
                return
        head: Head | None = None
        while True:
            yield from self._some(self._hash)
            if self._upto_position is not None:
                return
            if head is not None and self._version < head.version:
                raise self._damage(self._version + 1, None, f"missing, the head is at version {head.version}")
            head = self._head()
            if self._agrees(head):
                return  # otherwise somebody appended meanwhile, and what the head speaks of is there to be read

    def _some(self, digest: bytes) -> Iterator[Recorded]:
        parent_id, version, last_position = self._parent_id, self._version, self._position
        link, catalogue, location = Chain(parent_id).link, self._catalogue, self._recorder.location
        make = tuple.__new__  # makes a record in half of the time that its class takes
        for row in self._rows():
            position, _, number, name, data, stored = row
            version += 1
            if number != version:
                raise self._damage(version, None, f"missing, the next row is version {number!r} at position {position}")
            try:
                digest = link(digest, number, name, data)
            except (TypeError, AttributeError, ValueError) as error:  # columns of other kinds than are ever written
                raise self._damage(number, position, "the row was altered") from error
            if digest != stored or position <= last_position:
                raise self._damage(number, position, "the row was altered or moved")
            fact = decoded(row, catalogue, location)
            last_position = position
            self._version, self._hash, self._position, self.row = version, digest, position, row
            yield make(Recorded, (parent_id, version, fact, position, digest))

    def _rows(self) -> Iterator[Row]:
        try:
            yield from self._recorder.rows(
                self._parent_id, after_version=self._version, upto_position=self._upto_position
            )
        except StoreDamagedError as error:
            raise self._damage(self._version + 1, None, _problem(error, self._recorder.location)) from error

    def _head(self) -> Head | None:
        try:
            return self._recorder.head(self._parent_id)
        except StoreDamagedError as error:
            raise self._damage(None, None, _problem(error, self._recorder.location)) from error

    def _stored_hash(self) -> bytes | None:
        """Return the hash of the event to read on after; None where the stream does not reach so far."""
        head = self._head()
        if head is None or head.version < self._version:
            return None
        before = next(self._recorder.rows(self._parent_id, after_version=self._version - 1), None)
        if before is None or before.version != self._version:
            raise self._damage(self._version, None, "missing")
        return before.hash

    def _agrees(self, head: Head | None) -> bool:
        """Whether the stream ends where the head says; False where the head is further on."""
        if head is None:
            if self._version:
                raise self._damage(self._version, self._position, "its run has no head")
            return True
        if head.version > self._version:
            return False
        if head.version < self._version:
            raise self._damage(self._version, self._position, f"the head is only at version {head.version}")
        if head.hash != self._hash or head.count != self._version:
            raise self._damage(self._version, self._position, "the head tells of another stream")
        return True

    def _damage(self, version: int | None, position: int | None, what: str) -> StoreDamagedError:
        return StoreDamagedError.at(self._recorder.location, Place(self._parent_id, version, position, what))


def _problem(error: StoreError, location: str) -> str:
    """Return what an error says, without the store's name and the parent, which its reader adds anew."""
    if error.place is not None:
        return error.place.problem
    return str(error).removeprefix(f"{location}: ")
