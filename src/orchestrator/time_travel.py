"""What a run's handle can say of its past: step through it, compare two points of it, explain it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from events.comparison import RunDiff
    from events.explanation import Explanation
    from orchestrator.engine import Engine
    from orchestrator.replaying import ReplayStep

NAMED_MAX: Final = 20
"""How many open children a step of a replay names when nothing else is said."""


class TimeTravel:
    """Looks back. A point of the past is a position in the log, or a time that knows its zone."""

    _engine: Engine
    id: str

    def replay(
        self, start: int | datetime | None = None, end: int | datetime | None = None, *, open_max: int = NAMED_MAX
    ) -> Iterator[ReplayStep]:
        """Yield each event of the run, with its status and its open children right after it, up to the latest.

        From point `start` to point `end`, both included. A step names `open_max` of the open children at most, and
        1,000 in any case. Constant work for each event, and nothing of a step is kept.

        Raises:
            UsageError: a point is no position and no time, or a time without a zone.
            StoreDamagedError: the record is damaged; the steps before that place have been yielded.
        """
        from orchestrator import replaying

        self._engine.require_process()
        return replaying.replay(self._engine.log, self.id, start, end, named=open_max)

    def diff(self, a: int | datetime, b: int | datetime) -> RunDiff:
        """Return what is different in the run at point `b` from what was at point `a`: fields, and which children.

        Either may be the earlier one.

        Raises:
            RunNotFoundError: there was no such run yet at one of them.
            UsageError: a point is no position and no time, or a time without a zone.
            StoreDamagedError: the record is damaged.
        """
        from orchestrator import comparing

        self._engine.require_process()
        return comparing.diff(self._engine.log, self.id, a, b)

    def explain(self, at: int | datetime | None = None) -> Explanation:
        """Return why the run stands as it does, now or as it did at point `at`; its `text` says it in one paragraph.

        Of a run that is decided: by what event, under which rule, by which children and their errors. Of one that is
        not: what it waits for, and what can still decide it.

        Raises:
            RunNotFoundError: there was no such run yet at that point.
            UsageError: the point is no position and no time, or a time without a zone.
            StoreDamagedError: the record is damaged.
        """
        from orchestrator import explaining

        self._engine.require_process()
        return explaining.explain(self._engine.log, self.id, at)
