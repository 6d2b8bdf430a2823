"""The lines of an export: JSON Lines in ASCII that can be checked without this library, and imported again.

Lines of a kind always look the same, to the byte, so that exporting what was imported gives the same file.

    header    what it is, and up to which position of the log
    payload   a part of a payload that lies in a file, base64; parts follow one another, before an event refers to it
    key       of an encrypted run, before its first event: its data key, wrapped; "wrapped" is null once it was redacted
    event     as it is stored; `data` is the stored text, from which and the event before it `hash` follows
    head      the end of a run: how many events it has, and the hash of its last one
    end       how many runs and events there are, and the SHA-256 of every byte above
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, Final

from events.errors import StoreDamagedError
from events.log.keyring import WrappedKey
from events.log.record import Head, Row
from events.payload_files import PayloadRef
from events.views import moment

FORMAT: Final = "orchestrator-log"
VERSION: Final = 1
PART_BYTES: Final = 1_048_576
"""The most of a payload that stands in one line."""
_REMEMBERED_MAX: Final = 100_000


class Said:
    """Which payloads of a run stand in an export already, as far as is remembered; the same for writer and reader."""

    def __init__(self) -> None:
        self._said: set[PayloadRef] = set()

    def add(self, ref: PayloadRef) -> None:
        """Remember a payload."""
        if len(self._said) >= _REMEMBERED_MAX:
            self._said.clear()
        self._said.add(ref)

    def forget(self) -> None:
        """Forget all, for the next run."""
        self._said.clear()

    def __contains__(self, ref: PayloadRef) -> bool:
        return ref in self._said


def header(release: str, run_id: str | None, position: int) -> bytes:
    """Return the first line."""
    what = {"format": FORMAT, "version": VERSION, "release": release}
    return _line({"kind": "header", **what, "run": run_id, "position": position})


def payload(ref: PayloadRef, part: int, data: bytes) -> bytes:
    """Return the line of one part of a payload."""
    text = b64encode(data).decode("ascii")
    return _line({"kind": "payload", "sha256": ref.sha256, "bytes": ref.bytes, "part": part, "base64": text})


def key(wrapped: WrappedKey) -> bytes:
    """Return the line of an encrypted run's data key."""
    text = None if wrapped.destroyed else b64encode(wrapped.wrapped).decode("ascii")
    return _line({"kind": "key", "run": wrapped.parent_id, "id": wrapped.key_id, "wrapped": text})


def event(row: Row, at: int) -> bytes:
    """Return the line of an event.

    Raises:
        StoreDamagedError: its time lies beyond all calendars.
    """
    when = moment(at)
    if when is None:
        raise StoreDamagedError("it has no time")
    place = {"position": row.position, "run": row.parent_id, "version": row.version, "type": row.type}
    return _line({"kind": "event", **place, "at": when.isoformat(), "data": row.data.decode(), "hash": row.hash.hex()})


def head(run_id: str, end: Head) -> bytes:
    """Return the line that ends a run."""
    return _line({"kind": "head", "run": run_id, "events": end.count, "hash": end.hash.hex()})


def end(runs: int, events: int, digest: bytes) -> bytes:
    """Return the last line."""
    return _line({"kind": "end", "runs": runs, "events": events, "sha256": digest.hex()})


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"
