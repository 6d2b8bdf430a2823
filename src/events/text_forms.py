"""Users' texts that stand on record in another form: packed (compressed) or encrypted (encrypted).

Such an event's stored JSON begins with one field of its own, and the texts are absent where they would stand:

    {"packed":{"output":"<base64>"},"at":1,"child_id":"1","attempt":1,"outcome":"succeeded"}
    {"encrypted":{"output":"<base64>"},"at":1,"child_id":"1","attempt":1,"outcome":"succeeded"}

No fact has fields of these names, and a user's data are only ever within texts, so neither can be taken for the other.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from binascii import Error as BadBase64Error
from collections.abc import Mapping
from typing import Any, Final, Self

from events.errors import StoreDamagedError, StoreError

PACKED: Final = b'{"packed":'
ENCRYPTED: Final = b'{"encrypted":'

TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "ParentCreated": ("metadata", "content"),
    "ChildPrepared": ("input",),
    "ChildRetryScheduled": ("error",),
    "AttemptLost": ("reason",),
    "AttemptEndedLate": ("output", "error"),
    "ChildProgressed": ("message",),
    "ChildCancelRequested": ("reason",),
    "ChildFinished": ("output", "error"),
    "CancelRequested": ("reason",),
    "Paused": ("reason",),
    "Redriven": ("reason",),
}
"""By stored name: the fields that hold users' texts. `content` is among them: whoever knows the digest of a short text
can find out by trying what it says."""


class EncryptedText(str):
    """Stands in a fact for a text that is encrypted on record and cannot be read here. As a text it is empty."""

    __slots__ = ("why",)

    why: StoreError
    """The error for whoever needs the text."""

    @classmethod
    def of(cls, why: StoreError) -> Self:
        """Return one that cannot be read for a reason."""
        made = cls()
        made.why = why
        return made


def require_open(text: str | None) -> None:
    """Raise the error that says why a text cannot be read here, where it is encrypted."""
    if isinstance(text, EncryptedText):
        raise text.why


def pack(text: bytes) -> bytes:
    """Return a text compressed."""
    return zlib.compress(text, 6)


def unpack(data: bytes, bytes_max: int) -> bytes:
    """Return a compressed text. It never takes more than `bytes_max`, whatever the data claim to hold.

    Raises:
        StoreDamagedError: it would be longer, or the data are no compressed text.
    """
    inflating = zlib.decompressobj()
    try:
        text = inflating.decompress(data, bytes_max + 1)
    except zlib.error as error:
        raise StoreDamagedError(f"a packed text is none: {error}") from None
    if len(text) > bytes_max:
        raise StoreDamagedError(
            f"a packed text has more bytes than the limit unpacked_bytes_max of {bytes_max:,}; "
            "if it is sound, raise that limit"
        )
    if not inflating.eof or inflating.unused_data:
        raise StoreDamagedError("a packed text is cut off, or followed by something else")
    return text


def framed(mark: bytes, texts: Mapping[str, bytes], rest: bytes) -> bytes:
    """Return an event's stored bytes: texts in another form before the rest of its JSON object."""
    shown = json.dumps({name: b64encode(data).decode() for name, data in texts.items()}, separators=(",", ":"))
    return b"%b%b,%b" % (mark, shown.encode(), rest[1:])


def parted(name: str, data: bytes) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return what `framed` put together: the texts in their other form, and the other fields.

    Raises:
        StoreDamagedError: it did not; or there are texts among them that events of this type do not have.
        ValueError: the data are no JSON.
    """
    fields = json.loads(data)
    found = fields.pop("packed" if data.startswith(PACKED) else "encrypted")
    allowed = TEXTS.get(name, ())
    if not isinstance(found, dict) or not found or any(each not in allowed or each in fields for each in found):
        raise StoreDamagedError(f"unreadable {name}: it has texts that events of its type do not have")
    try:
        return {each: b64decode(text, validate=True) for each, text in found.items()}, fields
    except (BadBase64Error, TypeError, ValueError):
        raise StoreDamagedError(f"unreadable {name}: a packed or encrypted text is no base64") from None


def joined(fields: dict[str, Any], texts: Mapping[str, str]) -> bytes:
    """Return an event's plain JSON again, with its texts where they belong."""
    return json.dumps(fields | dict(texts), separators=(",", ":")).encode()


def text_of(data: bytes) -> str:
    """Return a text from its bytes, lone surrogates and all. Raises StoreDamagedError where they are none."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise StoreDamagedError("a packed or encrypted text is no text") from None
