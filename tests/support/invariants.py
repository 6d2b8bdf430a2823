"""What must hold at every version of every parent's record, whoever wrote it and however often it was killed.

`check_history` folds the facts by itself, with plain dicts and counters and the oracle's rule, and compares what it
gets with the core's own fold after every single fact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from events.evolve import INITIAL, evolve
from events.facts import (
    AttemptLost,
    CancelRequested,
    ChildCreated,
    ChildFinished,
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
from events.frontier import frontier
from events.state import ParentState
from events.strategy import Status
from events.views import Counts, counts
from tests.support.oracle import Situation, contract_status

_FINAL = ("succeeded", "failed", "cancelled", "timed_out")


def check_history(facts: Iterable[Fact], *, cut_anywhere: bool = False) -> None:
    """Raise AssertionError, naming the first bad version, where one parent's facts break a promise.

    The facts are those of versions 1, 2, 3 ... An append is all or nothing, so a record never ends (nor goes on
    under a new owner) between a fact and the decision that it brings about, unless it was `cut_anywhere`.
    """
    recount, state = Recount(cut_anywhere=cut_anywhere), INITIAL
    version = 0
    for version, fact in enumerate(facts, 1):
        try:
            recount.take(fact)
            state = evolve(state, fact)
            _compare(recount, state, version)
        except (AssertionError, LookupError, TypeError, ValueError) as error:
            raise AssertionError(f"version {version}, {fact!r}: {error}") from error
    missing = recount.due()
    if missing is not None and not cut_anywhere:
        raise AssertionError(f"version {version + 1}: the record ends where {missing} must follow")


def _compare(recount: Recount, state: ParentState, version: int) -> None:
    assert state.version == version, f"the core's fold is at version {state.version}"
    assert state.status == recount.status(), f"the core says {state.status}, the rule says {recount.status()}"
    assert counts(state) == recount.counts(), f"the core counts {counts(state)}, there are {recount.counts()}"
    assert state.settled == recount.settled, f"the core says settled: {state.settled}"
    assert state.halting == recount.halting, f"the core says halting: {state.halting}"
    wanted = frontier(state).wanted
    assert wanted == recount.wanted(), f"the core wants {wanted} slots, not {recount.wanted()}"


@dataclass
class _Child:
    prepared: ChildPrepared
    released: bool = False
    attempts: int = 0
    losses: int = 0
    running: bool = False
    not_before: int = 0
    lost: bool = False
    """Whether the last attempt was lost, and nothing has happened since."""
    outcome: str | None = None


class Recount:
    """An independent fold of one parent's facts, which refuses what may not happen."""

    def __init__(self, *, cut_anywhere: bool = False) -> None:
        self.children: dict[str, _Child] = {}
        self.outcomes = dict.fromkeys(("succeeded", "failed", "timed_out", "cancelled", "skipped"), 0)
        self.running = 0
        self.released = 0
        self.started = self.closed = self.settled = False
        self.cancelled = self.out_of_time = False
        self.decided: Status | None = None
        self.owner: str | None = None
        self.epoch = 0
        self._created: ParentCreated | None = None
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
        """Take the next fact. Raises AssertionError where it may not be the next one."""
        taker = self._takers.get(type(fact))
        assert taker is not None, "a fact that these checks do not know"
        assert (self._created is None) == isinstance(fact, ParentCreated), "the first fact, and only it, creates"
        self._check_due(fact)
        taker(fact)

    def created_with(self) -> ParentCreated:
        """Return the fact that created the parent."""
        assert self._created is not None
        return self._created

    def status(self) -> Status:
        """Return the status by the oracle's rule."""
        total, good = len(self.children), self.outcomes["succeeded"]
        bad = self.ended - good
        touched = self.started or self.ended > 0
        now = Situation(total, good, bad, touched, not self.closed, self.cancelled, self.out_of_time, self.decided)
        return contract_status(self.created_with().strategy, now)

    @property
    def ended(self) -> int:
        """How many children have an outcome."""
        return sum(self.outcomes.values())

    def counts(self) -> Counts:
        """Return how many children are where."""
        total = len(self.children)
        return Counts(total, total - self.running - self.ended, self.running, **self.outcomes)

    @property
    def halting(self) -> bool:
        """Whether no child may be started any more."""
        if self.decided is None:
            return False
        return self.created_with().on_decided != "continue" or self.decided in ("cancelled", "timed_out")

    def wanted(self) -> int:
        """Return how many slots the parent can use: for what runs and, unless it is halting, for what may start."""
        if self.halting:
            return self.running
        return min(self.created_with().max_workers, self.released - self.ended)

    def due(self) -> type[Fact] | None:
        """Return the fact that must follow at once, if one must."""
        if self._created is None:
            return None
        if self.decided is None:
            return ParentDecided if self.status() in _FINAL else None
        if self.halting and not self.closed:
            return MembershipClosed
        over = self.closed and self.ended == len(self.children)
        return ParentSettled if over and not self.settled else None

    def _check_due(self, fact: Fact) -> None:
        missing = self.due()
        if self._cut_anywhere and isinstance(fact, OwnershipTaken):
            return  # who takes over a record that was cut puts on record what is missing
        assert missing is None or isinstance(fact, missing), f"{missing} must follow first"
        if self.settled:
            assert isinstance(fact, OwnershipTaken | OwnershipReleased), "the parent is settled"

    def _parent_created(self, fact: ParentCreated) -> None:
        assert fact.max_workers >= 1
        self._created = fact

    def _child_prepared(self, fact: ChildPrepared) -> None:
        assert not self.closed, "the membership is closed"
        assert self.decided is None, "the parent is decided"
        assert fact.child_id not in self.children, "the child is known already"
        assert fact.index == len(self.children), f"its index should be {len(self.children)}"
        self.children[fact.child_id] = _Child(fact)

    def _child_created(self, fact: ChildCreated) -> None:
        child = self.children[fact.child_id]
        assert child.prepared.index == self.released, "children are created in index order"
        assert child.outcome is None, "the child has ended"
        child.released = True
        self.released += 1

    def _membership_closed(self, _: MembershipClosed) -> None:
        assert not self.closed, "the membership was closed before"
        assert self.halting or self.released == len(self.children), "a child is prepared and not created"
        self.closed = True

    def _ownership_taken(self, fact: OwnershipTaken) -> None:
        assert fact.epoch == self.epoch + 1, f"its epoch should be {self.epoch + 1}"
        self.owner, self.epoch = fact.owner, fact.epoch

    def _ownership_released(self, _: OwnershipReleased) -> None:
        assert self.owner is not None, "nobody owns the parent"
        assert self.running == 0, "children are running"
        self.owner = None

    def _child_started(self, fact: ChildStarted) -> None:
        child = self._open(fact.child_id)
        assert child.released, "the child was not created"
        assert not child.running, "an attempt of the child is running"
        assert fact.attempt == child.attempts + 1, f"its attempt should be {child.attempts + 1}"
        elsewhere = self.owner is None and fact.worker == "engine"  # its start is on record with its end
        assert elsewhere or fact.at >= child.not_before, "it is too early for the retry"
        assert not self.halting, "no child is to be started any more"
        assert self.running < self.created_with().max_workers, "max_workers are running already"
        child.running, child.attempts, child.lost = True, fact.attempt, False
        self.running += 1
        self.started = True

    def _open(self, child_id: str) -> _Child:
        child = self.children[child_id]
        assert child.outcome is None, f"the child has ended already: {child.outcome}"
        return child

    def _stop_running(self, child_id: str, attempt: int) -> _Child:
        child = self._open(child_id)
        assert child.running, "no attempt of the child is running"
        assert attempt == child.attempts, f"attempt {child.attempts} is the one that is running"
        child.running, child.not_before = False, 0
        self.running -= 1
        return child

    def _child_retry_scheduled(self, fact: ChildRetryScheduled) -> None:
        child = self._stop_running(fact.child_id, fact.attempt)
        limits = child.prepared.limits
        assert limits is not None, "the child has no attempt left"
        assert fact.attempt < (limits.max_attempts or 1) + child.losses, "it has no attempt left"
        assert fact.not_before >= fact.at, "a retry lies in the future"
        assert not self.halting, "nothing is run again any more"
        child.not_before = fact.not_before

    def _attempt_lost(self, fact: AttemptLost) -> None:
        child = self._stop_running(fact.child_id, fact.attempt)
        child.lost = True
        child.losses += 1

    def _child_finished(self, fact: ChildFinished) -> None:
        child = self._open(fact.child_id)
        if child.running:
            self._stop_running(fact.child_id, fact.attempt)
        else:
            self._ended_at_rest(child, fact)
        child.outcome = fact.outcome
        self.outcomes[fact.outcome] += 1

    def _ended_at_rest(self, child: _Child, fact: ChildFinished) -> None:
        """A child that is not running ends because nothing is started any more, or because it may not be lost."""
        assert fact.attempt == child.attempts, f"its attempt should be {child.attempts}"
        limits = child.prepared.limits
        if child.lost and limits is not None and limits.fail_when_lost and fact.outcome == "failed":
            return
        assert self.halting, "the child may still be started"
        if self.owner is None:
            return  # somebody else runs the children and reports for them, late ones too
        expected = "cancelled" if child.attempts else "skipped"
        assert fact.outcome == expected, f"its outcome should be {expected}"

    def _cancel_requested(self, _: CancelRequested) -> None:
        assert self.decided is None, "the parent is decided"
        self.cancelled = True

    def _deadline_passed(self, _: DeadlinePassed) -> None:
        assert self.decided is None, "the parent is decided"
        self.out_of_time = True

    def _parent_decided(self, fact: ParentDecided) -> None:
        assert self.decided is None, f"the parent was decided before: {self.decided}"
        status = self.status()
        assert status in _FINAL, f"the rule says {status}"
        assert fact.status == status, f"the rule says {status}"
        if fact.child_id is not None:
            assert self.children[fact.child_id].outcome is not None, "the child that decided has not ended"
        self.decided = fact.status

    def _parent_settled(self, _: ParentSettled) -> None:
        assert self.decided is not None, "the parent is not decided"
        assert self.ended == len(self.children), "children are open"
        assert self.closed, "children may still be added"
        self.settled = True
