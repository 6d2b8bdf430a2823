"""`as_completed`: children as they end, from the log, whoever works on the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from events.facts import ChildFinished, ChildRedriven, Fact, ParentSettled, Redriven
from events.log.store import EventLog
from events.views import ChildDraft, ChildView, fold_child
from orchestrator.queries import fetching, placed
from orchestrator.reading import typed_output
from orchestrator.tasks import TaskRegistry


class _Look(NamedTuple):
    """What is new on record."""

    ended: list[str]
    """Children, in the order in which they ended."""
    settled: bool


class Completing:
    """One reader's way through a run: each child is given out once, when it has ended."""

    def __init__(self, log: EventLog, parent_id: str, tasks: TaskRegistry) -> None:
        self._log = log
        self._parent_id = parent_id
        self._tasks = tasks
        self._fetch = fetching(log, parent_id)
        self._drafts: dict[str, ChildDraft] = {}
        self._hash: bytes | None = None
        self._given: set[str] = set()
        self.version = 0
        """Up to which version of the stream was read."""

    def children(self, wait: Callable[[int], None]) -> Iterator[ChildView]:
        """Yield children as they end, until the run is settled.

        `wait` returns when there may be more than a version on record, and raises where it is waited for too long.
        """
        while True:
            look = self._look()
            for child_id in look.ended:
                yield self._view(child_id)
            if look.settled:
                return
            wait(self.version)

    def _look(self) -> _Look:
        """Read what is new. Of a run that was redriven, the children whose end stands, in the order of those ends."""
        ended: dict[str, None] = {}
        settled = False
        for record in self._log.read(self._parent_id, after_version=self.version, after_hash=self._hash):
            fact: Fact = record.fact
            fold_child(self._drafts, fact)
            self.version, self._hash = record.version, record.hash
            if isinstance(fact, ChildFinished) and fact.child_id not in self._given:
                ended[fact.child_id] = None
            elif isinstance(fact, ChildRedriven):
                ended.pop(fact.child_id, None)
            elif isinstance(fact, ParentSettled | Redriven):
                settled = isinstance(fact, ParentSettled)
        self._given.update(ended)
        return _Look(list(ended), settled)

    def _view(self, child_id: str) -> ChildView:
        with placed(self._log, self._parent_id):
            view = self._drafts[child_id].view(self._fetch)
        if view.status != "succeeded":
            return view
        return replace(view, output=typed_output(self._tasks, view.task, child_id, view.output))
