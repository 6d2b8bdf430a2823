"""Seals: what whoever holds the audit key says of a store, so that whoever does not hold it cannot say so.

Two kinds. The seal of a run covers its head and the places of all its events in the whole log; the seal of the store
covers how many runs there are, how many events they have together, and the last position. Both are written in the
transaction that writes the events.

Why that is enough: within one store counts and positions only grow. So runs in older states that were put together
from several moments never add up to the numbers of any one moment, and nothing can be removed, brought back or cut
off without a number that does not fit. What fits is the whole store as it once was, and that alone: an older copy of
the whole file is told only by a receipt that was kept elsewhere.

    seal of a run    HMAC-SHA256(key,  "run" and a zero byte
                       store               16 bytes, made by chance when the store was sealed first
                       length of the id    4 bytes, big-endian; then the run's id in UTF-8
                       count, version      8 bytes each, big-endian: the run's head
                       hash                32 bytes: the run's head
                       closed              32 bytes, first and last 8 bytes each: its places  )
    seal of a store  HMAC-SHA256(key,  "store" and a zero byte
                       store               as above
                       runs, events and last position: 8 bytes each, big-endian  )

The places of a run are told in stretches without a gap. `first` and `last` are those of the latest stretch; `closed`
begins as 32 zero bytes and becomes SHA-256(closed, first, last) whenever a stretch ends.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Any, Final, NamedTuple, Self

from events.log.audit_key import AuditKey
from events.log.record import Head

NONCE_BYTES: Final = 16
_HASH_BYTES: Final = 32
_NUMBERS_MAX: Final = 2**63


class Places(NamedTuple):
    """Where the events of a run stand in the whole log, however many they are."""

    closed: bytes = bytes(_HASH_BYTES)
    first: int = 0
    last: int = 0

    def followed_by(self, first: int, last: int) -> Places:
        """Return the places with further ones, from `first` to `last`."""
        if first == self.last + 1 and self.last:
            return Places(self.closed, self.first, last)
        return Places(self._closed() if self.last else self.closed, first, last)

    def _closed(self) -> bytes:
        return sha256(self.closed + self.first.to_bytes(8, "big") + self.last.to_bytes(8, "big")).digest()


class RunSeal(NamedTuple):
    """What is stored beside the head of a run."""

    events: int
    """How many events it covers."""
    places: Places
    seal: bytes

    @classmethod
    def of(cls, key: AuditKey, store: bytes, parent_id: str, head: Head, places: Places) -> Self:
        """Return the seal of a run whose head and places are these."""
        return cls(head.count, places, key.mac(_run_message(store, parent_id, head, places)))

    def fits(self, key: AuditKey, store: bytes, parent_id: str, head: Head) -> bool:
        """Whether somebody with the key sealed the run with this head and these places."""
        if not is_store_name(store):
            return False
        if not (self.is_sound and head.is_sound and len(head.hash) == _HASH_BYTES and self.events == head.count):
            return False
        message = _run_message(store, parent_id, head, self.places)
        return hmac.compare_digest(key.mac(message), self.seal)

    @property
    def is_sound(self) -> bool:
        """Whether its values are of the kinds that are ever written."""
        closed, first, last = self.places
        blobs = all(type(blob) is bytes and len(blob) == _HASH_BYTES for blob in (closed, self.seal))
        return blobs and _are_numbers(self.events, first, last)


class StoreSeal(NamedTuple):
    """What is stored once in a sealed store."""

    fingerprint: bytes
    """That of the key."""
    store: bytes
    """Made by chance when the store was sealed first, so that no run can be moved between stores."""
    runs: int
    events: int
    position: int
    """The last one."""
    seal: bytes

    @classmethod
    def of(cls, key: AuditKey, store: bytes, runs: int, events: int, position: int) -> Self:
        """Return the seal of a store of so many runs and events."""
        return cls(
            key.fingerprint, store, runs, events, position, key.mac(_store_message(store, runs, events, position))
        )

    def fits(self, key: AuditKey) -> bool:
        """Whether somebody with the key sealed it."""
        if not (is_store_name(self.store) and type(self.seal) is bytes):
            return False
        if not _are_numbers(self.runs, self.events, self.position):
            return False
        message = _store_message(self.store, self.runs, self.events, self.position)
        return hmac.compare_digest(key.mac(message), self.seal)


class SealTotals(NamedTuple):
    """The seal of a store beside what the seals of its runs add up to."""

    whole: StoreSeal
    runs: int
    events: int
    position: int
    gone: int
    """How many of these runs are not there any more."""


def is_store_name(value: Any) -> bool:
    """Whether a value can be what a store was named by when it was sealed."""
    return type(value) is bytes and len(value) == NONCE_BYTES


def _are_numbers(*values: Any) -> bool:
    return all(type(value) is int and 0 <= value < _NUMBERS_MAX for value in values)


def _run_message(store: bytes, parent_id: str, head: Head, places: Places) -> bytes:
    name = parent_id.encode("utf-8", "surrogatepass")
    numbers = head.count.to_bytes(8, "big") + head.version.to_bytes(8, "big", signed=True)
    stretch = places.first.to_bytes(8, "big") + places.last.to_bytes(8, "big")
    return b"".join((b"run\0", store, len(name).to_bytes(4, "big"), name, numbers, head.hash, places.closed, stretch))


def _store_message(store: bytes, runs: int, events: int, position: int) -> bytes:
    return b"".join((b"store\0", store, *(number.to_bytes(8, "big") for number in (runs, events, position))))
