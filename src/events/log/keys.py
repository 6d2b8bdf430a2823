"""Where the data keys of encrypted parents are kept: beside the log, each wrapped with a master key."""

from __future__ import annotations

from collections.abc import Sequence

from events.errors import UsageError
from events.log.keyring import WrappedKey
from events.log.record import Batch


class KeyStore:
    """The part of a recorder that keeps data keys. This one keeps none. Any thread may call any method."""

    location: str

    def key_of(self, parent_id: str) -> WrappedKey | None:  # noqa: ARG002 - there are none
        """Return the data key that an encrypted parent has, destroyed or not; None where it has none."""
        return None

    def add_keys(self, keys: Sequence[WrappedKey]) -> None:
        """Keep data keys, on disk when this returns, for those parents that have none yet and are not there yet.

        Raises:
            StoreError: they are not kept.
        """
        if keys:
            raise UsageError(f"{self.location}: this store keeps no keys, so nothing in it can be encrypted")

    def redact(self, batches: Sequence[Batch], parent_ids: Sequence[str]) -> None:  # noqa: ARG002 - there are none
        """Destroy data keys of parents, and write batches, all in one transaction; then leave no copy of the keys.

        Raises:
            VersionConflictError: a batch's stream stands elsewhere; nothing was done.
            StoreError: it was not done, or copies may be left. Doing it again is safe.
        """
        raise UsageError(f"{self.location}: this store keeps no keys, so there are none to destroy in it")
