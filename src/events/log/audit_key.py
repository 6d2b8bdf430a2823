"""The key that seals a store, so that whoever can write its file but has no key is found.

A key is never stored, shown or logged. What is stored of it is a fingerprint, by which another key is told from
damage.
"""

from __future__ import annotations

import hmac
import os
import stat
from pathlib import Path
from typing import Final

from events.errors import UsageError

_BYTES_MIN: Final = 16
_BYTES_MAX: Final = 4096
_FINGERPRINT_BYTES: Final = 8
_BLANK: Final = b" \t\r\n"


class AuditKey:
    """A secret that seals are made with: from 16 to 4,096 bytes. Blanks and line ends around it do not count.

    Raises UsageError for what can be no key.
    """

    __slots__ = ("_key", "fingerprint")

    def __init__(self, secret: bytes) -> None:
        if not isinstance(secret, bytes):
            raise UsageError(f"an audit key is bytes, not a value of type {type(secret).__qualname__}")
        self._key = secret.strip(_BLANK)
        if not _BYTES_MIN <= len(self._key) <= _BYTES_MAX:
            raise UsageError(
                f"an audit key has from {_BYTES_MIN} to {_BYTES_MAX:,} bytes, this one has {len(self._key):,};"
                " make one with: head -c 32 /dev/urandom | base64"
            )
        self.fingerprint: Final = self.mac(b"orchestrator: the fingerprint of this key")[:_FINGERPRINT_BYTES]
        """Tells one key from another, and nothing else of it."""

    def __repr__(self) -> str:
        return f"AuditKey({self.fingerprint.hex()})"

    def __reduce__(self) -> str:
        raise TypeError("an audit key cannot be pickled")

    def mac(self, message: bytes) -> bytes:
        """Return the HMAC-SHA256 of a message: 32 bytes."""
        return hmac.digest(self._key, message, "sha256")


def read_secret(path: str | os.PathLike[str]) -> bytes:
    """Return the key that a file holds.

    Raises:
        UsageError: the file is no plain file, cannot be read, or holds no key. What it holds is not repeated.
    """
    where = f"the audit key in {os.fspath(path)!r}"
    try:
        secret = _content(Path(path))
        AuditKey(secret)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise UsageError(f"{where}: {reason or error}") from None
    return secret


def read_key(path: str | os.PathLike[str]) -> AuditKey:
    """Return the key that a file holds. Raises UsageError; see `read_secret`."""
    return AuditKey(read_secret(path))


def _content(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UsageError("it is no plain file")
        return file.read(_BYTES_MAX + 64)
