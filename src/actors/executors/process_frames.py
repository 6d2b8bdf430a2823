"""What a worker process and its owner say to each other: frames of a fixed header and a body of JSON text."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from struct import Struct
from typing import Any, Final, NamedTuple

SETUP: Final = 1
"""To a worker, first of all: the owner's `sys.path` and `sys.argv`."""
RUN: Final = 2
"""To a worker: run an attempt."""
CANCEL: Final = 3
"""To a worker: ask the task to stop."""
GO_HOME: Final = 4
"""To a worker that has nothing to do: end."""
TO_WORKER: Final = frozenset({SETUP, RUN, CANCEL, GO_HOME})

READY: Final = 65
"""From a worker: it is up."""
BEGUN: Final = 66
"""From a worker: the task is loaded and is called now."""
HEARTBEAT: Final = 67
"""From a worker: the task lives; how far it is, and a few words."""
ENDED: Final = 68
"""From a worker: how the attempt ended."""
TO_OWNER: Final = frozenset({READY, BEGUN, HEARTBEAT, ENDED})

_HEADER: Final = Struct("<BQI")
"""Kind, the attempt's number (0 for none), bytes of the body."""
_BODY_BYTES_MAX: Final = 2**32 - 1
"""The most that the header can tell of."""


class Frame(NamedTuple):
    """One thing that was said."""

    kind: int
    number: int
    body: bytes

    def value(self) -> Any:
        """Return what the body holds. Raises ValueError where that is no JSON (NaN and the like included)."""
        return load_json(self.body)


class Frames:
    """Takes bytes in, gives whole frames out.

    Raises:
        ValueError: what came is no frame.
    """

    def __init__(self, kinds: Collection[int], body_bytes_max: int = _BODY_BYTES_MAX) -> None:
        self._kinds = kinds
        self._body_bytes_max = body_bytes_max
        self._received = bytearray()

    def take(self, data: bytes) -> Iterator[Frame]:
        """Yield each frame that is whole now."""
        received = self._received
        received += data
        start = 0
        try:
            while len(received) > start:
                if received[start] not in self._kinds:  # seen at once: there may come nothing more
                    raise ValueError("what came is no frame")
                if len(received) < start + _HEADER.size:
                    break
                kind, number, length = _HEADER.unpack_from(received, start)
                if length > self._body_bytes_max:
                    raise ValueError("what came is no frame")
                body = start + _HEADER.size
                if len(received) < body + length:
                    break
                start = body + length
                yield Frame(kind, number, bytes(received[body:start]))
        finally:
            del received[:start]


def frame(kind: int, number: int = 0, value: Any = None) -> bytes:
    """Return one frame as bytes."""
    body = b"" if value is None else json.dumps(value, separators=(",", ":")).encode()
    return _HEADER.pack(kind, number, len(body)) + body


def load_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raises ValueError for any other text, NaN and the like included."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("the text is nested too deeply") from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
