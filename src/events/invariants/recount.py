"""An independent fold of one parent's facts, with plain dicts and counters, which refuses what may not happen.

It keeps a little for each open child and the bare id of each ended one; each fact is constant work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from events.facts import (
    AttemptLost,
    CancelRequested,
    ChildCreated,
    ChildFinished,
    ChildLimits,
    ChildPrepared,
    ChildRetryScheduled,
    ChildStarted,
    DeadlinePassed,
    Fact,
    MembershipClosed,
    OwnershipReleased,
    OwnershipTaken,
    ParentCreated,
    ParentDecided,
    ParentSettled,
)
from events.invariants.promises import broken
from events.invariants.rule import Situation, contract_status
from events.strategy import Status
from events.views import Counts

_FINAL: Final = frozenset({"succeeded", "failed", "cancelled", "timed_out"})


class Due(NamedTuple):
    """A fact that must follow at once, and the invariant that says so."""

    fact: type[Fact]
    invariant: str
    child_id: str | None = None


class _Child:
    """An open child."""

    __slots__ = ("attempts", "index", "limits", "losses", "not_before", "running")

    def __init__(self, index: int, limits: ChildLimits | None) -> None:
        self.index = index
        self.limits = limits
        self.attempts = 0
        self.losses = 0
        self.running = False
        self.not_before: int | None = None


class Recount:
    """One parent, counted anew. `take` its facts in order; after an error it is of no further use."""

    def __init__(self, *, cut_anywhere: bool) -> None:
        self.outcomes = dict.fromkeys(("succeeded", "failed", "timed_out", "cancelled", "skipped"), 0)
        self.total = 0
        self.released = 0
        self.running = 0
        self.ended = 0
        self.started = self.closed = self.settled = False
        self.cancelled = self.out_of_time = False
        self.decided: Status | None = None
        self.halting = False
        """Whether no child may be started any more."""
        self.status: Status = "pending"
        self.owner: str | None = None
        self.epoch = 0
        self._open: dict[str, _Child] = {}
        self._over: set[str] = set()
        self._created: ParentCreated | None = None
        self._must_fail: str | None = None
        """The child that was lost just now and may not run again."""
        self._inherited = 0
        """How many attempts of an earlier owner are still on record as running."""
        self._cut_anywhere = cut_anywhere
        self._takers: dict[type[Fact], Callable[[Any], None]] = {
            ParentCreated: self._parent_created,
            ChildPrepared: self._child_prepared,
            ChildCreated: self._child_created,
            MembershipClosed: self._membership_closed,
            OwnershipTaken: self._ownership_taken,
            OwnershipReleased: self._ownership_released,
            ChildStarted: self._child_started,
            ChildRetryScheduled: self._child_retry_scheduled,
            AttemptLost: self._attempt_lost,
            ChildFinished: self._child_finished,
            CancelRequested: self._cancel_requested,
            DeadlinePassed: self._deadline_passed,
            ParentDecided: self._parent_decided,
            ParentSettled: self._parent_settled,
        }

    def take(self, fact: Fact) -> None:
        """Take the next fact. Raises InvariantBrokenError where it may not be the next one."""
        taker = self._takers.get(type(fact))
        if taker is None:
            raise broken("known-fact", "it is of a type that these checks do not know")
        if (self._created is None) != isinstance(fact, ParentCreated):
            raise broken("created-first", "the first fact, and only it, creates the parent")
        self._check_due(fact)
        taker(fact)
        self.status = self._judged()

    @property
    def wanted(self) -> int:
        """How many slots the parent can use: for what runs and, unless it is halting, for what may start."""
        if self.halting:
            return self.running
        return min(self._made().max_workers, self.released - self.ended)

    @property
    def counts(self) -> Counts:
        """How many children are where."""
        return Counts(self.total, self.total - self.running - self.ended, self.running, **self.outcomes)

    @property
    def due(self) -> Due | None:
        """The fact that must follow at once, if one must."""
        if self._created is None:
            return None
        if self.decided is None and self.status in _FINAL:
            return Due(ParentDecided, "decision-follows")
        if self.halting and not self.closed:
            return Due(MembershipClosed, "closing-follows")
        if self.decided is not None and self.closed and self.ended == self.total and not self.settled:
            return Due(ParentSettled, "settling-follows")
        if self._must_fail is not None:
            return Due(ChildFinished, "lost-fails", self._must_fail)
        return Due(AttemptLost, "takeover-loses") if self._inherited else None

    def _check_due(self, fact: Fact) -> None:
        due = self.due
        if self._cut_anywhere and isinstance(fact, OwnershipTaken):
            self._must_fail = None  # who takes over a record that was cut puts on record what is missing
        elif due is not None:
            if not isinstance(fact, due.fact) or due.child_id not in (None, getattr(fact, "child_id", None)):
                raise broken(due.invariant, f"{due.fact.__name__} must follow first")
        elif self.settled and not isinstance(fact, OwnershipTaken | OwnershipReleased):
            raise broken("settled-is-the-end", "the parent is settled")

    def _made(self) -> ParentCreated:
        if self._created is None:
            raise broken("created-first", "nothing created the parent")
        return self._created

    def _judged(self) -> Status:
        good = self.outcomes["succeeded"]
        touched = self.started or self.ended > 0
        now = Situation(
            self.total,
            good,
            self.ended - good,
            touched,
            not self.closed,
            self.cancelled,
            self.out_of_time,
            self.decided,
        )
        return contract_status(self._made().strategy, now)

    # The parent.

    def _parent_created(self, fact: ParentCreated) -> None:
        self._created = fact

    def _membership_closed(self, _: MembershipClosed) -> None:
        if self.closed:
            raise broken("membership-closes", "the membership was closed before")
        if not self.halting and self.released < self.total:
            raise broken("membership-closes", "a child is prepared and not created")
        self.closed = True

    def _ownership_taken(self, fact: OwnershipTaken) -> None:
        if fact.epoch != self.epoch + 1:
            raise broken("epoch-counts-up", f"its epoch should be {self.epoch + 1}, not {fact.epoch}")
        self.owner, self.epoch, self._inherited = fact.owner, fact.epoch, self.running

    def _ownership_released(self, _: OwnershipReleased) -> None:
        if self.owner is None:
            raise broken("release-at-rest", "nobody owns the parent")
        if self.running:
            raise broken("release-at-rest", f"children are running: {self.running}")
        self.owner = None

    def _cancel_requested(self, _: CancelRequested) -> None:
        if self.decided is not None:
            raise broken("decided-stands", f"the parent is decided: {self.decided}")
        self.cancelled = True

    def _deadline_passed(self, _: DeadlinePassed) -> None:
        if self.decided is not None:
            raise broken("decided-stands", f"the parent is decided: {self.decided}")
        if self._made().timeout_seconds is None:
            raise broken("deadline-given", "the parent has no deadline")
        self.out_of_time = True

    def _parent_decided(self, fact: ParentDecided) -> None:
        if self.decided is not None:
            raise broken("decided-stands", f"the parent was decided before: {self.decided}")
        if fact.status != self.status or self.status not in _FINAL:
            raise broken("decision-is-the-rule", f"it is decided as {fact.status}, the rule says {self.status}")
        if fact.child_id is not None and fact.child_id not in self._over:
            raise broken("decision-is-the-rule", f"the child that decided, {fact.child_id!r}, has not ended")
        self.decided = fact.status
        self.halting = self._made().on_decided != "continue" or fact.status in ("cancelled", "timed_out")

    def _parent_settled(self, _: ParentSettled) -> None:
        if self.decided is None:
            raise broken("settled-is-over", "the parent is not decided")
        if self.ended < self.total:
            raise broken("settled-is-over", f"children are open: {self.total - self.ended}")
        if not self.closed:
            raise broken("settled-is-over", "children may still be added")
        self.settled = True

    # Its children.

    def _child_prepared(self, fact: ChildPrepared) -> None:
        if self.closed:
            raise broken("membership-closes", "the membership is closed")
        if fact.child_id in self._open or fact.child_id in self._over:
            raise broken("child-once", f"child {fact.child_id!r} is known already")
        if fact.index != self.total:
            raise broken("index-order", f"its index should be {self.total}, not {fact.index}")
        self._open[fact.child_id] = _Child(fact.index, fact.limits)
        self.total += 1

    def _child_created(self, fact: ChildCreated) -> None:
        child = self._child(fact.child_id)
        if child.index != self.released:
            raise broken("index-order", f"children are created in index order: {self.released} comes next")
        self.released += 1

    def _child(self, child_id: str) -> _Child:
        child = self._open.get(child_id)
        if child is not None:
            return child
        if child_id in self._over:
            raise broken("one-outcome", f"child {child_id!r} has ended already")
        raise broken("child-known", f"there is no child {child_id!r}")

    def _child_started(self, fact: ChildStarted) -> None:
        child = self._child(fact.child_id)
        if child.index >= self.released:
            raise broken("start-after-creation", "the child was not created")
        if child.running:
            raise broken("one-attempt-at-a-time", f"attempt {child.attempts} of the child is running")
        if fact.attempt != child.attempts + 1:
            raise broken("attempts-count-up", f"its attempt should be {child.attempts + 1}, not {fact.attempt}")
        elsewhere = self.owner is None and fact.worker == "engine"  # its start is on record with its end
        if child.not_before is not None and fact.at < child.not_before and not elsewhere:
            raise broken("retry-waits", "it is too early for the retry")
        if self.halting:
            raise broken("nothing-starts", "no child is to be started any more")
        if self.running >= self._made().max_workers:
            raise broken("bounded", f"max_workers are running already: {self.running}")
        child.running, child.attempts = True, fact.attempt
        self.running += 1
        self.started = True

    def _stop_running(self, child_id: str, attempt: int) -> _Child:
        child = self._child(child_id)
        if not child.running:
            raise broken("ends-what-runs", "no attempt of the child is running")
        if attempt != child.attempts:
            raise broken("attempts-count-up", f"attempt {child.attempts} is the one that is running, not {attempt}")
        child.running, child.not_before = False, None
        self.running -= 1
        return child

    def _child_retry_scheduled(self, fact: ChildRetryScheduled) -> None:
        child = self._stop_running(fact.child_id, fact.attempt)
        attempts_max = (child.limits.max_attempts if child.limits else None) or 1
        if fact.attempt >= attempts_max + child.losses:
            raise broken("retry-is-left", f"it has no attempt left of {attempts_max}")
        if fact.not_before < fact.at:
            raise broken("retry-waits", "a retry lies in the future")
        if self.halting:
            raise broken("nothing-starts", "nothing is run again any more")
        child.not_before = fact.not_before

    def _attempt_lost(self, fact: AttemptLost) -> None:
        child = self._stop_running(fact.child_id, fact.attempt)
        child.losses += 1
        self._inherited = max(0, self._inherited - 1)
        if child.limits is not None and child.limits.fail_when_lost and not self.halting:
            self._must_fail = fact.child_id

    def _child_finished(self, fact: ChildFinished) -> None:
        child = self._child(fact.child_id)
        if child.running:
            self._stop_running(fact.child_id, fact.attempt)
        else:
            self._ended_at_rest(child, fact)
        del self._open[fact.child_id]
        self._over.add(fact.child_id)
        self.outcomes[fact.outcome] += 1
        self.ended += 1

    def _ended_at_rest(self, child: _Child, fact: ChildFinished) -> None:
        """Check the end of a child that does not run: nothing is started any more, or it was lost and may not be."""
        if fact.attempt != child.attempts:
            raise broken("attempts-count-up", f"its attempt should be {child.attempts}, not {fact.attempt}")
        if self._must_fail == fact.child_id:
            if fact.outcome != "failed":
                raise broken("lost-fails", f"its outcome should be failed, not {fact.outcome}")
            self._must_fail = None
            return
        if not self.halting:
            raise broken("ends-at-rest", "the child may still be started")
        if self.owner is None:
            return  # somebody else runs the children and reports for them, late ones too
        expected = "cancelled" if child.attempts else "skipped"
        if fact.outcome != expected:
            raise broken("ends-at-rest", f"its outcome should be {expected}, not {fact.outcome}")
