"""What an audit makes of data keys: each encrypted parent has one, destroyed just where the record says so."""

from __future__ import annotations

from collections.abc import Iterator

from events.log.findings import Finding
from events.log.store import EventLog


def key_findings(log: EventLog, parent_id: str | None) -> Iterator[Finding]:
    """Yield what is wrong with the data key of a parent whose record was found to be sound.

    Raises:
        StoreError: the store cannot be read.
    """
    if parent_id is None or not log.vault.is_encrypted(parent_id):
        return
    key = log.recorder.key_of(parent_id)
    redacted = bool(log.recorder.stream(parent_id, types=("Redacted",), limit=1))
    if key is None:
        yield Finding(parent_id, None, None, "it is encrypted, and its data key is missing")
    elif key.destroyed and not redacted:
        yield Finding(parent_id, None, None, "its data key was destroyed, and nothing on record says so")
    elif redacted and not key.destroyed:
        yield Finding(parent_id, None, None, "it was redacted, and its data key is still there: redact it again")
