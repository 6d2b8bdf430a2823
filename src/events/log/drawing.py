"""Reading of a parent's stream only what a decision needs: its facts as a whole, its counts, one child of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from pydantic_core import to_json

from events.catalogue import type_name
from events.errors import Place, StoreDamagedError
from events.facts import ChildPrepared, Fact
from events.log.reading import decoded
from events.log.record import Row
from events.log.recorder import LAST
from events.log.store import EventLog
from events.membership import Membership
from events.sketch import TOLD_NAMES, WHOLE_NAMES, Outline, Portrait, Sketch

_ROWS: Final = 10_000
"""How many rows are held in memory at a time."""
_SEARCHED_MAX: Final = 4
"""For so many children the store is searched one by one; for more, all that were prepared are looked at, once."""
_PREPARED: Final = ("ChildPrepared",)
_CHILD_ID: Final = re.compile(rb'"child_id":"(?:[^"\\]|\\.)*"')
"""Where a fact names its child, as the catalogue writes it; within texts, quotes are escaped."""


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


def joined(log: EventLog, parent_id: str, end: End, base: Outline | Sketch, ids: Collection[str]) -> Membership:
    """Return an outline or a sketch that was drawn up to an end of the stream, with what is added to it in view.

    That is, how many children there are, and what those of some ids were asked to do.
    """
    counts = log.recorder.tally(parent_id, end.position)
    if sum(counts.values()) != end.version:
        raise _missing(log, parent_id)
    total, created = counts.get("ChildPrepared", 0), counts.get("ChildCreated", 0)
    known = {fact.index: fact for fact in prepared_of(log, parent_id, ids, end.position)}
    if created < total and not base.state.membership_closed:
        rows = log.recorder.stream(
            parent_id, upto_position=end.position, types=_PREPARED, descending=True, limit=total - created
        )
        found = [decoded(row, log.catalogue, log.location) for row in rows]
        known |= {fact.index: fact for fact in found if isinstance(fact, ChildPrepared)}
    return Membership(base, total, created, known.values())


def prepared_of(
    log: EventLog, parent_id: str, ids: Collection[str], upto_position: int = LAST
) -> Iterator[ChildPrepared]:
    """Yield what children of these ids were asked to do, without decoding what the others were."""
    ids = frozenset(ids)
    for row in _that_may_name(log, parent_id, {_mark(child_id) for child_id in ids}, upto_position):
        fact = decoded(row, log.catalogue, log.location)
        if isinstance(fact, ChildPrepared) and fact.child_id in ids:
            yield fact


def _that_may_name(log: EventLog, parent_id: str, marks: Collection[bytes], upto_position: int) -> Iterator[Row]:
    """Yield the rows in which children were prepared that are marked so, and those in which no child is named."""
    recorder = log.recorder
    if len(marks) <= _SEARCHED_MAX:
        for mark in marks:
            yield from recorder.holding(parent_id, mark, upto_position, _PREPARED)
        return
    for row in recorder.rows(parent_id, upto_position=upto_position, types=_PREPARED, batch=_ROWS):
        found = _CHILD_ID.search(row.data) if isinstance(row.data, bytes) else None
        if found is None or found.group() in marks:
            yield row


def _mark(child_id: str) -> bytes:
    return b'"child_id":' + to_json(child_id)


def facts_about(log: EventLog, parent_id: str, child_id: str, upto_position: int = LAST) -> Iterator[Fact]:
    """Yield the facts of a parent that name one child, without decoding the others."""
    for row in log.recorder.holding(parent_id, _mark(child_id), upto_position):
        fact = decoded(row, log.catalogue, log.location)
        if getattr(fact, "child_id", None) == child_id:
            yield fact


def _whole(log: EventLog, parent_id: str, end: End) -> list[Row]:
    return log.recorder.stream(parent_id, upto_position=end.position, types=tuple(WHOLE_NAMES))


def _missing(log: EventLog, parent_id: str) -> StoreDamagedError:
    return StoreDamagedError.at(log.location, Place(parent_id, None, None, "some of its events are missing"))
