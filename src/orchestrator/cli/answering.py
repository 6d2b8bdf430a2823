"""How commands ask a store that they have opened: its views where it has any, else its events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from events.facts import ChildProgressed
from events.log.store import EventLog
from events.projections.builtin import BUILT_IN
from events.projections.engine import ProjectionEngine
from events.views import RunStatus
from orchestrator import queries
from orchestrator.answers import Answers
from orchestrator.progress import Progress


class Standing(NamedTuple):
    """How a run stands, and what is said of it beside its status."""

    view: RunStatus
    paused: bool
    owner: str | None
    """Who took it over last and has not released it; None where the views did not tell."""
    said: Mapping[str, ChildProgressed]
    """What running children said last, by child."""


def answers_of(log: EventLog) -> Answers:
    """Return what answers of a store: its views, where it has any, are brought up to date first."""
    has_views = bool(log.recorder.tables().columns("projections"))
    return Answers(log, ProjectionEngine(log, BUILT_IN) if has_views else None)


def standing(log: EventLog, run_id: str, at: int | datetime | None, *, with_said: bool) -> Standing:
    """Return how a run stands, now or at an earlier point; what running children said only `with_said`.

    Raises:
        RunNotFoundError: there is no such run (at that point).
    """
    answers = answers_of(log)
    row = answers.run(run_id) if at is None else None
    if row is not None:
        return Standing(row.view, row.paused, row.owner, answers.said(row) if with_said else {})
    view, paused = queries.status_and_pause(log, run_id, at)
    asks = with_said and view.counts.running > 0
    return Standing(view, paused, None, Progress(log, run_id).look(view.position) if asks else {})
