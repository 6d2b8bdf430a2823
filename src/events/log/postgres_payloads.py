"""Where large payloads of a PostgreSQL store lie: in its table `payloads`, in parts, named by their content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, LiteralString, Protocol, TypeVar

from events.errors import StoreDamagedError
from events.log.payloads import PayloadStore
from events.log.postgres_connection import Connection
from events.payload_files import PayloadRef, is_what, payload_bytes, ref_to

T = TypeVar("T")

PART_BYTES: Final = 1024 * 1024
"""How much of a payload one row holds."""
_PARTS: Final = 8
"""How many rows are read at a time, and of each no more than shows that it is too long."""

_KEPT: Final = """
    SELECT sum(octet_length(data)) = %s AND sha256(string_agg(data, ''::bytea ORDER BY part)) = %s
    FROM payloads WHERE sha256 = %s"""

_PART: Final = (
    "SELECT part, substring(data FOR 1048577) FROM payloads WHERE sha256 = %s AND part >= %s ORDER BY part LIMIT %s"
)


class Patiently(Protocol):
    """Does something over a connection, and again over another one where that is lost."""

    def __call__(self, action: Callable[[Connection], T]) -> T:
        """Return what the action returned. Raises StoreError where it cannot be done."""


class PostgresPayloads:
    """Keeps texts in rows. What cannot be done at once is tried again; keeping a text twice is the same as once."""

    def __init__(self, location: str, patiently: Patiently) -> None:
        self._location = location
        self._patiently = patiently

    def of(self, _: str) -> PayloadStore:
        """Return this store: it is the same for all parents."""
        return self

    def put(self, text: str) -> PayloadRef:
        """Keep a text; it is committed when this returns. One that was altered is replaced, where the role may."""
        return self.put_data(payload_bytes(text))

    def get(self, ref: PayloadRef) -> str:
        """Return a text, checked by its size and its hash."""
        return self.get_data(ref).decode("utf-8", "surrogatepass")

    def put_data(self, data: bytes) -> PayloadRef:
        """Keep bytes as they are."""
        ref = ref_to(data)
        self._patiently(lambda connection: _keep(connection, ref, data))
        return ref

    def has(self, ref: PayloadRef) -> bool:
        """Whether something is kept, whole."""
        digest = bytes.fromhex(ref.sha256)
        found = self._patiently(partial(_rows, statement=_KEPT, values=(ref.bytes, digest, digest)))
        return bool(found[0][0])

    def remove(self, ref: PayloadRef) -> None:
        """Remove what was kept, if it is there and the role may."""
        digest = bytes.fromhex(ref.sha256)
        self._patiently(lambda connection: _remove(connection, digest))

    def remove_quiet(self, ref: PayloadRef, seconds: float) -> None:
        """Leave what was kept where it is: nobody can say here since when nobody put it."""

    def get_data(self, ref: PayloadRef) -> bytes:
        """Return bytes, checked by their size and their hash."""
        found = bytearray()
        for data in self._parts(ref):
            found += data
            if len(found) > ref.bytes:
                break
        if not found:
            raise StoreDamagedError(f"payload {ref.sha256} is missing in {self._location}")
        if not is_what(ref, bytes(found)):
            raise StoreDamagedError(f"payload {ref.sha256} in {self._location} is not what was written")
        return bytes(found)

    def _parts(self, ref: PayloadRef) -> Iterator[bytes]:
        digest, first = bytes.fromhex(ref.sha256), 0
        while True:
            values = (digest, first, _PARTS)
            found = self._patiently(partial(_rows, statement=_PART, values=values))
            yield from (data for _, data in found)
            if len(found) < _PARTS:
                return
            first = found[-1][0] + 1


def _rows(connection: Connection, *, statement: LiteralString, values: Sequence[object]) -> list[Any]:
    return connection.rows(statement, values)


def _remove(connection: Connection, digest: bytes) -> None:
    with connection.transaction():
        connection.execute("DELETE FROM payloads WHERE sha256 = %s", (digest,))


def _keep(connection: Connection, ref: PayloadRef, data: bytes) -> None:
    digest = bytes.fromhex(ref.sha256)
    [(sound,)] = connection.rows(_KEPT, (ref.bytes, digest, digest))
    if sound:
        return
    with connection.transaction():
        if sound is not None:
            connection.execute("DELETE FROM payloads WHERE sha256 = %s", (digest,))
        for part, start in enumerate(range(0, len(data), PART_BYTES)):
            values = (digest, part, data[start : start + PART_BYTES])
            connection.execute("INSERT INTO payloads VALUES (%s, %s, %b) ON CONFLICT DO NOTHING", values)
