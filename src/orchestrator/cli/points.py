"""Points in the log as they are written on the command line: a position, or a time."""

from __future__ import annotations

import re
from datetime import datetime

from events.errors import UsageError


def point(text: str | None, name: str) -> int | datetime | None:
    """Return a position in the log or a time; one without a zone is local. None stays None.

    Raises:
        UsageError: it is neither. `name` is that of the option or argument.
    """
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,18}", text):
        return int(text)
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(
            f"{name} takes a position such as 120 or a time such as 2026-11-22T03:00, not {text!r}"
        ) from None


def some_point(text: str, name: str) -> int | datetime:
    """Return what `point` does, of what cannot be left out."""
    found = point(text, name)
    return 0 if found is None else found
