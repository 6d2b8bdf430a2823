"""The data keys of a store's parents, as far as they can be had here.

Each encrypted parent has a data key of its own, which the store keeps wrapped with a master key. Whether a parent is
encrypted is decided when it is created, and stands on record: its first event is encrypted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from events.errors import KeyNotFoundError, RedactedError, StoreError
from events.log.cipher import Cipher
from events.log.keyring import Keyring, WrappedKey
from events.log.recorder import Recorder
from events.text_forms import ENCRYPTED

_REMEMBERED_MAX: Final = 10_000

_Known = Cipher | StoreError | None
"""A parent's data key; or why it cannot be had; or that there is none, since the parent is not encrypted."""


class Vault:
    """Finds and makes data keys, and remembers those of late. For any thread."""

    def __init__(self, recorder: Recorder, keyring: Keyring | None = None) -> None:
        self._recorder = recorder
        self._keyring = keyring
        self._known: dict[str, _Known] = {}
        self._met = False
        """Whether an encrypted parent was met."""

    @property
    def encrypts(self) -> bool:
        """Whether new parents are encrypted."""
        return self._keyring is not None

    @property
    def idle(self) -> bool:
        """Whether no parent has been met that is encrypted, and none will be made so."""
        return self._keyring is None and not self._met

    def prepare(self, parent_ids: Sequence[str]) -> None:
        """Have data keys on disk for parents that are about to be created; for those there are, nothing is done.

        Raises:
            StoreError: they cannot be kept.
        """
        if self._keyring is not None:
            wanted = [parent_id for parent_id in dict.fromkeys(parent_ids) if parent_id not in self._known]
            if wanted:
                self._recorder.add_keys([self._keyring.fresh(parent_id) for parent_id in wanted])

    def for_writing(self, parent_id: str) -> Cipher | None:
        """Return what encrypts a parent's texts; None where they are written in clear.

        Raises:
            KeyNotFoundError, RedactedError: the parent is encrypted, and its key is not to be had here.
        """
        if self._keyring is None and parent_id not in self._known:
            return None  # a parent that is encrypted was read before anybody writes to it
        return self.required(parent_id)

    def required(self, parent_id: str) -> Cipher | None:
        """Return what opens a parent's texts, looked up if need be; None where they are in clear. See `for_writing`."""
        known = self._find(parent_id)
        if isinstance(known, StoreError):
            raise known
        return known

    def for_reading(self, parent_id: str) -> Cipher | StoreError:
        """Return what opens an encrypted parent's texts, or why there is no such thing here."""
        known = self._find(parent_id)
        if known is None:
            self._remember(parent_id, _missing(parent_id))
            return _missing(parent_id)
        return known

    def is_encrypted(self, parent_id: str) -> bool:
        """Whether a parent on record is encrypted, whether its key is to be had or not."""
        return self._find(parent_id) is not None

    def forget(self, parent_id: str) -> None:
        """Look a parent's key up anew the next time."""
        self._known.pop(parent_id, None)

    def _find(self, parent_id: str) -> _Known:
        if parent_id in self._known:
            return self._known[parent_id]
        found = self._recorder.key_of(parent_id)
        if found is not None:
            return self._remember(parent_id, self._opened(found))
        first = self._recorder.stream(parent_id, limit=1)
        if not first:
            return None  # it may yet be created, by somebody else
        encrypted = isinstance(first[0].data, bytes) and first[0].data.startswith(ENCRYPTED)
        return self._remember(parent_id, _missing(parent_id) if encrypted else None)

    def _remember(self, parent_id: str, known: _Known) -> _Known:
        self._met = self._met or known is not None
        while len(self._known) >= _REMEMBERED_MAX:
            self._known.pop(next(iter(self._known)), None)
        self._known[parent_id] = known
        return known

    def _opened(self, found: WrappedKey) -> Cipher | StoreError:
        """Return a data key that a store keeps, or why it cannot be had."""
        run, key_id = f"run {found.parent_id!r}", found.key_id
        if found.destroyed:
            return RedactedError(f"{run} was redacted: its texts were destroyed, and nothing brings them back")
        if self._keyring is None or key_id not in self._keyring:
            given = "no key was given" if self._keyring is None else f"given were {', '.join(self._keyring.ids)}"
            return KeyNotFoundError(
                f"{run} is encrypted with the key {key_id!r} ({given}): name the file that has it,"
                " with --encryption-key-file, $ORCHESTRATOR_ENCRYPTION_KEY_FILE, or Orchestrator(keyring=...)"
            )
        key = self._keyring.unwrap(found)
        if key is None:
            return KeyNotFoundError(
                f"{run} is encrypted with the key {key_id!r}, and the key of that id that was given is another one"
                " (or the store's parent_keys were altered)"
            )
        return Cipher(key)


def _missing(parent_id: str) -> KeyNotFoundError:
    return KeyNotFoundError(
        f"run {parent_id!r} is encrypted, and its data key is missing from the store's parent_keys: bring back a backup"
    )
