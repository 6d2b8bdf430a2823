"""How many children one orchestrator had running at a time, over all its parents, by the log alone."""

from __future__ import annotations

from events.invariants import LogCheck
from events.log import EventLog


def most_running(log: EventLog) -> int:
    """Return the largest number of started and not ended children of one owner at any position of the whole log."""
    check = LogCheck()
    while records := log.tail(check.position):
        for record in records:
            check.take(record.position, record.parent_id, record.fact)
    return check.most_running
