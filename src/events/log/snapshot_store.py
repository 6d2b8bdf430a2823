"""Where snapshots of streams are kept: a convenience, so a recorder need not keep any, and may lose them."""

from __future__ import annotations

from events.log.record import StoredSnapshot


class SnapshotStore:
    """The part of a recorder that keeps snapshots; see `events.log.snapshots`. This one keeps none."""

    def snapshots(self, parent_id: str) -> list[StoredSnapshot]:
        """Return a parent's snapshots without their bodies, newest first; nothing where they cannot be told."""
        del parent_id
        return []

    def snapshot_body(self, parent_id: str, version: int, bytes_max: int) -> bytes | None:
        """Return the body of a snapshot; None where there is none, or a larger one."""
        del parent_id, version, bytes_max
        return None

    def keep_snapshot(self, snapshot: StoredSnapshot, body: bytes) -> None:
        """Keep a snapshot, in a transaction of its own, and of the others of its parent the newest one before it.

        Raises:
            StoreError: it was not kept; where the answer to the commit was lost, it may have been.
        """

    def drop_snapshots(self, parent_id: str) -> None:
        """Drop all snapshots of a parent. Raises StoreError where that was not done."""
