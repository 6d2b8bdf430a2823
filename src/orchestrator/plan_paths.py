"""Parts of an item, as `item.name[0]` names them in filters and templates."""

from __future__ import annotations

import re
from typing import Final

from events.errors import UsageError
from events.payload import Json
from orchestrator.plan_source import quoted

_STEP: Final = re.compile(
    r"\.(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|\[(?:(?P<index>-?[0-9]{1,9})|\"(?P<key>[^\"\\]*)\"|'(?P<other>[^'\\]*)')\]"
)
_STEPS_MAX: Final = 32

Path = tuple[str | int, ...]


def read_path(text: str, at: int = 0) -> tuple[Path, int]:
    """Return the steps that stand at a place of a text, and where they end. Raises UsageError for too many."""
    steps: list[str | int] = []
    while (found := _STEP.match(text, at)) is not None:
        if found["index"] is not None:
            steps.append(int(found["index"]))
        else:
            steps.append(next(part for part in found.group("name", "key", "other") if part is not None))
        at = found.end()
        if len(steps) > _STEPS_MAX:
            raise UsageError(f"{quoted(text)} goes more than {_STEPS_MAX} levels deep")
    return tuple(steps), at


def look_up(value: Json, path: Path) -> tuple[bool, Json]:
    """Return whether a value has a part, and that part."""
    for step in path:
        if isinstance(step, str):
            there = isinstance(value, dict) and step in value
        else:
            there = isinstance(value, list) and -len(value) <= step < len(value)
        if not there:
            return False, None
        value = value[step]
    return True, value
