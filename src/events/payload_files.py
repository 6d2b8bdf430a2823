"""Large payloads: on record stands which file holds them, by hash and size."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pydantic import Field

from events.model import Model

_MESSAGE_CHARS_MAX: Final = 2_000
_NAMES_MAX: Final = 100


class PayloadRef(Model):
    """Stands on record for a payload that lies in a file: the SHA-256 (hex) of its text, and how many bytes it has."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=1)


class Referred(NamedTuple):
    """One payload of a fact that lies in a file."""

    child_id: str
    what: str
    """`input`, `output` or `error`."""
    ref: PayloadRef


def payload_bytes(text: str) -> bytes:
    """Return a payload's text as it lies in a file."""
    return text.encode("utf-8", "surrogatepass")


def ref_to(data: bytes) -> PayloadRef:
    """Return what stands on record for these bytes."""
    return PayloadRef(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def is_what(ref: PayloadRef, data: bytes) -> bool:
    """Whether these bytes are those that stand on record."""
    return len(data) == ref.bytes and hashlib.sha256(data).hexdigest() == ref.sha256


def referred(fact: Any) -> Iterator[Referred]:
    """Yield the payloads of a fact that lie in files."""
    for what in ("input", "output", "error"):
        ref = getattr(fact, f"{what}_file", None)
        if ref is not None:
            yield Referred(fact.child_id, what, ref)


def same_payload(one: str, one_file: PayloadRef | None, other: str, other_file: PayloadRef | None) -> bool:
    """Whether two payloads are the same, wherever each of them lies."""
    if one_file is None and other_file is None:
        return one == other
    refs = [
        ref_to(payload_bytes(text)) if file is None else file for text, file in ((one, one_file), (other, other_file))
    ]
    return refs[0] == refs[1]


def error_head(text: str) -> str:
    """Return what is kept of a large error beside its file: its type and those it is derived from, and its message."""
    value: Any = json.loads(text)
    if not isinstance(value, dict):
        return "null"
    bases = value.get("bases")
    head: dict[str, Any] = {}
    if isinstance(value.get("type"), str):
        head["type"] = value["type"][:_MESSAGE_CHARS_MAX]
    if isinstance(value.get("message"), str):
        head["message"] = value["message"][:_MESSAGE_CHARS_MAX]
    if isinstance(bases, list):
        head["bases"] = [base[:_MESSAGE_CHARS_MAX] for base in bases[:_NAMES_MAX] if isinstance(base, str)]
    return json.dumps(head, separators=(",", ":"))
