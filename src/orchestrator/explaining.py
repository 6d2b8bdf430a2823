"""Why a run stands as it does, read from its history."""

from __future__ import annotations

from datetime import datetime

from events.explanation import Explanation, explanation
from events.explanation_words import Clock
from events.log.replay import Replay
from events.log.store import EventLog
from events.story import Story
from orchestrator.queries import placed, records_until, require, require_then


def explain(
    log: EventLog, parent_id: str, at: int | datetime | None = None, *, clock: Clock | None = None
) -> Explanation:
    """Return why a run stands as it does, now or as it did at an earlier point.

    `clock` writes times for the text, from microseconds since 1970; in UTC when it is not given.

    Raises:
        RunNotFoundError: there is no such run, or was none yet at that point.
        UsageError: the point is no position and no time.
        StoreDamagedError: the record is damaged.
    """
    require(log, parent_id)
    story, replay = Story(), Replay(log.location)
    for record in records_until(log, parent_id, at):
        replay.take(record)
        story.take(record.fact, record.position, replay.state)
    require_then(log, parent_id, replay.state, at)
    with placed(log, parent_id):
        return explanation(parent_id, story, clock)
