"""What went wrong with a child, in a few words."""

from __future__ import annotations

import json
from typing import Any, Final

NESTED_ERROR: Final = "NestedRunEnded"
"""The kind of error of a child that is a parent, and whose run did not succeed."""
_OUR_KINDS: Final = (
    *("CommandFailed", "CommandNotStarted", "TimedOut", "TotalTimedOut", "QueueTimedOut", "HeartbeatMissed"),
    *("Cancelled", "AttemptLost", "SourceFailed", NESTED_ERROR),
)
"""Kinds of errors whose message says all there is to say."""


def error_fields(text: str | None) -> dict[str, Any]:
    """Return the fields of an error on record; none where it has none that can be read."""
    try:
        error = json.loads(text or "null")
    except (ValueError, RecursionError):  # whoever ran the attempt said what nobody can read
        return {}
    return error if isinstance(error, dict) else {}


def error_words(text: str | None) -> str:
    """Return what an error on record says: `ValueError: bad row`, the message alone of our own; "" where it is mute."""
    error = error_fields(text)
    kind, message = error.get("type"), error.get("message")
    if not isinstance(message, str) or not message:
        return kind if isinstance(kind, str) else ""
    return message if kind in _OUR_KINDS or not isinstance(kind, str) else f"{kind}: {message}"
