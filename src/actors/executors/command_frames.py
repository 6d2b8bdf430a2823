"""What the spawner and its owner say to each other: frames of a fixed header and the bytes whose lengths it tells."""

from __future__ import annotations

from struct import Struct

RUN, STOP, ENVIRONMENT = 1, 2, 3
"""Requests. RUN's body is the command, then its own variables; ENVIRONMENT's the variables of all; NUL between them."""
STARTED, ENDED, REFUSED = 1, 2, 3
"""Replies. STARTED has the process id in place of the status; REFUSED means that nothing was run (`errno` says why)."""
BY_ITSELF, TIMED_OUT, ASKED, OUTPUT_LOST = 0, 1, 2, 3
"""Why a command ended (OUTPUT_LOST: it was stopped because its output could not be kept, `errno` says why)."""
STDOUT_DESCRIPTOR, STDERR_DESCRIPTOR = 1, 2
"""Flags: which whole streams come along as descriptors, in this order."""

REQUEST = Struct("<BQddI")
"""Kind, ticket, seconds (RUN: time limit), grace (seconds between SIGTERM and SIGKILL), bytes of the body."""
REPLY = Struct("<BBBiQiQQII")
"""Kind, why, flags, errno, ticket, wait status, bytes printed on standard output and on standard error, and how many
first bytes of each follow."""


def request(kind: int, ticket: int, *, grace_seconds: float = 0.0, seconds: float = 0.0, body: bytes = b"") -> bytes:
    """Return one request as bytes."""
    return REQUEST.pack(kind, ticket, seconds, grace_seconds, len(body)) + body


def reply(kind: int, ticket: int, *, status: int = 0, why: int = BY_ITSELF, error: int = 0) -> bytes:
    """Return one reply without output as bytes."""
    return REPLY.pack(kind, why, 0, error, ticket, status, 0, 0, 0, 0)
