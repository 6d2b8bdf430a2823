"""A parent counted anew: its status, who owns it, what may be asked of it, and which fact must follow at once."""

from __future__ import annotations

from typing import Final, NamedTuple

from events.facts import (
    AttemptEndedLate,
    AttemptLost,
    CancelRequested,
    ChildRedriven,
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
from events.invariants.child import CountedChild
from events.invariants.promises import broken
from events.invariants.rule import Situation, contract_status
from events.strategy import Status, Strategy
from events.views import Counts

_FIRST: Final = Strategy(kind="all")
"""What stands until the fact that creates the parent says otherwise."""
_FINAL: Final = frozenset({"succeeded", "failed", "cancelled", "timed_out"})


class Due(NamedTuple):
    """A fact that must follow at once, and the invariant that says so."""

    fact: type[Fact]
    invariant: str
    child_id: str | None = None
    outcome: str | None = None


class ParentCount:
    """What is counted of a parent as a whole."""

    def __init__(self, *, cut_anywhere: bool) -> None:
        self.outcomes = dict.fromkeys(("succeeded", "failed", "timed_out", "cancelled", "skipped"), 0)
        self.total = 0
        self.released = 0
        self.running = 0
        self.slotless = 0
        """How many of those that run take no slot: whoever owns the parent does not run them."""
        self.ended = 0
        self.started = self.closed = self.settled = self.paused = False
        self.cancelled = self.out_of_time = False
        self.decided: Status | None = None
        self.halting = False
        """Whether no child may be started any more."""
        self.status: Status = "pending"
        self.redacted = False
        self.owner: str | None = None
        self.epoch = 0
        self.retries = 0
        """How many retries there were since the latest redrive."""
        self._over: dict[str, CountedChild | int] = {}
        """Ended children: how many attempts a succeeded one had, and all there is to know of the others."""
        self._made: ParentCreated | None = None
        self.max_workers, self._weight, self._priority = 1, 1, 0
        self._strategy = _FIRST
        self._on_decided: str = "cancel"
        self._redriving: bool | None = None
        """Whether a redrive that was just begun has named a child yet; None where none was just begun."""
        self._must_end: Due | None = None
        """The child that was lost or cancelled just now and may not run again."""
        self._inherited = 0
        """How many attempts of an earlier owner are still on record as running."""
        self._cut_anywhere = cut_anywhere

    @property
    def made(self) -> ParentCreated:
        """The fact that created the parent."""
        if self._made is None:
            raise broken("created-first", "nothing created the parent")
        return self._made

    @property
    def counts(self) -> Counts:
        """How many children are where."""
        return Counts(self.total, self.total - self.running - self.ended, self.running, *self.outcomes.values())

    @property
    def due(self) -> Due | None:
        """The fact that must follow at once, if one must."""
        if self._made is None:
            return None
        if self._redriving is False:
            return Due(ChildRedriven, "redrive-names-children")
        if self.decided is None and self.status in _FINAL:
            return Due(ParentDecided, "decision-follows")
        if self.halting and not self.closed:
            return Due(MembershipClosed, "closing-follows")
        if self.decided is not None and self.closed and self.ended == self.total and not self.settled:
            return Due(ParentSettled, "settling-follows")
        if self._must_end is not None:
            return self._must_end
        return Due(AttemptLost, "takeover-loses") if self._inherited else None

    def check_due(self, fact: Fact) -> None:
        """Refuse a fact where another one must come first, or where nothing of its kind may come any more."""
        if self._redriving is not None and isinstance(fact, ChildRedriven):
            return
        due = self.due
        self._redriving = None
        if self._cut_anywhere and isinstance(fact, OwnershipTaken):
            self._must_end = None  # who takes over a record that was cut puts on record what is missing
        elif due is not None:
            if not isinstance(fact, due.fact) or due.child_id not in (None, getattr(fact, "child_id", None)):
                raise broken(due.invariant, f"{due.fact.__name__} must follow first")
        elif self.settled and not isinstance(
            fact, OwnershipTaken | OwnershipReleased | AttemptEndedLate | Redriven | ChildRedriven | Redacted
        ):
            raise broken("settled-is-the-end", "the parent is settled")

    def judged(self) -> Status:
        """Return the status by the rule."""
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
        return contract_status(self._strategy, now)

    def parent_created(self, fact: ParentCreated) -> None:
        """Begin."""
        self._made, self._on_decided, self._strategy = fact, fact.on_decided, fact.strategy
        self.max_workers, self._weight, self._priority = fact.max_workers, fact.weight or 1, fact.priority or 0

    def membership_closed(self, _: MembershipClosed) -> None:
        """No child is added any more."""
        if self.closed:
            raise broken("membership-closes", "the membership was closed before")
        if not self.halting and self.released < self.total:
            raise broken("membership-closes", "a child is prepared and not created")
        self.closed = True

    def ownership_taken(self, fact: OwnershipTaken) -> None:
        """Whoever takes the parent over says first what was lost."""
        if fact.epoch != self.epoch + 1:
            raise broken("epoch-counts-up", f"its epoch should be {self.epoch + 1}, not {fact.epoch}")
        self.owner, self.epoch, self._inherited = fact.owner, fact.epoch, self.running - self.slotless

    def ownership_released(self, _: OwnershipReleased) -> None:
        """Only an owner lets go, and only while nothing runs."""
        if self.owner is None:
            raise broken("release-at-rest", "nobody owns the parent")
        if self.running > self.slotless:
            raise broken("release-at-rest", f"children are running: {self.running - self.slotless}")
        self.owner = None

    def cancel_requested(self, _: CancelRequested) -> None:
        """Nobody cancels what is asked to stop already; the decision stands."""
        stopping = self.cancelled or self._on_decided == "cancel" or self.decided in ("cancelled", "timed_out")
        if self.decided is not None and stopping:
            raise broken("decided-stands", f"the parent is decided: {self.decided}")
        self.cancelled, self.halting = True, self.decided is not None

    def deadline_passed(self, _: DeadlinePassed) -> None:
        """Only a deadline that there is can pass, and only while it matters."""
        if self.decided is not None:
            raise broken("decided-stands", f"the parent is decided: {self.decided}")
        if self.made.timeout_seconds is None:
            raise broken("deadline-given", "the parent has no deadline")
        self.out_of_time = True

    def pause(self, _: Paused) -> None:
        """Pauses and resumptions take turns."""
        if self.paused:
            raise broken("pauses-take-turns", "the parent is paused already")
        self.paused = True

    def resume(self, _: Resumed) -> None:
        """Only what is paused goes on."""
        if not self.paused:
            raise broken("pauses-take-turns", "the parent is not paused")
        self.paused = False

    def limits_changed(self, fact: LimitsChanged) -> None:
        """Take over what is new, if anything is."""
        if fact.strategy is not None and self.decided is not None:
            raise broken("decided-stands", f"the parent is decided: {self.decided}")
        before = (self.max_workers, self._strategy, self._weight, self._priority)
        self.max_workers = self.max_workers if fact.max_workers is None else fact.max_workers
        self._strategy = self._strategy if fact.strategy is None else fact.strategy
        self._weight = self._weight if fact.weight is None else fact.weight
        self._priority = self._priority if fact.priority is None else fact.priority
        if before == (self.max_workers, self._strategy, self._weight, self._priority):
            raise broken("changes-change", "it is all as it was")

    def parent_decided(self, fact: ParentDecided) -> None:
        """Let the rule decide, once in each life."""
        if self.decided is not None:
            raise broken("decided-stands", f"the parent was decided before: {self.decided}")
        if fact.status != self.status or self.status not in _FINAL:
            raise broken("decision-is-the-rule", f"it is decided as {fact.status}, the rule says {self.status}")
        if fact.child_id is not None and fact.child_id not in self._over:
            raise broken("decision-is-the-rule", f"the child that decided, {fact.child_id!r}, has not ended")
        self.decided = fact.status
        self.halting = self._on_decided != "continue" or fact.status in ("cancelled", "timed_out")

    def parent_settled(self, _: ParentSettled) -> None:
        """All is over."""
        if self.decided is None:
            raise broken("settled-is-over", "the parent is not decided")
        if self.ended < self.total:
            raise broken("settled-is-over", f"children are open: {self.total - self.ended}")
        if not self.closed:
            raise broken("settled-is-over", "children may still be added")
        self.settled = True

    def redact(self, _: Redacted) -> None:
        """Its texts are gone, for good."""
        if not self.settled or self.redacted:
            raise broken("redacted-is-for-good", "the parent was redacted before" if self.redacted else "it is open")
        self.redacted = True

    def redriven(self, fact: Redriven) -> None:
        """Open a settled parent again, as it was when it was made but for what happened to its children."""
        if self.redacted:
            raise broken("redacted-is-for-good", "the parent was redacted")
        if not self.settled:
            raise broken("redrive-after-settling", "the parent is not settled")
        if fact.on_decided not in ("continue", self.made.on_decided):
            raise broken("redrive-after-settling", f"its on_decided was made {self.made.on_decided}")
        self.settled = self.halting = self.cancelled = self.out_of_time = self.paused = False
        self.decided, self.retries, self._on_decided, self._redriving = None, 0, fact.on_decided, False
