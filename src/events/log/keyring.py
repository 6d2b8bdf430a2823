"""Master keys: each wraps the data keys of parents. They come from a file, and no store ever holds them."""

from __future__ import annotations

import binascii
import hashlib
import os
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Final, NamedTuple

from events.errors import UsageError
from events.log.cipher import KEY_BYTES, NONCE_BYTES, TAG_BYTES, Cipher, fresh_key, place

_FILE_BYTES_MAX: Final = 65_536
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID_CHARS: Final = 8


DESTROYED: Final = bytes(NONCE_BYTES + KEY_BYTES + TAG_BYTES)
"""What stands in the place of a wrapped key that was destroyed: zeros, as many as it had bytes."""


class WrappedKey(NamedTuple):
    """A parent's data key as a store keeps it: encrypted with a master key."""

    parent_id: str
    key_id: str
    """Which master key that is."""
    wrapped: bytes
    """All zeros once the data key was destroyed."""

    @property
    def destroyed(self) -> bool:
        """Whether it was destroyed, so that what it encrypted can never be read again."""
        return not any(self.wrapped)

    def zeroed(self) -> WrappedKey:
        """Return it destroyed."""
        return self._replace(wrapped=DESTROYED)


class Keyring:
    """Master keys by their ids. New parents use the first; the others open what was encrypted before."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Take keys of 32 bytes each.

        Raises:
            UsageError: there is none, or one is no key, or an id is none.
            MissingExtraError: the library for encryption is not installed.
        """
        if not isinstance(keys, Mapping) or not keys:
            raise UsageError("a keyring is a mapping from ids to keys of 32 bytes, with one key at least")
        self._ciphers: dict[str, Cipher] = {}
        for key_id, key in keys.items():
            if not isinstance(key_id, str) or not _ID.fullmatch(key_id):
                raise UsageError(f"a key's id is letters, digits, dots, dashes and underscores, not {key_id!r:.100}")
            if not isinstance(key, bytes) or len(key) != KEY_BYTES:
                raise UsageError(f"key {key_id!r}: a key is {KEY_BYTES} bytes")
            self._ciphers[key_id] = Cipher(key)
        self.first: Final = next(iter(self._ciphers))
        """The id of the key that new parents use."""

    def __contains__(self, key_id: str) -> bool:
        return key_id in self._ciphers

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, that of new parents first."""
        return tuple(self._ciphers)

    def fresh(self, parent_id: str) -> WrappedKey:
        """Return a new data key for a parent, wrapped."""
        return self.wrap(parent_id, fresh_key())

    def wrap(self, parent_id: str, key: bytes) -> WrappedKey:
        """Return a parent's data key, wrapped with the first master key."""
        encrypted = self._ciphers[self.first].encrypt(key, _where(parent_id, self.first))
        return WrappedKey(parent_id, self.first, encrypted)

    def unwrap(self, wrapped: WrappedKey) -> bytes | None:
        """Return a parent's data key; None where it was not wrapped for it with the key of that id.

        Raises:
            KeyError: there is no key of that id.
        """
        return self._ciphers[wrapped.key_id].open(wrapped.wrapped, _where(wrapped.parent_id, wrapped.key_id))


def _where(parent_id: str, key_id: str) -> bytes:
    return place("data key", parent_id, key_id)


def keys_of(keys: str | os.PathLike[str] | Mapping[str, bytes] | None) -> Keyring | None:
    """Return the keys that a path or a mapping stands for; None where there are none.

    Raises:
        UsageError: it stands for no keys.
        MissingExtraError: the library for encryption is not installed.
    """
    if keys is None:
        return None
    return read_keyring(keys) if isinstance(keys, str | os.PathLike) else Keyring(keys)


def read_keyring(path: str | os.PathLike[str]) -> Keyring:
    """Return the keys that a file holds.

    That is one key as 32 bytes; or text: on each line a key as base64 or hexadecimal, with its id before it where it
    has one. A key without an id has one that is made of it. Empty lines, and those that begin with `#`, say nothing.

    Raises:
        UsageError: it cannot be read, or holds no keys. The message never shows any of it.
        MissingExtraError: the library for encryption is not installed.
    """
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a path may be a number of bytes, too
            data = file.read(_FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"the key file {name} cannot be read: {reason}") from None
    if len(data) == KEY_BYTES:
        return Keyring({_id_of(data): data})
    if len(data) > _FILE_BYTES_MAX:
        raise UsageError(f"the key file {name} is no key file: it has more than {_FILE_BYTES_MAX:,} bytes")
    keys: dict[str, bytes] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        key = _key(words[-1]) if len(words) <= 2 else None
        if key is None:
            raise UsageError(
                f"the key file {name}, line {number}: expected 32 bytes as base64 or hexadecimal, with an id before"
                " them or none"
            )
        key_id = words[0] if len(words) == 2 else _id_of(key)
        if key_id in keys:
            raise UsageError(f"the key file {name}, line {number}: a second key of the id {key_id!r:.100}")
        keys[key_id] = key
    if not keys:
        raise UsageError(f"the key file {name} holds no key; make one with: head -c 32 /dev/urandom > {name}")
    return Keyring(keys)


def _id_of(key: bytes) -> str:
    """Return the id of a key that has none of its own; it says nothing about the key."""
    return hashlib.sha256(b"parallel-orchestrator: the id of a key" + key).hexdigest()[:_ID_CHARS]


def _key(text: str) -> bytes | None:
    """Return the 32 bytes that a text stands for; None where it stands for none."""
    for decode in (bytes.fromhex, lambda told: b64decode(told, validate=True)):
        try:
            key = decode(text)
        except (ValueError, binascii.Error):
            continue
        if len(key) == KEY_BYTES:
            return key
    return None
