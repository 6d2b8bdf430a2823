"""A page of children: their rows in the view, joined with the events that hold their texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from events.errors import StoreDamagedError
from events.facts import ChildFinished, ChildPrepared, ChildProgressed, ChildRetryScheduled, Fact
from events.log.reading import decoded
from events.log.store import EventLog
from events.projections.reading import ChildRecord
from events.views import ChildDraft, ChildView
from orchestrator.queries import fetching, placed

_PICKED: Final = 1_000
"""How many events are asked for at a time."""


def joined(log: EventLog, parent_id: str, records: Sequence[ChildRecord]) -> list[ChildView]:
    """Return children as people see them.

    Raises:
        StoreDamagedError: an event is not what its child's row says it is, or a text cannot be read.
    """
    wanted = {record.prepared_version for record in records}
    for record in records:
        wanted.update((record.output_version, record.error_version, record.said_version))
    wanted.discard(0)
    facts = dict(_facts(log, parent_id, sorted(wanted)))
    fetch = fetching(log, parent_id)
    with placed(log, parent_id):
        return [_draft(record, facts).view(fetch) for record in records]


def said(log: EventLog, parent_id: str, records: Sequence[ChildRecord]) -> dict[str, ChildProgressed]:
    """Return what children said last, by child, in the order in which they said it.

    Raises:
        StoreDamagedError: an event cannot be read.
    """
    facts = _facts(log, parent_id, sorted(record.said_version for record in records if record.said_version))
    return {fact.child_id: fact for _, fact in facts if isinstance(fact, ChildProgressed)}


def _facts(log: EventLog, parent_id: str, versions: Sequence[int]) -> Iterator[tuple[int, Fact]]:
    """Yield the facts of these versions."""
    catalogue, location = log.catalogue, log.location
    for start in range(0, len(versions), _PICKED):
        for row in log.recorder.picked(parent_id, versions[start : start + _PICKED]):
            yield row.version, decoded(row, catalogue, location)


def _draft(record: ChildRecord, facts: dict[int, Fact]) -> ChildDraft:
    prepared = facts.get(record.prepared_version)
    if not isinstance(prepared, ChildPrepared) or prepared.child_id != record.id:
        raise StoreDamagedError(f"the view's row of child {record.id!r} does not fit the events")
    draft = ChildDraft(prepared)
    draft.status, draft.attempts = record.status, record.attempts
    draft.started_at, draft.finished_at = record.started_at, record.finished_at
    output, error, said = (
        facts.get(record.output_version),
        facts.get(record.error_version),
        facts.get(record.said_version),
    )
    if isinstance(output, ChildFinished):
        draft.output, draft.output_file = output.output, output.output_file
    if isinstance(error, ChildFinished | ChildRetryScheduled):
        draft.error, draft.error_file = error.error, error.error_file
    if isinstance(said, ChildProgressed):
        draft.progress, draft.message = said.progress, said.message
    return draft
