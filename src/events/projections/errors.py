"""Errors of attempts as rows, grouped by type and message.

The texts themselves stay where they are, in the events: a row has their digest, and the versions of the first and the
latest event that hold one of them.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final, NamedTuple

from events.facts import AttemptLost, ChildFinished, ChildRetryScheduled
from events.projections.changes import Write
from events.projections.tables import Table
from events.text_forms import EncryptedText

ERRORS: Final = Table(
    name="errors",
    columns={
        "run": "BIGINT",
        "digest": "TEXT",
        "number": "BIGINT",
        "first_version": "BIGINT",
        "last_version": "BIGINT",
        "last_at": "BIGINT",
    },
    key=("run", "digest"),
    indexes=(("run", "number", "digest"),),
)
"""`run` is the run's key in `view_runs`; `number` how many attempts ended with this error; the versions are those of
the first and the latest event in the run that hold it."""

_CHARS_MAX: Final = 2_000
"""How much of a message counts: as much as is kept in an event of a large error."""


class ErrorText(NamedTuple):
    """What an error says."""

    type: str
    message: str

    @property
    def digest(self) -> str:
        """What tells this error from others: 32 hexadecimal digits."""
        return sha256(json.dumps([*self]).encode()).hexdigest()[:32]


def text_of(fact: ChildFinished | ChildRetryScheduled | AttemptLost) -> ErrorText | None:
    """Return the error that an event holds, `lost` and the reason of an attempt that was lost; None: it holds none."""
    if isinstance(fact, AttemptLost):
        return ErrorText("lost", fact.reason[:_CHARS_MAX])
    if fact.error is None:
        return None
    if isinstance(fact.error, EncryptedText):
        return ErrorText("(encrypted)", "")
    try:
        value: Any = json.loads(fact.error)
    except (ValueError, RecursionError):
        value = fact.error
    if not isinstance(value, dict):
        return None if value is None else ErrorText("", json.dumps(value)[:_CHARS_MAX])
    return ErrorText(str(value.get("type", ""))[:_CHARS_MAX], str(value.get("message", ""))[:_CHARS_MAX])


class Grouped:
    """The errors of one batch."""

    def __init__(self) -> None:
        self._groups: dict[tuple[int, str], list[int]] = {}

    def add(self, run: int, version: int, fact: ChildFinished | ChildRetryScheduled | AttemptLost) -> None:
        """Count the error of an event, if it holds one."""
        text = text_of(fact)
        if text is None:
            return
        group = self._groups.setdefault((run, text.digest), [0, version, version, fact.at])
        group[0] += 1
        group[2:] = version, fact.at

    def writes(self) -> list[Write]:
        """Return what is written of them, and begin anew."""
        rows = [(*key, *group) for key, group in self._groups.items()]
        self._groups = {}
        columns = ("run", "digest", "number+", "first_version?", "last_version", "last_at")
        return [Write(ERRORS, "put", columns, rows)]
