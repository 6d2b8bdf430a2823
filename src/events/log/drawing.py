"""Reading of a parent's stream only what a decision needs: its facts as a whole, its counts, one child of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from pydantic_core import to_json

from events.catalogue import type_name
from events.errors import Place, StoreDamagedError
from events.facts import Fact
from events.log.reading import decoded
from events.log.record import Row
from events.log.recorder import LAST
from events.log.store import EventLog
from events.sketch import TOLD_NAMES, WHOLE_NAMES, Outline, Portrait, Sketch

_ROWS: Final = 10_000
"""How many rows are held in memory at a time."""


class End(NamedTuple):
    """The last event of a stream as it was when it was looked at."""

    version: int
    position: int
    at: int


def end_of(log: EventLog, parent_id: str) -> End | None:
    """Return where a parent's stream ends; None where there is no such parent.

    Raises:
        StoreDamagedError: it does not end where its head says.
    """
    head = log.head(parent_id)
    if head is None:
        return None
    rows = log.recorder.stream(parent_id, after_version=head.version - 1, limit=1)
    if not rows or rows[0].version != head.version:
        raise _missing(log, parent_id)
    return End(head.version, rows[0].position, decoded(rows[0], log.catalogue, log.location).at)


def outlined(log: EventLog, parent_id: str, end: End) -> Outline:
    """Return the outline of a parent up to an end of its stream."""
    outline = Outline()
    for row in _whole(log, parent_id, end):
        outline.add_fact(row.type, decoded(row, log.catalogue, log.location))
    outline.version = end.version
    return outline


def sketched(log: EventLog, parent_id: str, end: End) -> Sketch:
    """Return the sketch of a parent up to an end of its stream."""
    sketch, recorder = Sketch(), log.recorder
    for row in _whole(log, parent_id, end):
        sketch.add_fact(row.type, decoded(row, log.catalogue, log.location))
    told = recorder.rows(parent_id, upto_position=end.position, types=tuple(TOLD_NAMES), batch=_ROWS)
    for row in told:
        sketch.add_row(row.type, row.data)
    first = recorder.stream(parent_id, upto_position=end.position, types=("ChildStarted",), limit=1)
    counts = recorder.tally(parent_id, end.position)
    counted = {name: count for name, count in counts.items() if name not in WHOLE_NAMES | TOLD_NAMES}
    sketch.add_counts(counted, decoded(first[0], log.catalogue, log.location).at if first else None)
    if sketch.version != end.version:
        raise _missing(log, parent_id)
    return sketch


def portrayed(log: EventLog, parent_id: str, end: End, sketch: Sketch, child_id: str) -> Portrait:
    """Return a sketch that was drawn up to an end of the stream, with one child of the parent."""
    portrait = Portrait(sketch, child_id)
    for fact in facts_about(log, parent_id, child_id, end.position):
        portrait.add_own(type_name(fact), fact)
    return portrait


def facts_about(log: EventLog, parent_id: str, child_id: str, upto_position: int = LAST) -> Iterator[Fact]:
    """Yield the facts of a parent that name one child, without decoding the others."""
    mark = b'"child_id":' + to_json(child_id)  # as the catalogue writes it; within texts, quotes are escaped
    for row in log.recorder.holding(parent_id, mark, upto_position):
        fact = decoded(row, log.catalogue, log.location)
        if getattr(fact, "child_id", None) == child_id:
            yield fact


def _whole(log: EventLog, parent_id: str, end: End) -> list[Row]:
    return log.recorder.stream(parent_id, upto_position=end.position, types=tuple(WHOLE_NAMES))


def _missing(log: EventLog, parent_id: str) -> StoreDamagedError:
    return StoreDamagedError.at(log.location, Place(parent_id, None, None, "some of its events are missing"))
