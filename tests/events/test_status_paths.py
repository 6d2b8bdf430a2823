"""The status rule on the real path, decide and evolve: every order of arrival, closed and open membership.

The tests are exhaustive, not sampled. What keeps them fast is that a parent's future depends on its state alone, so
equal states need one visit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import cache
from itertools import product
from typing import Final

import pytest

from events.commands import Command
from events.decide import decide_all
from events.errors import StepOrderError
from events.facts import CancelRequested, Fact, ParentDecided
from events.invariants.rule import Situation, contract_status
from events.state import ParentState
from events.strategy import (
    FINAL_STATUSES,
    OnDecided,
    Outcome,
    Status,
    Strategy,
    impossible,
)
from tests.events.scenario import (
    Given,
    cancel,
    close,
    essence,
    finish,
    names,
    of_type,
    parent,
    pass_deadline,
    prepare,
    release,
    skip,
    start,
)
from tests.events.strategies import BAD, CHILDREN, ON_DECIDED, fewer_strategies, plain_strategies, strategies

ENDS: Final[tuple[Outcome, ...]] = ("succeeded", "failed")


class Arrivals:
    """Walks every order in which n running children may end, and holds every step against the oracle.

    `closes_after` is the number of arrivals after which the membership is closed (None: never).
    """

    def __init__(self, n: int, strategy: Strategy, on_decided: OnDecided, closes_after: int | None) -> None:
        self.n, self.strategy, self.on_decided, self.closes_after = n, strategy, on_decided, closes_after
        self._rule: Callable[[int, int, bool], Status] = cache(self._ask_the_oracle)

    def walk(self) -> None:
        begun = self._begin()
        self._arrive(begun.state, 0, 0, None)

    def _begin(self) -> Given:
        ids = [str(number) for number in range(self.n)]
        made = parent(*ids, strategy=self.strategy, on_decided=self.on_decided, still_open=True)
        return made.given(*(start(child_id) for child_id in ids))

    def _ask_the_oracle(self, good: int, bad: int, more: bool) -> Status:
        return contract_status(self.strategy, Situation(self.n, good, bad, self.n > 0, more))

    def _arrive(self, state: ParentState, good: int, bad: int, decided: Status | None) -> None:
        """Close the membership if it is time, then let the next child end, well or not."""
        seen = good + bad
        if self.closes_after == seen:
            state, decided = self._step(state, [close(arriving=True)], good, bad, decided)
        if seen == self.n:
            assert state.settled == (decided is not None and state.membership_closed)
            return
        for outcome in ("succeeded", BAD[seen % 3]):
            well = outcome == "succeeded"
            after, later = self._step(
                state,
                [finish(str(seen), outcome)],
                good + well,
                bad + (not well),
                decided,
                outcome,
            )
            self._arrive(after, good + well, bad + (not well), later)

    def _step(
        self,
        state: ParentState,
        commands: list[Command],
        good: int,
        bad: int,
        decided: Status | None,
        outcome: Outcome | None = None,
    ) -> tuple[ParentState, Status | None]:
        facts, after = decide_all(state, commands)
        where = (self.strategy, self.on_decided, self.closes_after, good, bad, decided, facts)
        if outcome is not None:
            assert names(facts[:1]) == ["ChildFinished"], where  # late ones are recorded, too
            assert getattr(after, outcome) == getattr(state, outcome) + 1, where
        more = not (state.membership_closed or "MembershipClosed" in names(facts[:1]))
        expected = decided or self._rule(good, bad, more)
        assert after.status == expected, where
        fresh = [expected] if decided is None and expected in FINAL_STATUSES else []
        assert [fact.status for fact in of_type(facts, ParentDecided)] == fresh, where
        return after, expected if expected in FINAL_STATUSES else None


def rotated(number: int) -> tuple[OnDecided, ...]:
    return (ON_DECIDED[number % 3],)


@pytest.mark.parametrize("closes", ["before", "later", "never"])
@pytest.mark.parametrize("n", CHILDREN)
def test_decisions_are_the_oracles_for_every_order_of_arrival(n: int, closes: str) -> None:
    points: dict[str, list[int | None]] = {"before": [0], "later": [*range(1, n + 1)], "never": [None]}
    few = n <= 2
    for number, strategy in enumerate(strategies(n) if few else fewer_strategies(n)):
        thorough = few or strategy.max_failures is strategy.max_failures_percent is None
        for on_decided, point in product(ON_DECIDED if thorough else rotated(number), points[closes]):
            Arrivals(n, strategy, on_decided, point).walk()


# Which child it is does not matter either


class Orders:
    """Walks every order in which n children may start and end: every permutation of them, well or not.

    Equal states have equal futures, so each is gone through once; that is every order, and far fewer steps.
    """

    def __init__(self, n: int, strategy: Strategy, on_decided: OnDecided, *, all_started: bool) -> None:
        self.n, self.strategy, self.all_started = n, strategy, all_started
        self.made = parent(*map(str, range(n)), strategy=strategy, on_decided=on_decided)
        self.seen: set[Hashable] = set()
        self.settled = 0

    def walk(self) -> None:
        begun = self.made.given(*(start(str(number)) for number in range(self.n))) if self.all_started else self.made
        waiting = [begun.state]
        while waiting:
            state = waiting.pop()
            if essence(state) not in self.seen:
                self.seen.add(essence(state))
                waiting += self._next(state)
                self.settled += state.settled

    def _next(self, state: ParentState) -> Iterator[ParentState]:
        for child_id, child in list(state.children.items()):
            if child.phase == "running":
                yield self._checked(state, finish(child_id))
                yield self._checked(state, finish(child_id, BAD[child.place % 3]))
            elif child.phase == "waiting" and not state.halting:
                yield self._checked(state, start(child_id))
        if state.halting and state.running_count + state.ended < self.n:
            yield self._checked(state, skip(1))

    def _checked(self, state: ParentState, command: Command) -> ParentState:
        facts, after = decide_all(state, [command])
        bad = after.ended - after.succeeded
        touched = after.started_at is not None
        before = state.decision and state.decision.status
        expected = contract_status(self.strategy, Situation(self.n, after.succeeded, bad, touched, already=before))
        assert after.status == expected, (state, command, facts)
        assert len(of_type(facts, ParentDecided)) == (before is None and expected in FINAL_STATUSES)
        assert after.settled == (expected in FINAL_STATUSES and after.ended == self.n)
        return after


@pytest.mark.parametrize("on_decided", ON_DECIDED)
@pytest.mark.parametrize("n", range(1, 7))
def test_decisions_are_the_oracles_for_every_permutation_of_the_children(n: int, on_decided: OnDecided) -> None:
    for strategy in plain_strategies(n):
        if impossible(strategy, n) is None:
            begun = n > 5 or (n == 5 and on_decided != "cancel")
            orders = Orders(n, strategy, on_decided, all_started=begun)
            orders.walk()
            assert orders.settled > 0


@pytest.mark.parametrize("n", range(6))
def test_decisions_are_the_oracles_while_children_arrive_one_by_one(n: int) -> None:
    """Each child is added, started and ended before the next one; the membership closes after any of them."""
    for number, strategy in enumerate(fewer_strategies(n)):
        Arriving(n, strategy, ON_DECIDED[number % 3]).walk()


class Arriving:
    """Walks every way in which up to n children may be added, one after another, each ending well or not."""

    def __init__(self, n: int, strategy: Strategy, on_decided: OnDecided) -> None:
        self.n, self.strategy, self.on_decided = n, strategy, on_decided

    def walk(self) -> None:
        self._go_on(parent(strategy=self.strategy, on_decided=self.on_decided, still_open=True).state, ())

    def _go_on(self, state: ParentState, ends: tuple[Outcome, ...]) -> None:
        if not state.membership_closed:
            self._check(state, decide_all(state, [close(arriving=True)]), ends, more=False)
        if len(ends) == self.n:
            return
        child_id = str(len(ends))
        adding = [prepare(child_id), release()]
        if state.halting:
            with pytest.raises(StepOrderError):
                decide_all(state, adding)
            return
        _, added = self._check(state, decide_all(state, adding), ends, more=True, fresh=1)
        for outcome in ("succeeded", BAD[len(ends) % 3]):
            turn = decide_all(added, [start(child_id), finish(child_id, outcome)])
            self._go_on(self._check(added, turn, (*ends, outcome), more=True)[1], (*ends, outcome))

    def _check(
        self,
        before: ParentState,
        turn: tuple[list[Fact], ParentState],
        ends: tuple[Outcome, ...],
        *,
        more: bool,
        fresh: int = 0,
    ) -> tuple[list[Fact], ParentState]:
        good = ends.count("succeeded")
        already = before.decision and before.decision.status
        now = Situation(len(ends) + fresh, good, len(ends) - good, bool(ends), more, already=already)
        expected = contract_status(self.strategy, now)
        facts, after = turn
        assert after.status == expected, (self.strategy, ends, facts)
        decided = already is None and expected in FINAL_STATUSES
        assert [fact.status for fact in of_type(facts, ParentDecided)] == [expected] * decided
        return turn


@pytest.mark.parametrize(("request_end", "status"), [(cancel, "cancelled"), (pass_deadline, "timed_out")])
@pytest.mark.parametrize("on_decided", ON_DECIDED)
def test_a_request_ends_what_is_undecided_and_flips_nothing(
    request_end: Callable[[], Command], status: Status, on_decided: OnDecided
) -> None:
    for strategy, ends in product(fewer_strategies(3), product(ENDS, repeat=3)):
        made = parent("0", "1", "2", strategy=strategy, on_decided=on_decided, timeout_seconds=60.0, still_open=True)
        state = made.given(close(arriving=True)).state
        for child_id, outcome in zip("012", ends, strict=True):
            facts, ended = decide_all(state, [request_end()])
            if state.stopping or state.settled or (state.decision is not None and status == "timed_out"):
                assert facts == []
            elif state.decision is not None:
                assert (type(facts[0]), ended.decision, ended.stopping) == (CancelRequested, state.decision, True)
            else:
                assert [fact.status for fact in of_type(facts, ParentDecided)] == [status]
                assert ended.halting
            state = decide_all(state, [start(child_id), finish(child_id, outcome)])[1]
