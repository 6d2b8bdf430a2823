"""One parent's record checked against every invariant, fact by fact, and against the core's own fold.

A check can go on while the history grows: the simulator takes each fact as it is appended.
"""

from __future__ import annotations

from collections.abc import Iterable

from events.errors import InvariantBrokenError
from events.evolve import INITIAL, apply
from events.facts import Fact
from events.frontier import frontier
from events.invariants.promises import broken
from events.invariants.recount import Recount
from events.state import ParentState
from events.views import counts


class HistoryCheck:
    """Takes the facts of versions 1, 2, 3 ... of one parent, and refuses the first that breaks an invariant.

    An append is all or nothing, so a record never ends (nor goes on under a new owner) between a fact and the decision
    that it brings about, unless it was `cut_anywhere`. After an error the check is of no further use.
    """

    def __init__(self, *, cut_anywhere: bool = False) -> None:
        self.recount = Recount(cut_anywhere=cut_anywhere)
        self.state: ParentState = INITIAL.opened()
        """What the core makes of the same facts."""
        self.version = 0
        self._cut_anywhere = cut_anywhere

    def take(self, fact: Fact) -> None:
        """Take the next fact. Raises InvariantBrokenError, which names the invariant and the version."""
        self.version += 1
        try:
            self.recount.take(fact)
            _evolve(self.state, fact)
            self._compare(self.state)
        except InvariantBrokenError as error:
            text = f"{_named(fact)}: {error.text}"
            raise InvariantBrokenError(text, invariant=error.invariant, version=self.version) from error

    def finish(self) -> None:
        """Say that the record ends here, at the end of an append. Raises InvariantBrokenError where it may not."""
        due = self.recount.due
        if due is not None and not self._cut_anywhere:
            text = f"the record ends where {due.fact.__name__} must follow"
            raise InvariantBrokenError(text, invariant=due.invariant, version=self.version + 1)

    def _compare(self, state: ParentState) -> None:
        """Hold the core's fold against the recount."""
        recount = self.recount
        if state.version != self.version:
            raise broken("counts-are-replay", f"the core's fold is at version {state.version}")
        if state.status != recount.status:
            raise broken("status-is-replay", f"the core says {state.status}, the rule says {recount.status}")
        if state.settled != recount.settled or state.halting != recount.halting:
            raise broken("status-is-replay", f"the core says settled: {state.settled}, halting: {state.halting}")
        if counts(state) != recount.counts:
            raise broken("counts-are-replay", f"the core counts {counts(state)}, there are {recount.counts}")
        wanted = frontier(state).wanted
        if wanted != recount.wanted:
            raise broken("work-is-replay", f"the core wants {wanted} slots, not {recount.wanted}")


def check_history(facts: Iterable[Fact], *, cut_anywhere: bool = False) -> None:
    """Raise InvariantBrokenError, which names the first bad version, where one parent's facts break an invariant."""
    check = HistoryCheck(cut_anywhere=cut_anywhere)
    for fact in facts:
        check.take(fact)
    check.finish()


def _evolve(state: ParentState, fact: Fact) -> None:
    try:
        apply(state, fact)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise broken("status-is-replay", f"the core cannot fold it: {error!r}") from error


def _named(fact: Fact) -> str:
    """Name a fact by its type and child; what else is in it may be large, and is the user's own."""
    child_id = getattr(fact, "child_id", None)
    return type(fact).__name__ if child_id is None else f"{type(fact).__name__} of {child_id!r}"
