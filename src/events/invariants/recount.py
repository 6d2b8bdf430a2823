"""An independent fold of one parent's facts, with plain dicts and counters, which refuses what may not happen.

It keeps a little for each child, and next to nothing for one that succeeded; each fact is constant work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from events.facts import (
    AttemptEndedLate,
    AttemptLost,
    CancelRequested,
    ChildCancelRequested,
    ChildCreated,
    ChildFinished,
    ChildPrepared,
    ChildProgressed,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    DeadlinePassed,
    Fact,
    LimitsChanged,
    MembershipClosed,
    OwnershipReleased,
    OwnershipTaken,
    ParentCreated,
    ParentDecided,
    ParentSettled,
    Paused,
    Redacted,
    Redriven,
    Resumed,
)
from events.invariants.child import CountedChild, check_retry, overdue
from events.invariants.parent_count import Due, ParentCount
from events.invariants.promises import broken

_NO_SLOT: Final = "nested"


class Recount(ParentCount):
    """One parent, counted anew. `take` its facts in order; after an error it is of no further use."""

    def __init__(self, *, cut_anywhere: bool) -> None:
        super().__init__(cut_anywhere=cut_anywhere)
        self._open: dict[str, CountedChild] = {}
        self._late: set[tuple[str, int]] = set()
        """Attempts of which a late end is on record."""
        self._leaves = self._leaves_running = 0
        """How many open children that were created take a slot, or would; and how many have one."""

    def take(self, fact: Fact) -> None:
        """Take the next fact. Raises InvariantBrokenError where it may not be the next one."""
        taker = self._TAKERS.get(type(fact))
        if taker is None:
            raise broken("known-fact", "it is of a type that these checks do not know")
        if (self._made is None) != isinstance(fact, ParentCreated):
            raise broken("created-first", "the first fact, and only it, creates the parent")
        self.check_due(fact)
        taker(self, fact)
        self.status = self.judged()

    @property
    def wanted(self) -> int:
        """How many slots the parent can use: for what runs and, unless nothing starts, for what may start."""
        if self.halting or self.paused:
            return self._leaves_running
        places = max(0, self.max_workers - self.running)
        return min(self._leaves, self._leaves_running + places)

    def _child_prepared(self, fact: ChildPrepared) -> None:
        if self.closed:
            raise broken("membership-closes", "the membership is closed")
        if fact.child_id in self._open or fact.child_id in self._over:
            raise broken("child-once", f"child {fact.child_id!r} is known already")
        if fact.index != self.total:
            raise broken("index-order", f"its index should be {self.total}, not {fact.index}")
        self._open[fact.child_id] = CountedChild(fact)
        self.total += 1

    def _child_created(self, fact: ChildCreated) -> None:
        child = self._child(fact.child_id)
        if child.index != self.released or child.created:
            raise broken("index-order", f"children are created in index order: {self.released} comes next")
        self.released += 1
        child.created = True
        self._leaves += not child.nested

    def _child(self, child_id: str) -> CountedChild:
        child = self._open.get(child_id)
        if child is not None:
            return child
        if child_id in self._over:
            raise broken("one-outcome", f"child {child_id!r} has ended already")
        raise broken("child-known", f"there is no child {child_id!r}")

    def _child_started(self, fact: ChildStarted) -> None:
        child = self._child(fact.child_id)
        if not child.created:
            raise broken("start-after-creation", "the child was not created")
        if child.running:
            raise broken("one-attempt-at-a-time", f"attempt {child.attempts} of the child is running")
        if fact.attempt != child.attempts + 1:
            raise broken("attempts-count-up", f"its attempt should be {child.attempts + 1}, not {fact.attempt}")
        if fact.worker == _NO_SLOT and not child.nested:
            raise broken("nested-takes-no-slot", "the child is no parent itself")
        if child.nested and fact.worker not in (_NO_SLOT, "engine"):
            raise broken("nested-takes-no-slot", f"the child is a parent itself, and takes the slot of {fact.worker!r}")
        if not (self.owner is None and fact.worker == "engine"):  # its start is on record with its end
            self._check_moment(child, fact.at)
        if self.halting:
            raise broken("nothing-starts", "no child is to be started any more")
        if self.running >= self.max_workers:
            raise broken("bounded", f"max_workers are running already: {self.running}")
        child.start(fact.attempt, fact.at)
        child.slotless = fact.worker == _NO_SLOT
        self.running += 1
        self.slotless += child.slotless
        self._leaves_running += not child.nested
        self.started = True

    def _check_moment(self, child: CountedChild, at: int) -> None:
        """Check that a child may be started now, by the clocks and by what was asked for."""
        if child.not_before is not None and at < child.not_before:
            raise broken("retry-waits", "it is too early for the retry")
        if child.asked:
            raise broken("cancelled-child-stays-down", "the child was asked to stop")
        if self.paused and not self.halting:
            raise broken("paused-starts-nothing", "the parent is paused")
        if child.spent(at):
            raise broken("total-time-is-kept", "its whole time is over")

    def _stop_running(self, child_id: str, attempt: int) -> CountedChild:
        child = self._child(child_id)
        if not child.running:
            raise broken("ends-what-runs", "no attempt of the child is running")
        if attempt != child.attempts:
            raise broken("attempts-count-up", f"attempt {child.attempts} is the one that is running, not {attempt}")
        child.running, child.not_before = False, None
        self.running -= 1
        self.slotless -= child.slotless
        self._leaves_running -= not child.nested
        return child

    def _child_retry_scheduled(self, fact: ChildRetryScheduled) -> None:
        child = self._stop_running(fact.child_id, fact.attempt)
        check_retry(child, fact)
        budget = self.made.retry_budget
        if budget is not None and self.retries >= budget:
            raise broken("budget-is-kept", f"the parent's retry_budget of {budget} is spent")
        if self.halting:
            raise broken("nothing-starts", "nothing is run again any more")
        self.retries += 1
        child.not_before = fact.not_before

    def _attempt_lost(self, fact: AttemptLost) -> None:
        child = self._stop_running(fact.child_id, fact.attempt)
        child.losses += 1
        child.crashes += fact.signal is not None or fact.exit_code is not None
        self._inherited = max(0, self._inherited - (not child.slotless))
        end = child.end_after_loss()
        if end is not None and not self.halting:
            self._must_end = Due(ChildFinished, end[0], fact.child_id, end[1])

    def _attempt_ended_late(self, fact: AttemptEndedLate) -> None:
        child = self._open.get(fact.child_id) or self._over.get(fact.child_id)
        if child is None:
            raise broken("child-known", f"there is no child {fact.child_id!r}")
        attempts, running = (child, False) if isinstance(child, int) else (child.attempts, child.running)
        if fact.attempt > attempts or (running and fact.attempt == attempts):
            raise broken("late-is-after-the-end", f"attempt {fact.attempt} is not over")
        if (fact.child_id, fact.attempt) in self._late:
            raise broken("late-is-after-the-end", f"attempt {fact.attempt} ended late before")
        self._late.add((fact.child_id, fact.attempt))

    def _child_progressed(self, fact: ChildProgressed) -> None:
        child = self._child(fact.child_id)
        if not child.running or child.attempts != fact.attempt:
            raise broken("progress-of-what-runs", f"attempt {fact.attempt} is not running")

    def _child_cancel_requested(self, fact: ChildCancelRequested) -> None:
        child = self._child(fact.child_id)
        if not child.created:
            raise broken("start-after-creation", "the child was not created")
        if child.asked:
            raise broken("cancel-is-asked-once", "the child was asked to stop before")
        child.asked = True
        if not child.running:
            self._must_end = Due(ChildFinished, "cancelled-child-stays-down", fact.child_id, "cancelled")

    def _child_redriven(self, fact: ChildRedriven) -> None:
        if self._redriving is None:
            raise broken("redrive-after-settling", "no redrive was just begun")
        self._redriving = True
        child = self._over.get(fact.child_id)
        if not isinstance(child, CountedChild) or child.outcome is None:
            known = fact.child_id in self._open or child is not None
            text = f"child {fact.child_id!r} has not ended without success"
            raise broken("succeeded-stays", text) if known else broken("child-known", f"no child {fact.child_id!r}")
        del self._over[fact.child_id]
        self._open[fact.child_id] = child
        self.outcomes[child.outcome] -= 1
        self.ended -= 1
        child.redrive()
        self._leaves += not child.nested

    def _child_finished(self, fact: ChildFinished) -> None:
        child = self._child(fact.child_id)
        if child.running:
            self._stop_running(fact.child_id, fact.attempt)
        else:
            self._ended_at_rest(child, fact)
        del self._open[fact.child_id]
        child.outcome = fact.outcome
        self._over[fact.child_id] = child.attempts if fact.outcome == "succeeded" else child
        self._leaves -= child.created and not child.nested
        self.outcomes[fact.outcome] += 1
        self.ended += 1

    def _ended_at_rest(self, child: CountedChild, fact: ChildFinished) -> None:
        """Check the end of a child that does not run: it may not be started any more, or its time is up."""
        if fact.attempt != child.attempts:
            raise broken("attempts-count-up", f"its attempt should be {child.attempts}, not {fact.attempt}")
        must = self._must_end
        if must is not None and must.child_id == fact.child_id:
            if fact.outcome != must.outcome:
                raise broken(must.invariant, f"its outcome should be {must.outcome}, not {fact.outcome}")
            self._must_end = None
            return
        if child.asked and fact.outcome == "cancelled":
            return  # whoever took the parent over found it asked and not ended
        if not self.halting:
            wrong = overdue(child, fact, paused=self.paused)
            if wrong is not None:
                raise wrong
            return
        if self.owner is None:
            return  # somebody else runs the children and reports for them, late ones too
        expected = "cancelled" if child.attempts else "skipped"
        if fact.outcome != expected:
            raise broken("ends-at-rest", f"its outcome should be {expected}, not {fact.outcome}")

    _TAKERS: ClassVar[dict[type[Fact], Callable[[Recount, Any], None]]] = {
        ParentCreated: ParentCount.parent_created,
        ChildPrepared: _child_prepared,
        ChildCreated: _child_created,
        MembershipClosed: ParentCount.membership_closed,
        OwnershipTaken: ParentCount.ownership_taken,
        OwnershipReleased: ParentCount.ownership_released,
        ChildStarted: _child_started,
        ChildRetryScheduled: _child_retry_scheduled,
        AttemptLost: _attempt_lost,
        AttemptEndedLate: _attempt_ended_late,
        ChildProgressed: _child_progressed,
        ChildCancelRequested: _child_cancel_requested,
        ChildRedriven: _child_redriven,
        ChildFinished: _child_finished,
        CancelRequested: ParentCount.cancel_requested,
        DeadlinePassed: ParentCount.deadline_passed,
        Paused: ParentCount.pause,
        Resumed: ParentCount.resume,
        LimitsChanged: ParentCount.limits_changed,
        Redriven: ParentCount.redriven,
        Redacted: ParentCount.redact,
        ParentDecided: ParentCount.parent_decided,
        ParentSettled: ParentCount.parent_settled,
    }
