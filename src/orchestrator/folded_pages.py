"""Pages of runs and of children made from the events alone. They take as long as the history is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from events.errors import StoreDamagedError, StoreError, StoreVersionError, UsageError
from events.log.replay import Replay
from events.log.store import EventLog
from events.strategy import OUTCOMES
from events.views import ChildDraft, ChildView, RunStatus, fold_child, run_status
from orchestrator import given
from orchestrator.page_queries import PageQuery
from orchestrator.queries import fetching, placed, records_until, require, require_then, state_of

Damaged = Callable[[str, StoreError], None]
"""Hears of a run whose record cannot be read, or was written by a newer release, and why."""


class ListedRun(NamedTuple):
    """A run, and what a list says beside its status."""

    view: RunStatus
    paused: bool
    owner: str | None
    """Who works on it, as far as the record says."""


def folded_runs(log: EventLog, query: PageQuery, damaged: Damaged) -> list[ListedRun]:
    """Return a page of runs. Raises UsageError where there is no run of the id in `after`."""
    if query.by == "created" and not query.descending:
        ids = (run_id for run_id, _ in log.recorder.parents(after=query.after))
        return list(islice(_listed(log, ids, query, damaged), query.most))
    found = list(_listed(log, log.recorder.ids(), query._replace(statuses=()), damaged))
    if query.by == "changed":
        found.sort(key=lambda run: run.view.position)
    if query.descending:
        found.reverse()
    if query.after is not None:
        places = [place for place, run in enumerate(found) if run.view.id == query.after]
        if not places:
            raise UsageError(f"there is no run {given.shown_value(query.after)} to go on after")
        found = found[places[0] + 1 :]
    return list(islice((run for run in found if not query.statuses or run.view.status in query.statuses), query.most))


def _listed(log: EventLog, ids: Iterator[str], query: PageQuery, damaged: Damaged) -> Iterator[ListedRun]:
    for run_id in ids:
        run = listed_run(log, run_id, damaged)
        if run is not None and (not query.statuses or run.view.status in query.statuses):
            yield run


def listed_run(log: EventLog, run_id: str, damaged: Damaged) -> ListedRun | None:
    """Return a run as its events have it; None where they cannot be read, which `damaged` is told."""
    try:
        state, position = state_of(log, run_id)
        with placed(log, run_id):
            return ListedRun(run_status(run_id, state, position), state.paused and not state.settled, state.owner)
    except (StoreDamagedError, StoreVersionError) as error:
        damaged(run_id, error)
    except UsageError as error:  # an id that no run was ever given
        damaged(run_id, StoreDamagedError(f"{log.location}: run {run_id!r}: {error}"))
    return None


def folded_children(
    log: EventLog, parent_id: str, query: PageQuery, at: int | datetime | None = None
) -> list[ChildView]:
    """Return a page of a run's children, as they are or were at a point.

    Raises:
        RunNotFoundError: there is no such run (at that point).
        UsageError: no child of the id in `after` has a place in the order.
    """
    require(log, parent_id)
    drafts: dict[str, ChildDraft] = {}
    replay = Replay(log.location)
    for record in records_until(log, parent_id, at):
        replay.take(record)
        fold_child(drafts, record.fact)
    require_then(log, parent_id, replay.state, at)
    if query.after is not None and query.after not in drafts:
        raise UsageError(f"run {parent_id!r} has no child {given.shown_value(query.after)} to go on after")
    ordered = _ordered(drafts, query)
    if query.after is not None:
        ordered = _after(parent_id, ordered, query.after)
    chosen = (draft for draft in ordered if not query.statuses or draft.status in query.statuses)
    fetch = fetching(log, parent_id)
    with placed(log, parent_id):
        return [draft.view(fetch) for draft in islice(chosen, query.most)]


def _ordered(drafts: dict[str, ChildDraft], query: PageQuery) -> list[ChildDraft]:
    found = list(drafts.values())
    if query.by != "index":
        found = [draft for draft in found if draft.status in OUTCOMES and _key(draft, query.by) is not None]
        found.sort(key=lambda draft: (_key(draft, query.by) or 0, draft.prepared.index))
    if query.descending:
        found.reverse()
    return found


def _key(draft: ChildDraft, by: str) -> int | None:
    if by == "finished" or draft.finished_at is None:
        return draft.finished_at
    return None if draft.started_at is None else draft.finished_at - draft.started_at


def _after(parent_id: str, ordered: list[ChildDraft], after: str) -> list[ChildDraft]:
    places = [place for place, draft in enumerate(ordered) if draft.prepared.child_id == after]
    if not places:
        raise no_place(parent_id, after)
    return ordered[places[0] + 1 :]


def no_place(parent_id: str, after: str) -> UsageError:
    """Return the error that a child has no place in an order of those that have ended."""
    child = f"child {given.shown_value(after)} of run {parent_id!r}"
    return UsageError(f"{child} has not ended, or never started: it has no place in this order")
