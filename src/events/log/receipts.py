"""Receipts: a line that says what a store, or a run, was at one moment.

Who keeps it elsewhere can tell later whether what was there then is still there, whatever keys and hashes were made
anew. `store:POSITION:SHA256` covers the position and the hash of every event up to a position, in order: SHA-256 over
8 bytes, big-endian, and 32 bytes for each. `run:ID:VERSION:HASH` is the hash of a run's event, which covers all before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final, NamedTuple, Self

from events.errors import RunNotFoundError, StoreDamagedError, UsageError
from events.log.findings import Finding, damage
from events.log.record import Row
from events.log.store import EventLog

_ROWS: Final = 256
_DIGITS_MAX: Final = 18


class Receipt(NamedTuple):
    """What was there at one moment."""

    run_id: str | None
    """None: the whole store."""
    number: int
    """The last position; of a run its last version."""
    digest: str

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Return the receipt that a text is. Raises UsageError where it is none."""
        found = re.fullmatch(
            rf"(store|run:(?P<run>.+)):(?P<number>[0-9]{{1,{_DIGITS_MAX}}}):(?P<digest>[0-9a-f]{{64}})", text, re.S
        )
        if found is None:
            raise UsageError(
                "that is no receipt of `orchestrator audit verify --receipt`: one looks like store:120:9c1f..."
            )
        return cls(found["run"], int(found["number"]), found["digest"])

    def __str__(self) -> str:
        what = "store" if self.run_id is None else f"run:{self.run_id}"
        return f"{what}:{self.number}:{self.digest}"


def receipt_for(log: EventLog, run_id: str | None = None) -> Receipt:
    """Return the receipt for a store as it stands, or for one run. Check it before: a receipt says nothing of that.

    Raises:
        RunNotFoundError: there is no such run.
    """
    if run_id is None:
        position = log.last_position()
        return Receipt(None, position, _digest(log, position))
    head = log.head(run_id)
    if head is None:
        raise RunNotFoundError(f"there is no run {run_id!r} in {log.location}")
    return Receipt(run_id, head.version, head.hash.hex())


def compared(log: EventLog, receipt: Receipt) -> Iterator[Finding]:
    """Yield what is wrong with a store beside a receipt that was given for it earlier."""
    try:
        yield from _compared(log, receipt)
    except StoreDamagedError as error:
        yield damage(receipt.run_id, error)


def _compared(log: EventLog, receipt: Receipt) -> Iterator[Finding]:
    if receipt.run_id is None:
        last = log.last_position()
        if last < receipt.number:
            problem = (
                f"the receipt was given at position {receipt.number}, the store ends at {last}: it is an older copy"
            )
            yield Finding(None, None, None, problem)
        elif _digest(log, receipt.number) != receipt.digest:
            problem = f"something up to position {receipt.number} is not what the receipt was given for"
            yield Finding(None, None, None, problem)
        return
    rows = log.recorder.stream(receipt.run_id, after_version=receipt.number - 1, limit=1)
    if not rows or rows[0].version != receipt.number:
        problem = f"the receipt was given at version {receipt.number}, which is not there: an older copy, or cut off"
        yield Finding(receipt.run_id, receipt.number, None, problem)
    elif rows[0].hash != bytes.fromhex(receipt.digest):
        problem = "something up to this version is not what the receipt was given for"
        yield Finding(receipt.run_id, receipt.number, rows[0].position, problem)


def _digest(log: EventLog, upto_position: int) -> str:
    digest = sha256()
    for row in _pages(log, upto_position):
        digest.update(row.position.to_bytes(8, "big"))
        digest.update(row.hash if isinstance(row.hash, bytes) else repr(row.hash).encode())  # SQLite keeps anything
    return digest.hexdigest()


def _pages(log: EventLog, upto_position: int) -> Iterator[Row]:
    """Yield the events of all runs in order of position."""
    after = 0
    while rows := log.recorder.page(after, upto_position=upto_position, limit=_ROWS):
        yield from rows
        after = rows[-1].position
