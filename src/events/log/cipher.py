"""AES-256-GCM, from the library `cryptography`, which an extra brings along. It is imported when it is first needed."""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING, Final

from events.errors import MissingExtraError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16


class Cipher:
    """One key. What it encrypts cannot be read, altered, or taken for something that was encrypted elsewhere."""

    __slots__ = ("_aead", "_nonces")

    def __init__(self, key: bytes) -> None:
        """Take a key of 32 bytes.

        Raises:
            MissingExtraError: the library is not installed.
        """
        self._aead = _aead(key)
        self._nonces = hmac.digest(key, b"parallel-orchestrator: nonces of payload files", "sha256")

    def encrypt(self, text: bytes, place: bytes) -> bytes:
        """Return a text encrypted for a place: a fresh nonce of 96 bits, then what the cipher gives, its tag last."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, text, place)

    def encrypt_alike(self, text: bytes, place: bytes) -> bytes:
        """Return a text encrypted so that the same text at the same place gives the same bytes.

        The nonce is a keyed hash of the two: different ones share a nonce no likelier than by chance.
        """
        nonce = hmac.digest(self._nonces, len(place).to_bytes(8, "big") + place + text, "sha256")[:NONCE_BYTES]
        return nonce + self._aead.encrypt(nonce, text, place)

    def open(self, encrypted: bytes, place: bytes) -> bytes | None:
        """Return the text that was encrypted for a place; None where these bytes are not what was."""
        from cryptography.exceptions import InvalidTag

        if len(encrypted) < NONCE_BYTES + TAG_BYTES:
            return None
        try:
            return self._aead.decrypt(encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:], place)
        except InvalidTag:
            return None


def fresh_key() -> bytes:
    """Return a new random key."""
    return os.urandom(KEY_BYTES)


def _aead(key: bytes) -> AESGCM:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise MissingExtraError(
            "encryption needs the library cryptography: install the extra crypto,"
            ' as in pip install "parallel-orchestrator[crypto]"'
        ) from None
    return AESGCM(key)


def place(*parts: str | int) -> bytes:
    """Return the name of a place, made so that no two lists of parts have the same: what is encrypted belongs there."""
    encoded = [str(part).encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
