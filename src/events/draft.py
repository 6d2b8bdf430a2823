"""What gathers while commands are decided: the facts so far, and the state after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from events.child_specs import are_many
from events.errors import StepOrderError
from events.evolve import apply
from events.fact_roll import FactRoll, Facts
from events.facts import Fact, MembershipClosed, ParentDecided, ParentSettled
from events.making import Making
from events.state import ChildState, ParentState
from events.strategy import FINAL_STATUSES, Status, too_many_failures


class Mark(NamedTuple):
    """Where a draft stood."""

    state: ParentState
    facts: int


class Draft:
    """Facts that are not on record yet, and the state that follows them.

    The state is changed in place from fact to fact: whoever needs one as it was takes a `mark`.
    """

    __slots__ = ("_opened", "facts", "state")

    def __init__(self, state: ParentState) -> None:
        self.state = state
        self.facts: Facts = []
        self._opened = False
        """Whether the state is our own to change."""

    def emit(self, fact: Fact) -> None:
        """Add a fact and go on from the state after it."""
        if not self._opened:
            self.state = self.state.opened()
            self._opened = True
        self.facts.append(fact)
        apply(self.state, fact)

    def emit_all(self, facts: Sequence[Fact]) -> None:
        """Add many facts. Those that make very many children are made anew whenever they are looked at."""
        state = self.state if self._opened else self.state.opened()
        self.state, self._opened = state, True
        if not isinstance(facts, Making) or not are_many(len(facts)):
            facts = list(facts)
        elif not isinstance(self.facts, FactRoll):
            self.facts = FactRoll(self.facts)
        self.facts.extend(facts)
        for fact in facts:
            apply(state, fact)

    def mark(self) -> Mark:
        """Return where the draft stands: its state stays as it is from now on."""
        self._opened = False
        return Mark(self.state, len(self.facts))

    def back_to(self, mark: Mark) -> None:
        """Drop what came after a mark."""
        self.state, self._opened = mark.state, False
        if isinstance(self.facts, FactRoll):
            self.facts.cut(mark.facts)
        else:
            del self.facts[mark.facts :]

    def require_parent(self) -> None:
        """Refuse the command where there is no parent yet."""
        if not self.state.exists:
            raise StepOrderError("there is no such run yet: create its state first")

    def require_child(self, child_id: str) -> ChildState:
        """Return a child that was created. Raises StepOrderError where it was not."""
        child = self.state.children.get(child_id)
        if child is None or child.phase == "prepared":
            raise StepOrderError(f"there is no child {child_id!r}, or it was not created yet")
        return child

    def judge(self, at: int, child_id: str | None = None) -> None:
        """Put the decision and the settlement on record where the rule says so."""
        if self.state.decision is None:
            status = self.state.status
            if status not in FINAL_STATUSES:
                return
            self.emit(ParentDecided(at=at, status=status, why=_why(self.state, status), child_id=child_id))
        if self.state.halting and not self.state.membership_closed:
            self.emit(MembershipClosed(at=at))
        state = self.state
        if state.settled_at is None and state.membership_closed and state.ended == state.total:
            self.emit(ParentSettled(at=at))


def _why(state: ParentState, status: Status) -> str:
    """Say in a few words why the parent is decided."""
    required = state.strategy.required(state.total)
    failed = state.ended - state.succeeded
    if status == "cancelled":
        return "cancelled by request"
    if status == "timed_out":
        return f"the deadline of {state.timeout_seconds:g} s passed"
    if status == "succeeded":
        return f"{state.succeeded} of {state.total} succeeded, {required} required"
    if too_many_failures(state.strategy, state.tally):
        return f"{failed} of {state.total} ended without success, more than allowed"
    return f"{failed} of {state.total} ended without success, {required} successes required"
