"""The catalogue of a log whose texts may be packed or encrypted: facts in, stored bytes out, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from events.catalogue import Catalogue
from events.errors import KeyNotFoundError, StoreDamagedError, StoreError
from events.facts import Fact
from events.log.cipher import Cipher, place
from events.log.vault import Vault
from events.text_forms import ENCRYPTED, PACKED, EncryptedText, framed, joined, pack, parted, text_of, unpack

_PLAIN: Final = b"\x00"
_PACKED: Final = b"\x01"
_WITHHELD: Final = KeyNotFoundError("it is of an encrypted run: views are given no texts of those")
_GAIN: Final = 0.9
"""A text is packed where it then takes less than this part of its room."""


class PrivateCatalogue(Catalogue):
    """Another catalogue, and what packs, encrypts and opens texts."""

    def __init__(self, inner: Catalogue, vault: Vault, packed_bytes_min: int | None) -> None:
        """Wrap a catalogue. Texts of at least `packed_bytes_min` bytes are packed; None: no texts are."""
        super().__init__({}, {}, inner.unpacked_bytes_max)
        self._inner = inner
        self.blind: Final = inner
        """What opens no encrypted text, whatever keys there are: for whatever is kept in clear, such as views."""
        self._vault = vault
        self._packed_bytes_min = packed_bytes_min

    def encode(self, fact: Fact) -> tuple[str, bytes]:
        """Return the stored name and the plain stored bytes of a fact."""
        return self._inner.encode(fact)

    def encode_all(self, facts: Sequence[Fact]) -> list[tuple[str, bytes]]:
        """Return the stored names and the plain stored bytes of facts."""
        return self._inner.encode_all(facts)

    def plain(self, name: str) -> Callable[[bytes], Fact] | None:
        """Return what decodes plain bytes of this stored name, if that is all there is to do."""
        return None if name == "Redacted" else self._inner.plain(name)

    def decode(self, name: str, data: bytes) -> Fact:
        """Return a fact that was stored at an unknown place, so that nothing encrypted can be opened."""
        return self._inner.decode(name, data)

    def encode_at(self, parent_id: str, version: int, fact: Fact, cipher: Cipher | None) -> tuple[str, bytes]:
        """Return the stored name and bytes of a fact at a version of a parent's stream."""
        texts = self._inner.texts(fact)
        if cipher is None:
            packed = {each: data for each, text in texts.items() if (data := self._packed(text)) is not None}
            if not packed:
                return self._inner.encode(fact)
            name, rest = self._inner.encode_without(fact, packed)
            return name, framed(PACKED, packed, rest)
        if not texts:
            return self._inner.encode(fact)
        name, rest = self._inner.encode_without(fact, texts)
        encrypted = {
            each: cipher.encrypt(self.formed(text), place("text", parent_id, version, name, each))
            for each, text in texts.items()
        }
        return name, framed(ENCRYPTED, encrypted, rest)

    def withheld(self, fact: Fact) -> Fact:
        """Return a fact of an encrypted parent without its texts."""
        texts = self._inner.texts(fact)
        return fact.model_copy(update=dict.fromkeys(texts, EncryptedText.of(_WITHHELD))) if texts else fact

    def decode_at(self, parent_id: str, version: int, name: str, data: bytes) -> Fact:
        """Return the fact that was stored at a version of a parent's stream.

        Raises:
            StoreDamagedError: it is none; or an encrypted text was altered, or moved here from elsewhere.
            StoreVersionError: the row was written by a newer release.
        """
        if not data.startswith(ENCRYPTED):
            if name == "Redacted":
                self._vault.forget(parent_id)  # should its key be remembered here, it opens nothing any more
            return self._inner.decode(name, data)
        try:
            texts, fields = parted(name, data)
        except (ValueError, RecursionError, LookupError, TypeError) as error:
            raise StoreDamagedError(f"unreadable {name}: {error}") from error
        cipher = self._vault.for_reading(parent_id)
        if isinstance(cipher, StoreError):
            return self._inner.closed(name, texts, fields, cipher)
        return self._inner.decode(name, self._opened(cipher, (parent_id, version, name), texts, fields))

    def _opened(
        self, cipher: Cipher, where: tuple[str, int, str], texts: dict[str, bytes], fields: dict[str, Any]
    ) -> bytes:
        parent_id, version, name = where
        found: dict[str, str] = {}
        for each, encrypted in texts.items():
            text = cipher.open(encrypted, place("text", parent_id, version, name, each))
            if text is None:
                raise StoreDamagedError(f"its {each} was altered, moved here, or encrypted with another key")
            found[each] = text_of(self.unformed(text))
        return joined(fields, found)

    def formed(self, text: str) -> bytes:
        """Return a text as it is encrypted: its form, then itself, packed where that is asked for and gains."""
        packed = self._packed(text)
        return _PLAIN + text.encode("utf-8", "surrogatepass") if packed is None else _PACKED + packed

    def forms(self, text: str) -> tuple[bytes, bytes]:
        """Return both forms in which a text may have been encrypted, first that in which it would be now."""
        now = self.formed(text)
        data = text.encode("utf-8", "surrogatepass")
        return now, _PACKED + pack(data) if now[:1] == _PLAIN else _PLAIN + data

    def unformed(self, data: bytes) -> bytes:
        """Return the bytes of a text from what was encrypted. Raises StoreDamagedError where it unpacks to too much."""
        return unpack(data[1:], self.unpacked_bytes_max) if data[:1] == _PACKED else data[1:]

    def _packed(self, text: str) -> bytes | None:
        """Return a text packed; None where it is too short for that, or gains nothing."""
        if self._packed_bytes_min is None or len(text) < self._packed_bytes_min:
            return None
        packed = pack(text.encode("utf-8", "surrogatepass"))
        return packed if len(packed) * 4 < len(text) * 3 * _GAIN else None
