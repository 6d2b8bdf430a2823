"""The one who looks on: every fact that is put on record and everything that anybody is told, against the promises.

A broken promise is kept as `violation`; the first one counts. It is not raised where it is seen, for there an actor
would die of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar, Final

from actors.executors.work import AttemptKey, Ending
from actors.hearing import EndedChild
from actors.observers import ParentFinished
from events.errors import InvariantBrokenError
from events.facts import (
    AttemptLost,
    CancelRequested,
    ChildCreated,
    ChildFinished,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
    OwnershipTaken,
    ParentDecided,
)
from events.invariants import HistoryCheck, LogCheck
from events.log import Batch, Verdict, Written
from events.state import ParentState
from tests.simulation.disk import Disk


class Violation(Exception):  # noqa: N818 - it is what was looked for
    """A promise was broken. `name` is the invariant's."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


QUEUE_SLACK_US: Final = 2_000_000
"""How much longer a child may wait for a start than it should, for all that may go wrong with a timer."""


class Watcher:
    """Checks all parents of one simulated machine, in the order in which things happen."""

    def __init__(
        self,
        max_workers: int,
        disk: Disk,
        elapsed_us: Callable[[], int],
        lives: Callable[[str], bool],
        asked_for: Collection[str],
    ) -> None:
        """`elapsed_us` tells simulated time, `lives` whether a process does; `asked_for` are the users' parents."""
        self.violation: Violation | None = None
        self.robbed = False
        """Whether somebody took a parent over from an owner that may live, on purpose."""
        self.clock_jumped = False
        """Whether the wall clock ever told something else than the time that passed."""
        self.histories: dict[str, HistoryCheck] = {}
        self.facts = 0
        self.settled_count = 0
        """How many of the users' parents are settled, on record."""
        self.finished: set[tuple[str, str, str, int]] = set()
        """Parent, child, outcome and attempt of every end of a child."""
        self._log = LogCheck(max_workers)
        self._catalogue = disk.catalogue
        self._disk = disk
        self._elapsed_us = elapsed_us
        self._lives = lives
        self._asked_for = asked_for
        self._known_since: dict[tuple[str, str], int] = {}
        """Since when in simulated time it is on record that a child waits."""
        self._cancelled_at: dict[str, int] = {}
        """When users asked to cancel a parent, on record."""
        self._started: set[AttemptKey] = set()
        self._came_to: dict[AttemptKey, list[Ending]] = {}
        """What attempts came to, in whatever processes they ran."""
        self._begun: set[tuple[str, AttemptKey]] = set()
        self._retries: dict[tuple[str, str], tuple[str, int]] = {}
        """Children that wait: who scheduled that, and when they are due in simulated time."""
        self._decided: set[tuple[str, str]] = set()
        self.told: set[tuple[str, str]] = set()
        """Which process told an engine of the decision of which parent."""
        self.onlookers: list[Callable[[str, Sequence[Batch], Sequence[Verdict]], None]] = []
        """Called after each append, with what `appended` takes: a test that holds more than this does looks on here."""

    def break_promise(self, name: str, text: str) -> None:
        """Note that a promise was broken, unless one was before."""
        if self.violation is None:
            self.violation = Violation(name, text)

    def appended(self, owner: str, batches: Sequence[Batch], verdicts: Sequence[Verdict]) -> None:
        """Check facts at the instant when they are on record."""
        for batch, verdict in zip(batches, verdicts, strict=True):
            if isinstance(verdict, Written):
                try:
                    self._take(owner, batch, verdict)
                except InvariantBrokenError as error:
                    self.break_promise(error.invariant, f"{batch.parent_id}: {error}")
        for look in self.onlookers:
            look(owner, batches, verdicts)

    def _take(self, owner: str, batch: Batch, verdict: Written) -> None:
        parent_id = batch.parent_id
        history = self.histories.get(parent_id)
        if history is None:
            history = self.histories[parent_id] = HistoryCheck()
        settled, decode, log = history.recount.settled, self._catalogue.decode, self._log
        for (name, data), position in zip(batch.rows, verdict.positions, strict=True):
            fact = decode(name, data)
            self.facts += 1
            before = self._BEFORE.get(type(fact))
            if before is not None:
                before(self, owner, parent_id, fact, history)
            history.take(fact)
            log.take(position, parent_id, fact)
            after = self._AFTER.get(type(fact))
            if after is not None:
                after(self, parent_id, fact)
        history.finish()
        if parent_id in self._asked_for:
            self.settled_count += history.recount.settled - settled

    def _check_wait(self, parent_id: str, fact: ChildStarted, state: ParentState) -> None:
        """Check that a child did not wait longer for its start than it may."""
        child = state.children.get(fact.child_id)
        limits = None if child is None or child.prepared is None else child.prepared.limits
        if child is None or limits is None or limits.queue_timeout_seconds is None or state.owner is None:
            return
        waited_us = min(
            fact.at - max(child.since, state.resumed_at),
            self._elapsed_us() - self._known_since.get((parent_id, fact.child_id), 0),  # a commit may take its time
        )
        waited_us = self.late_us(waited_us)
        if waited_us > limits.queue_timeout_seconds * 1_000_000 + QUEUE_SLACK_US:
            self.break_promise("queues-end", f"{parent_id}: {fact.child_id} started after {waited_us} us of waiting")

    def late_us(self, late_us: int) -> int:
        """Return by how much somebody is late that could have done something; what is not late is negative."""
        return late_us - self._disk.stalled_us(self._elapsed_us() - late_us) if late_us > 0 else late_us

    def stop_asked_at(self, parent_id: str, state: ParentState) -> int:
        """Return when what runs of a decided parent was asked to stop."""
        return max(state.decided_at or 0, self._cancelled_at.get(parent_id, 0))

    def version(self, parent_id: str) -> int:
        """Return how many facts of a parent are on record."""
        history = self.histories.get(parent_id)
        return 0 if history is None else history.version

    def settled(self, parent_id: str) -> bool:
        """Whether a parent is settled, on record."""
        history = self.histories.get(parent_id)
        return history is not None and history.recount.settled

    def ended(self, key: AttemptKey, ending: Ending) -> None:
        """Take note of what an attempt came to."""
        self._came_to.setdefault(key, []).append(ending)

    # What depends on who appends, and on when that is by a clock that does not jump: before a fact is taken

    def _before_ownership(self, process: str, parent_id: str, _: OwnershipTaken, history: HistoryCheck) -> None:
        owner = history.recount.owner
        allowed = self.robbed or history.recount.settled  # what is settled, whoever redrives it may take
        if owner not in (None, process) and self._lives(str(owner)) and not allowed:
            self.break_promise("owners-are-respected", f"{parent_id}: {process} took it from {owner}, which lives")

    def _before_waiting(
        self, _: str, parent_id: str, fact: ChildCreated | ChildRedriven | AttemptLost, history: HistoryCheck
    ) -> None:
        if isinstance(fact, AttemptLost) and history.state.children[fact.child_id].nested:
            self.break_promise("nested-runs-go-on", f"{parent_id}: {fact.child_id} is lost, and runs on")
        self._known_since[parent_id, fact.child_id] = self._elapsed_us()

    def _before_retry(self, process: str, parent_id: str, fact: ChildRetryScheduled, _: HistoryCheck) -> None:
        due_us = self._elapsed_us() + fact.not_before - fact.at
        self._retries[parent_id, fact.child_id] = (process, due_us)

    def _before_end(self, _: str, parent_id: str, fact: ChildFinished, __: HistoryCheck) -> None:
        self._retries.pop((parent_id, fact.child_id), None)  # a redrive waits for nothing

    def _before_start(self, process: str, parent_id: str, fact: ChildStarted, history: HistoryCheck) -> None:
        owner = history.recount.owner
        if owner not in (None, process):
            self.break_promise("only-owners-start", f"{parent_id}: {process} starts {fact.child_id}, {owner} owns it")
        scheduled_by, due_us = self._retries.pop((parent_id, fact.child_id), (process, 0))
        if scheduled_by == process and owner is not None and self._elapsed_us() < due_us:
            early = (due_us - self._elapsed_us()) / 1_000_000
            self.break_promise("retry-waits", f"{parent_id}: {fact.child_id} starts {early:g} s early")
        if not self.clock_jumped:
            self._check_wait(parent_id, fact, history.state)

    _BEFORE: ClassVar[dict[type[Fact], Callable[[Watcher, str, str, Any, HistoryCheck], None]]] = {
        OwnershipTaken: _before_ownership,
        ChildCreated: _before_waiting,
        ChildRedriven: _before_waiting,
        AttemptLost: _before_waiting,
        ChildRetryScheduled: _before_retry,
        ChildFinished: _before_end,
        ChildStarted: _before_start,
    }

    # What others are held against later on: after a fact was taken

    def _after_start(self, parent_id: str, fact: ChildStarted) -> None:
        self._started.add(AttemptKey(parent_id, fact.child_id, fact.attempt))

    def _after_end(self, parent_id: str, fact: ChildFinished) -> None:
        self.finished.add((parent_id, fact.child_id, fact.outcome, fact.attempt))
        self._check_output(parent_id, fact)

    def _after_decision(self, parent_id: str, fact: ParentDecided) -> None:
        self._decided.add((parent_id, fact.status))

    def _after_cancel(self, parent_id: str, fact: CancelRequested) -> None:
        self._cancelled_at[parent_id] = fact.at

    def _check_output(self, parent_id: str, fact: ChildFinished) -> None:
        """Check that what is on record is what an attempt returned: itself, or the file in which it lies."""
        endings = self._came_to.get(AttemptKey(parent_id, fact.child_id, fact.attempt))
        if fact.outcome != "succeeded" or endings is None:
            return
        outputs = [(None if each.output_file else each.output, each.output_file) for each in endings]
        if (fact.output, fact.output_file) not in outputs:
            text = f"{parent_id}: {fact.child_id} did not return what is on record"
            self.break_promise("outputs-are-on-record", text)

    _AFTER: ClassVar[dict[type[Fact], Callable[[Watcher, str, Any], None]]] = {
        ChildStarted: _after_start,
        ChildFinished: _after_end,
        ParentDecided: _after_decision,
        CancelRequested: _after_cancel,
    }

    # What people are told

    def begun(self, process: str, key: AttemptKey) -> None:
        """Check that the start of an attempt is on record when its work begins, and that it does not begin twice."""
        if (process, key) in self._begun:
            self.break_promise("begun-once", f"{process} begins {key} twice")
        self._begun.add((process, key))
        if key not in self._started:
            self.break_promise("started-before-work", f"the work of {key} begins and its start is not on record")

    def told_state(self, parent_id: str, state: ParentState) -> None:
        """Check a state that somebody was told: it must be on record."""
        if state.version > self.version(parent_id):
            text = f"{parent_id}: told of version {state.version}, on record are {self.version(parent_id)}"
            self.break_promise("recorded-before-told", text)

    def told_ended(self, parent_id: str, ended: Sequence[EndedChild]) -> None:
        """Check outcomes that a listener was told: they must be those on record."""
        for child in ended:
            if (parent_id, child.child_id, child.outcome, child.attempt) not in self.finished:
                self.break_promise("recorded-before-told", f"{parent_id}: told {child}, which is not on record")

    def told_finished(self, process: str, message: ParentFinished) -> None:
        """Check a parent's outcome that an engine was told."""
        self.told.add((process, message.parent_id))
        if (message.parent_id, message.status) not in self._decided:
            self.break_promise("recorded-before-told", f"told {message}, which is not on record")
