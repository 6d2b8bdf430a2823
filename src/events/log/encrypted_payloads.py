"""Large payloads of an encrypted parent: what lies in its files is encrypted, and named by the hash of that."""

from __future__ import annotations

from collections.abc import Callable

from events.errors import StoreDamagedError
from events.log.cipher import Cipher, place
from events.log.payloads import PayloadStore
from events.log.private import PrivateCatalogue
from events.payload_files import PayloadRef, ref_to
from events.text_forms import text_of


class PayloadsByParent:
    """The stores of payloads of a log, each found when it is needed."""

    def __init__(self, find: Callable[[str], PayloadStore]) -> None:
        self._find = find

    def of(self, parent_id: str) -> PayloadStore:
        """Return the store of a parent. Raises StoreError where its key cannot be had."""
        return self._find(parent_id)


class EncryptedPayloads:
    """A parent's way to a store of payloads. No two parents share a file, for each has a key of its own.

    Within a parent the same text gives the same file, so that putting it again is the same as once.
    """

    def __init__(self, inner: PayloadStore, cipher: Cipher, catalogue: PrivateCatalogue, parent_id: str) -> None:
        self._inner = inner
        self._cipher = cipher
        self._catalogue = catalogue
        self._place = place("payload file", parent_id)

    def put(self, text: str) -> PayloadRef:
        """Keep a text, encrypted; one that is kept already, packed or not, stays in the form that it has."""
        forms = [self._cipher.encrypt_alike(form, self._place) for form in self._catalogue.forms(text)]
        for data in forms:
            ref = ref_to(data)
            if self._inner.has(ref):
                return ref
        return self._inner.put_data(forms[0])

    def get(self, ref: PayloadRef) -> str:
        """Return a text, opened.

        Raises:
            StoreDamagedError: it is missing, is not what was kept, or was encrypted with another key.
            StoreUnavailableError: it cannot be read.
        """
        text = self._cipher.open(self._inner.get_data(ref), self._place)
        if text is None:
            raise StoreDamagedError(f"the payload {ref.sha256} was encrypted with another key")
        return text_of(self._catalogue.unformed(text))

    def put_data(self, data: bytes) -> PayloadRef:
        """Keep bytes as they are."""
        return self._inner.put_data(data)

    def get_data(self, ref: PayloadRef) -> bytes:
        """Return bytes as they were kept, encrypted as they are."""
        return self._inner.get_data(ref)

    def has(self, ref: PayloadRef) -> bool:
        """Whether something is kept, whole."""
        return self._inner.has(ref)

    def remove(self, ref: PayloadRef) -> None:
        """Remove what was kept, if it is there."""
        self._inner.remove(ref)

    def remove_quiet(self, ref: PayloadRef, seconds: float) -> None:
        """Remove what was kept, if it is there, and nobody put it for so long."""
        self._inner.remove_quiet(ref, seconds)
