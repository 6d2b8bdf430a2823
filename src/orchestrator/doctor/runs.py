"""What the doctor says of runs: which of them nobody works on, since when their oldest child is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from actors.owner import owner_alive
from events.errors import StoreDamagedError, StoreVersionError
from events.facts import AttemptLost, ChildFinished, ChildRetryScheduled, ChildStarted, OwnershipTaken
from events.log.reading import decoded
from events.log.store import EventLog
from events.views import moment
from orchestrator import queries
from orchestrator.doctor.remark import Remark
from orchestrator.shown_text import many

_TOLD: Final = 10
_TURNS: Final = ("ChildStarted", "ChildFinished", "ChildRetryScheduled", "AttemptLost")


def runs(log: EventLog, resume: Callable[[str], str]) -> Iterator[Remark]:
    """Say which runs are unfinished and have no living owner. `resume` gives the command that goes on with one."""
    unfinished = queries.unfinished(log)
    alone: list[str] = []
    told: set[str] = set()
    for run_id in unfinished:
        try:
            outermost = queries.outermost(log, run_id)
            if _is_worked_on(log, run_id) or outermost in told:
                continue
            told.add(outermost)
            alone.append(outermost)
            if len(alone) <= _TOLD:
                yield Remark("run", "warn", f"{outermost}: nobody works on it{_oldest(log, run_id)}", resume(outermost))
        except (StoreDamagedError, StoreVersionError) as error:
            yield Remark("run", "fail", str(error), "orchestrator audit verify says what is damaged")
    if len(alone) > _TOLD:
        yield Remark("run", "warn", f"and {len(alone) - _TOLD:,} more that nobody works on", "orchestrator resume")
    total = sum(1 for _ in log.recorder.ids())
    yield Remark("runs", "ok", f"{many(total, 'run')}, {len(unfinished):,} of them unfinished")


def _is_worked_on(log: EventLog, run_id: str) -> bool:
    fact = queries.latest_fact(log, run_id, "OwnershipTaken", "OwnershipReleased")
    return isinstance(fact, OwnershipTaken) and owner_alive(fact.owner)


def _oldest(log: EventLog, run_id: str) -> str:
    """Say which child has been running longest, as far as the record says."""
    running: dict[str, int] = {}
    for row in log.recorder.rows(run_id, types=_TURNS):
        fact = decoded(row, log.catalogue, log.location)
        if isinstance(fact, ChildStarted):
            running[fact.child_id] = fact.at
        elif isinstance(fact, ChildFinished | ChildRetryScheduled | AttemptLost):
            running.pop(fact.child_id, None)
    if not running:
        return ""
    child_id, at = min(running.items(), key=lambda item: item[1])
    since = moment(at)
    when = since.astimezone() if isinstance(since, datetime) else "?"
    many = "child is" if len(running) == 1 else "children are"
    return f", {len(running):,} {many} open, the oldest one ({child_id}) since {when:%Y-%m-%d %H:%M:%S}"
