"""A page of children: their rows in the view, joined with the events that hold their texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from events.errors import StoreDamagedError
from events.facts import ChildFinished, ChildPrepared, ChildProgressed, ChildRetryScheduled, Fact
from events.log.reading import decoded
from events.log.store import EventLog
from events.projections.reading import ChildRecord
from events.views import ChildDraft, ChildView
from orchestrator.queries import fetching, placed

_TYPES: Final = ("ChildPrepared", "ChildFinished", "ChildRetryScheduled", "ChildProgressed")
"""The events that hold what is shown of a child."""
_GAP_MAX: Final = 16
"""How many events are read along with those that are needed, rather than ask the store once more."""


def joined(log: EventLog, parent_id: str, records: Sequence[ChildRecord]) -> list[ChildView]:
    """Return children as people see them.

    Raises:
        StoreDamagedError: an event is not what its child's row says it is, or a text cannot be read.
    """
    wanted = {version for record in records for version in _versions(record)} - {0}
    facts = dict(_facts(log, parent_id, sorted(wanted)))
    fetch = fetching(log, parent_id)
    with placed(log, parent_id):
        return [_draft(record, facts).view(fetch) for record in records]


def _versions(record: ChildRecord) -> tuple[int, ...]:
    return record.prepared_version, record.output_version, record.error_version, record.said_version


def _facts(log: EventLog, parent_id: str, versions: Sequence[int]) -> Iterable[tuple[int, Fact]]:
    """Yield the facts of these versions: those that stand near one another are read at once."""
    wanted = set(versions)
    for first, last in _spans(versions):
        for row in log.recorder.stream(parent_id, after_version=first - 1, upto_version=last, types=_TYPES):
            if row.version in wanted:
                yield row.version, decoded(row, log.catalogue, log.location)


def _spans(versions: Sequence[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for version in versions:
        if spans and version - spans[-1][1] <= _GAP_MAX:
            spans[-1] = (spans[-1][0], version)
        else:
            spans.append((version, version))
    return spans


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
