"""Releases that never were: three forms of one event, and the catalogues that read and write them.

Today's form of `ChildStarted` is taken for the third. In the first one the worker was a number called `slot`, in the
second one a number called `worker_number`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from events.catalogue import DEFAULT_CATALOGUE, TYPES, Catalogue
from events.facts import Fact
from events.log import Batch, EventLog, SQLiteRecorder


def named_worker_number(fields: dict[str, Any]) -> dict[str, Any]:
    """Turn the first form into the second: the field got another name."""
    return {"worker_number" if name == "slot" else name: value for name, value in fields.items()}


def worker_as_text(fields: dict[str, Any]) -> dict[str, Any]:
    """Turn the second form into the third: a text, under another name."""
    number = fields.pop("worker_number")
    return fields | {"worker": str(number)}


SECOND: Final = Catalogue(TYPES, {"ChildStarted": (named_worker_number,)})
THIRD: Final = Catalogue(TYPES, {"ChildStarted": (named_worker_number, worker_as_text)})
"""A release that has today's form, and knows how the first two became it."""
TODAY: Final = DEFAULT_CATALOGUE
"""What is in use: an old release, next to the third one."""


def first_form(fact: Fact) -> tuple[str, bytes]:
    """Return a fact as the first release stored it."""
    name, data = TODAY.encode(fact)
    if name != "ChildStarted":
        return name, data
    return name, data.replace(b'"worker":"', b'"slot":').replace(b'"}', b"}")


def second_form(fact: Fact) -> tuple[str, bytes]:
    """Return a fact as the second release stored it."""
    name, data = first_form(fact)
    return (name, b'{"v":2,' + data[1:].replace(b"slot", b"worker_number")) if name == "ChildStarted" else (name, data)


def third_form(fact: Fact) -> tuple[str, bytes]:
    """Return a fact as the third release stores it."""
    return THIRD.encode(fact)


def written(store: Path, parent_id: str, rows: Sequence[tuple[str, bytes]]) -> None:
    """Put rows into a store as they are, in a transaction of their own."""
    with SQLiteRecorder(store) as recorder:
        head = recorder.head(parent_id)
        recorder.append([Batch(parent_id, 0 if head is None else head.version, rows)])


def opened(store: Path, catalogue: Catalogue) -> EventLog:
    """Open a store as another release would."""
    return EventLog(SQLiteRecorder(store, must_exist=True), catalogue)
