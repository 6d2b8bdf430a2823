"""How many children one orchestrator had running at a time, over all its parents, by the log alone."""

from __future__ import annotations

from collections import Counter

from events.facts import AttemptLost, ChildFinished, ChildRetryScheduled, ChildStarted, OwnershipTaken
from events.log import EventLog


def most_running(log: EventLog) -> int:
    """Return the largest number of started and not ended children of one owner at any position of the whole log."""
    records = [record for parent_id, _ in log.recorder.parents() for record in log.read(parent_id)]
    owners: dict[str, str] = {}
    running: dict[tuple[str, str], str] = {}
    counts: Counter[str] = Counter()
    most = 0
    for record in sorted(records, key=lambda record: record.position):
        fact = record.fact
        if isinstance(fact, OwnershipTaken):
            owners[record.parent_id] = fact.owner
        elif isinstance(fact, ChildStarted):
            owner = running[record.parent_id, fact.child_id] = owners[record.parent_id]
            counts[owner] += 1
            most = max(most, counts[owner])
        elif isinstance(fact, ChildFinished | ChildRetryScheduled | AttemptLost):
            owner_then = running.pop((record.parent_id, fact.child_id), None)
            if owner_then is not None:
                counts[owner_then] -= 1
    return most
