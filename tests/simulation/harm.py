"""What may become of a snapshot on its way to the disk."""

from __future__ import annotations

from typing import Final

from events.log import StoredSnapshot
from events.log.snapshots import digest_of
from events.snapshot import decoded, encoded

HARMS: Final = ("refused", "crash before", "crash after", "cut", "mixed", "other code", "other record")


def harmed(kind: str, snapshot: StoredSnapshot, body: bytes) -> tuple[StoredSnapshot, bytes]:
    """Return what lies on the disk then. Whoever believed it would go on from a wrong state."""
    if kind == "cut":
        return snapshot, body[: len(body) // 2]
    wrong = decoded(body, snapshot.version)
    wrong_body = encoded(wrong.replace(retries=wrong.version))
    longer = snapshot._replace(body_bytes=len(wrong_body))
    if kind == "mixed":  # the body is not the one that the digest tells of
        return longer, wrong_body
    if kind == "other code":
        other = longer._replace(code="0:" + "0" * 32)
        return other._replace(digest=digest_of(other, wrong_body)), wrong_body
    if kind == "other record":
        other = longer._replace(hash=bytes(32))
        return other._replace(digest=digest_of(other, wrong_body)), wrong_body
    return snapshot, body
