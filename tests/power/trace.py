"""What a recorded workload did to its files, in the order in which it was done, with marks between.

A trace is a file of frames, each appended by one write, so that threads and processes can share it.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

_FRAME: Final = struct.Struct("<BQqI")


class Kind(IntEnum):
    """What a frame tells. All but SYNCING tell of something that is done."""

    OPENED = 1
    WRITTEN = 2
    TRUNCATED = 3
    SYNCING = 4
    SYNCED = 5
    DELETED = 6
    FOLDER_SYNCED = 7
    CLOSED = 8
    MARK = 9


class Frame(NamedTuple):
    """One thing that was done through one opening (`handle`) of a file: at a place, with data."""

    kind: Kind
    handle: int
    place: int
    data: bytes

    @property
    def name(self) -> str:
        """The file that was opened or deleted."""
        return self.data.decode()

    @property
    def mark(self) -> dict[str, Any]:
        """What the workload said of itself."""
        told: dict[str, Any] = json.loads(self.data)
        return told


class TraceWriter:
    """Appends frames to a trace, for any thread of any process."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def add(self, kind: Kind, handle: int = 0, place: int = 0, data: bytes = b"") -> None:
        frame = _FRAME.pack(kind, handle, place, len(data)) + data
        if os.write(self._descriptor, frame) != len(frame):
            raise OSError("the trace could not be written")

    def mark(self, **told: Any) -> None:
        self.add(Kind.MARK, data=json.dumps(told).encode())

    def close(self) -> None:
        os.close(self._descriptor)


def read_trace(path: Path) -> list[Frame]:
    """Return the frames of a trace."""
    return list(_frames(path.read_bytes()))


def _frames(content: bytes) -> Iterator[Frame]:
    start = 0
    while start < len(content):
        kind, handle, place, length = _FRAME.unpack_from(content, start)
        start += _FRAME.size + length
        yield Frame(Kind(kind), handle, place, content[start - length : start])
