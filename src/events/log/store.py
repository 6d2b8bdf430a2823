"""The event log: facts in, facts out, every row checked on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from types import TracebackType
from typing import Final, NamedTuple, Self

from events.catalogue import DEFAULT_CATALOGUE, Catalogue
from events.errors import KeyNotFoundError, Place, RedactedError, RunDroppedError, StoreError
from events.fact_roll import FactRoll
from events.facts import Fact
from events.log.cipher import Cipher
from events.log.encoded import EncodedRows
from events.log.encrypted_payloads import EncryptedPayloads, PayloadsByParent
from events.log.keyring import Keyring
from events.log.library import EventStore
from events.log.mapper import CatalogueMapper
from events.log.payloads import PayloadStore
from events.log.private import PrivateCatalogue
from events.log.reading import Reading, decoded
from events.log.recent import Recent
from events.log.record import Batch, Conflict, Head, Recorded, Row, Verdict, Written
from events.log.recorder import Recorder, Source
from events.log.snapshots import Snapshots
from events.log.subscription import LogSubscription
from events.log.vault import Vault
from events.payload_files import PayloadRef, payload_bytes
from events.views import moment


class FactBatch(NamedTuple):
    """Facts for one parent, to be written all or none where its stream stands at `expected_version` (0: nowhere)."""

    parent_id: str
    expected_version: int
    facts: Sequence[Fact]


class Decided(NamedTuple):
    """What a function read of a parent's stream, and what came of its decision."""

    missed: Sequence[Recorded]
    """What was on record after the version that the function knew."""
    facts: Sequence[Fact]
    """What it decided, which is on record now; nothing where there was nothing to do."""
    position: int
    """That of the last fact of both; 0 where there is none."""


class EventLog(EventStore[str]):
    """An event store, in eventsourcing's terms, over a recorder and the catalogue. Any thread may use it."""

    recorder: Recorder
    catalogue: PrivateCatalogue

    def __init__(
        self,
        recorder: Recorder,
        catalogue: Catalogue = DEFAULT_CATALOGUE,
        *,
        keyring: Keyring | None = None,
        packed_bytes_min: int | None = None,
    ) -> None:
        """Speak in facts to a recorder.

        With a keyring, texts of new parents are encrypted; those of at least `packed_bytes_min` are packed, if any are.
        """
        self.vault: Final = Vault(recorder, keyring)
        """The data keys of parents."""
        self.catalogue = PrivateCatalogue(catalogue, self.vault, packed_bytes_min)
        super().__init__(CatalogueMapper(self.catalogue), recorder)
        self._packs = packed_bytes_min is not None
        self.payloads: PayloadStore = recorder.payloads(packed_bytes_min)
        """Where large payloads lie of parents that are not encrypted."""
        self.all_payloads: Final = PayloadsByParent(self.payloads_of)
        """Where those of each parent lie."""
        self.recent: Recent | None = None
        """What was appended here of late, where somebody follows the log."""
        self.snapshots = Snapshots(recorder, catalogue, self.vault)
        """What streams add up to at some of their versions, so that not all of them need be read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def location(self) -> str:
        """The store, for messages."""
        return self.recorder.location

    def require_open(self, parent_id: str) -> None:
        """Refuse to work on a parent that is encrypted and cannot be opened here; it was read before.

        Raises:
            KeyNotFoundError, RedactedError: see `payloads_of`.
        """
        if not self.vault.idle:
            self.vault.for_writing(parent_id)

    def require_not_dropped(self, parent_id: str) -> None:
        """Raise RunDroppedError where there was such a parent, and it was archived and dropped."""
        proof = self.recorder.dropped(parent_id)
        if proof is not None:
            when = moment(proof.at)
            raise RunDroppedError(
                f"run {parent_id!r} was archived and dropped from {self.location}"
                f" ({when:%Y-%m-%d %H:%M} UTC, archive {proof.archive.hex()[:12]}…): its id stays used"
            )

    def payloads_of(self, parent_id: str) -> PayloadStore:
        """Return where large payloads of a parent go, be it on record yet or not; encrypted, where it is.

        Raises:
            KeyNotFoundError, RedactedError: it is encrypted, and its key is not to be had here.
            StoreError: its key cannot be kept.
        """
        self.vault.prepare([parent_id])
        return self._payloads_with(parent_id, self.vault.for_writing(parent_id))

    def _payloads_with(self, parent_id: str, cipher: Cipher | None) -> PayloadStore:
        return self.payloads if cipher is None else EncryptedPayloads(self.payloads, cipher, self.catalogue, parent_id)

    def payload(self, parent_id: str, child_id: str, what: str, ref: PayloadRef) -> str:
        """Return the text of a child's `input`, `output` or `error` that lies in a file, as it was written.

        Raises:
            KeyNotFoundError, RedactedError: it is encrypted, and cannot be read here.
            StoreDamagedError: it is missing or altered. Names parent, child and file.
            StoreUnavailableError: it cannot be read.
        """
        with self._placed(parent_id, child_id, what):
            return self._payloads_with(parent_id, self.vault.required(parent_id)).get(ref)

    def has_payload(self, parent_id: str) -> bool:
        """Whether the payload files of a parent are there: those of a redacted one are gone, and nothing is wrong."""
        encrypted = self.vault.is_encrypted(parent_id)
        return not encrypted or not isinstance(self.vault.for_reading(parent_id), RedactedError)

    def payload_data(self, parent_id: str, child_id: str, what: str, ref: PayloadRef) -> bytes:
        """Return what lies in a payload file, encrypted or not, checked by its hash.

        Raises:
            StoreDamagedError, StoreUnavailableError: see `payload`.
        """
        with self._placed(parent_id, child_id, what):
            if self.vault.is_encrypted(parent_id):
                return self.payloads.get_data(ref)
            return payload_bytes(self.payloads.get(ref))

    def check_payload(self, parent_id: str, child_id: str, what: str, ref: PayloadRef) -> None:
        """Check a payload that lies in a file, opened or not. Raises what `payload_data` raises."""
        if self.has_payload(parent_id):
            self.payload_data(parent_id, child_id, what, ref)

    @contextmanager
    def _placed(self, parent_id: str, child_id: str, what: str) -> Iterator[None]:
        """Say of whose payload it is that it cannot be read."""
        try:
            yield
        except StoreError as error:
            problem = f"child {child_id!r}: its {what}: {error}"
            raise type(error).at(self.location, Place(parent_id, None, None, problem)) from None

    def append(self, batches: Sequence[FactBatch]) -> list[Verdict]:
        """Write batches of facts in one transaction; see `Recorder.append`, which this is in terms of facts."""
        if self.vault.encrypts:
            self.vault.prepare([parent_id for parent_id, expected_version, _ in batches if expected_version <= 0])
        if self.vault.idle or len(batches) == 1:
            encoded = [Batch(batch[0], batch[1], self._encoded(*batch)) for batch in batches]
            return self._append(batches, encoded)
        return self._append_what_can_be(batches)

    def _append_what_can_be(self, batches: Sequence[FactBatch]) -> list[Verdict]:
        """Write batches; one whose parent's key is not to be had is a conflict, and the others are written.

        Who is told of that conflict reads the parent, and learns why then.
        """
        ready: dict[int, Batch] = {}
        for number, batch in enumerate(batches):
            with suppress(KeyNotFoundError, RedactedError):
                ready[number] = Batch(batch[0], batch[1], self._encoded(*batch))
        verdicts = self._append([batches[number] for number in ready], list(ready.values()))
        written = dict(zip(ready, verdicts, strict=True))
        return [written.get(number) or Conflict(self.head(batch[0])) for number, batch in enumerate(batches)]

    def _append(self, batches: Sequence[FactBatch], encoded: Sequence[Batch]) -> list[Verdict]:
        verdicts = self.recorder.append(encoded)
        if self.recent is not None:
            self.recent.add([self.shown(batch.parent_id, batch.facts) for batch in batches], encoded, verdicts)
        return verdicts

    def shown(self, parent_id: str, facts: Sequence[Fact]) -> Sequence[Fact]:
        """Return facts as views see them: of an encrypted parent they see no texts, for what they keep is in clear."""
        if not self.vault.encrypts or not self.vault.is_encrypted(parent_id):
            return facts
        return [self.catalogue.withheld(fact) for fact in facts]

    def _encoded(self, parent_id: str, expected_version: int, facts: Sequence[Fact]) -> Sequence[tuple[str, bytes]]:
        """Return facts as they are to be stored after a version of a parent's stream.

        Raises:
            KeyNotFoundError, RedactedError: the parent is encrypted, and its key is not to be had here.
        """
        cipher = None if self.vault.idle else self.vault.for_writing(parent_id)
        if cipher is None and not self._packs:
            encode_all = self.catalogue.encode_all
            return EncodedRows(facts, encode_all) if isinstance(facts, FactRoll) else encode_all(facts)
        encode_at = self.catalogue.encode_at
        return [encode_at(parent_id, version, fact, cipher) for version, fact in enumerate(facts, expected_version + 1)]

    def decide(
        self,
        parent_id: str,
        after_version: int,
        decide: Callable[[Sequence[Recorded]], Sequence[Fact]],
        *,
        missed_max: int,
    ) -> Decided | None:
        """Let a function decide on a parent's stream as it is while nobody else can write, and append its facts.

        The function is handed what is on record after a version. Everybody else who writes waits for it, so it must
        be quick; what it raises comes through, and nothing is written then. Return None, with nothing done, where
        more than `missed_max` facts came after that version, or the stream does not reach it: catch up first.

        Raises:
            StoreDamagedError, StoreVersionError: see `read`.
            StoreError: see `Recorder.append_after_look`.
        """
        missed: list[Recorded] = []
        facts: Sequence[Fact] = ()
        behind = False

        def look(source: Source) -> Batch | None:
            nonlocal facts, behind
            reading = Reading(source, self.catalogue, parent_id, after_version)
            missed[:] = islice(reading.facts(), missed_max + 1)  # it may be called again
            behind = len(missed) > missed_max
            facts = () if behind else decide(missed)
            if not facts:
                return None
            version = after_version + len(missed)
            return Batch(parent_id, version, self._encoded(parent_id, version, facts))

        self.vault.for_writing(parent_id)  # looked up now: while nobody else can write, nothing else may be read
        verdict = self.recorder.append_after_look(look)
        if behind or (facts and not isinstance(verdict, Written)):
            return None
        if facts and self.recent is not None:
            self.recent.grown()
        position = missed[-1].position if missed else 0
        return Decided(missed, facts, verdict.positions[-1] if isinstance(verdict, Written) else position)

    def read(
        self,
        parent_id: str,
        *,
        after_version: int = 0,
        after_hash: bytes | None = None,
        upto_position: int | None = None,
        opened: bool = True,
    ) -> Iterator[Recorded]:
        """Yield a parent's facts in order of version, holding only some in memory, and check them on the way.

        Encrypted texts are opened where their key is here, unless they are not to be `opened`.

        Versions must have no gap and every hash must be the one that the event and its predecessor give. `after_hash`
        is the hash that the reader knows event `after_version` by; the stored one is taken where it is left out.
        Without `upto_position` the stream must also end where its head says. A parent that is not there yields nothing.

        Raises:
            StoreDamagedError: the record is not what was written. Names parent, version and position.
            StoreVersionError: a newer release wrote an event.
        """
        catalogue = self.catalogue if opened else self.catalogue.blind
        return Reading(self.recorder, catalogue, parent_id, after_version, after_hash, upto_position).facts()

    def get(
        self,
        originator_id: str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Iterator[Recorded]:
        """Yield a parent's facts with versions above `gt` and up to `lte`, checked as `read` does."""
        after = max(gt or 0, 0)
        found = self.read(originator_id, after_version=after)
        if lte is not None:
            found = islice(found, max(lte - after, 0))
        if desc:
            found = reversed(list(found))
        return islice(found, limit)

    def tail(self, after_position: int, *, limit: int = 1000, types: Sequence[str] = ()) -> list[Recorded]:
        """Return the facts of all parents after a position, in order of position. Hashes are not checked here.

        Raises:
            StoreDamagedError, StoreVersionError: an event cannot be read. Names parent, version and position.
        """
        catalogue, location = self.catalogue, self.location
        return [
            Recorded(row.parent_id, row.version, decoded(row, catalogue, location), row.position, row.hash)
            for row in self.recorder.page(after_position, types=types, limit=limit)
        ]

    def head(self, parent_id: str) -> Head | None:
        """Return the head of a parent's stream; None where there is no such parent."""
        return self.recorder.head(parent_id)

    def parents(self, after: str | None = None, limit: int | None = None) -> list[tuple[str, Head]]:
        """Return parents and their heads in order of creation, those after the parent `after`."""
        return self.recorder.parents(after, limit)

    def rows(
        self,
        parent_id: str,
        *,
        after_version: int = 0,
        upto_position: int | None = None,
        types: Sequence[str] = (),
        batch: int = 1000,
    ) -> Iterator[Row]:
        """Yield one stream's rows as they are stored, unchecked."""
        return self.recorder.rows(
            parent_id, after_version=after_version, upto_position=upto_position, types=types, batch=batch
        )

    def last_position(self) -> int:
        """Return the position of the last event of all, 0 where there is none."""
        return self.recorder.last_position()

    def changed_elsewhere(self) -> bool:
        """Whether somebody else committed since the last call. Never wrong when it says no; cheap."""
        return self.recorder.changed_elsewhere()

    def changed_parents(self, after_position: int) -> tuple[int, list[str]]:
        """Return the last position and the parents that have events after `after_position`, latest last."""
        return self.recorder.changed_parents(after_position)

    def subscribe(self, after_position: int | None = None, types: Sequence[str] = ()) -> LogSubscription:
        """Return an iterator over the stored events after a position, which waits for those yet to come."""
        return self.recorder.subscribe(after_position, types)

    def close(self) -> None:
        """Close the recorder."""
        self.recorder.close()
