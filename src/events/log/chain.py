"""The hash chain: each event's hash covers the event and the hash of the event before it in the same stream.

So nothing in a stream can be changed, dropped, inserted, moved to another place or another stream without every
later hash, and the stream's head, telling. To check a store by hand, take a parent's events in order of version,
start with 32 zero bytes as the previous hash, and compute for each

    SHA-256(  01                                one byte, the format
              previous hash                     32 bytes
              length of the parent's id         4 bytes, big-endian; then the id itself in UTF-8
              version                           8 bytes, big-endian
              length of the type's name         4 bytes, big-endian; then the name itself in UTF-8
              data                              the stored bytes, to the end  )

The result is the event's hash and the next one's previous hash; the last one is the hash in the parent's head.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Final

from events.errors import UsageError

START: Final = bytes(32)
"""The previous hash of a stream's first event."""

_FORMAT: Final = b"\x01"

Linked = tuple[int, str, bytes, bytes]
"""Version, type, data and hash of an event."""


class Chain:
    """The chain of one stream. It holds no state but the parent's id, made ready for hashing."""

    __slots__ = ("_parent",)

    def __init__(self, parent_id: str) -> None:
        try:
            self._parent = _framed(parent_id)
        except UnicodeEncodeError as error:
            raise UsageError(f"the parent id {parent_id!r} is not valid Unicode text") from error

    def link(self, previous: bytes, version: int, type_name: str, data: bytes) -> bytes:
        """Return the hash of an event that follows the one whose hash is `previous`."""
        parts = (_FORMAT, previous, self._parent, version.to_bytes(8, "big"), _framed(type_name), data)
        return sha256(b"".join(parts)).digest()

    def extend(self, previous: bytes, version: int, rows: Iterable[tuple[str, bytes]]) -> Iterator[Linked]:
        """Link rows (type, data) to the event that has `previous` as its hash and this version."""
        parent = self._parent
        for type_name, data in rows:
            version += 1
            previous = sha256(
                b"".join((_FORMAT, previous, parent, version.to_bytes(8, "big"), _framed(type_name), data))
            ).digest()
            yield version, type_name, data, previous


def link(previous: bytes, parent_id: str, version: int, type_name: str, data: bytes) -> bytes:
    """Return the hash of one event, as this module's text says."""
    return Chain(parent_id).link(previous, version, type_name, data)


@lru_cache(maxsize=1024)
def _framed(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(4, "big") + encoded
