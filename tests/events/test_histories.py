"""Every prefix of random histories: it counts right, replays to the live status, and can be gone on from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import event, given

from events.evolve import fold
from events.facts import (
    AttemptLost,
    ChildFinished,
    ChildLimits,
    ChildPrepared,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
    LimitsChanged,
    ParentCreated,
    ParentDecided,
    Redriven,
)
from events.frontier import startable
from events.invariants import check_history
from events.state import ParentState
from events.views import Counts, child_views, counts
from tests.events.histories import SEEDS, History, go_on, histories, is_final
from tests.events.scenario import fingerprint, of_type, parent, spec
from tests.hostile.effort import tries


def recounted(facts: Sequence[Fact]) -> Counts:
    """Count children from facts alone: each is where the last fact about it leaves it."""
    places: dict[str, str] = {}
    for fact in facts:
        if isinstance(fact, ChildPrepared | ChildRedriven | ChildRetryScheduled | AttemptLost):
            places[fact.child_id] = "pending"
        elif isinstance(fact, ChildStarted):
            places[fact.child_id] = "running"
        elif isinstance(fact, ChildFinished):
            places[fact.child_id] = fact.outcome
    tally = Counter(places.values())
    return Counts(len(places), *(tally[name] for name in Counts._fields[1:]))


def check_counts(facts: Sequence[Fact], state: ParentState) -> None:
    """Hold every count of a state against its tables, and against the children one by one."""
    assert counts(state) == recounted(facts)
    assert state.running_count == len(state.running)
    assert state.requeued_count == len(state.requeued)
    children = dict(state.children.items())
    nested = {child_id for child_id, child in children.items() if child.nested}
    assert state.nested_running == len(nested & set(state.running))
    assert state.nested_requeued == len(nested & set(state.requeued))
    untouched = [child for child in children.values() if child.untouched]
    assert state.nested_untouched == sum(1 for child in untouched if child.nested and child.phase == "waiting")
    assert state.next_index == min((child.place for child in untouched), default=state.total)
    assert state.ahead == sum(1 for c in children.values() if c.place > state.next_index and not c.untouched)
    prepared = [child for child in children.values() if child.phase == "prepared"]
    assert state.created == state.total - len(prepared)
    assert set(state.requeued) == {i for i, c in children.items() if c.phase == "waiting" and not c.untouched}
    waiting = {child_id for child_id, child in children.items() if child.phase == "waiting"}
    ready = list(startable(state, facts[-1].at + 10**15))
    assert sorted(ready) == sorted(() if state.halting or state.paused else waiting)


def this_life(facts: Sequence[Fact]) -> Sequence[Fact]:
    """Return what followed the latest redrive, or everything."""
    begun = [index for index, fact in enumerate(facts) if isinstance(fact, Redriven)]
    return facts[begun[-1] :] if begun else facts


@given(history=histories())
@tries(60)
def test_every_prefix_holds_what_was_promised(history: History) -> None:
    facts = history.facts
    event(f"status {history.state.status}, settled {history.state.settled}")
    event(f"facts {len(history.facts) // 10}x10")
    check_history(facts)
    created = facts[0]
    assert isinstance(created, ParentCreated)
    changes = of_type(facts, LimitsChanged)
    for version in range(1, len(facts) + 1):
        prefix = facts[:version]
        replayed = fold(prefix)
        assert replayed.version == version
        assert replayed.status == history.statuses[version - 1]
        check_counts(prefix, replayed)
        assert replayed.running_count <= max([created.max_workers, *(f.max_workers or 0 for f in changes)])
        finished = Counter(fact.child_id for fact in prefix if isinstance(fact, ChildFinished))
        finished.subtract(fact.child_id for fact in prefix if isinstance(fact, ChildRedriven))
        assert max(finished.values(), default=0) <= 1
        decided = [fact.status for fact in this_life(prefix) if isinstance(fact, ParentDecided)]
        assert len(decided) <= 1
        assert not decided or replayed.status == decided[0]


@given(history=histories())
@tries(20)
def test_the_live_state_is_the_replayed_state(history: History) -> None:
    """Also where the state went through forks: turns that were decided on it and never came on record."""
    history.crash()
    for version in history.ends:
        check_history(history.facts[:version])
    views = child_views(history.facts)
    tally = Counter(view.status for view in views)
    now = counts(history.state)
    assert [tally[name] for name in now._fields[1:]] == list(now[1:])  # type: ignore[index]


@given(history=histories(picks_max=40), seed=SEEDS)
@tries(20)
def test_every_prefix_can_be_gone_on_from_to_a_legal_end(history: History, seed: int) -> None:
    for version in range(1, len(history.facts) + 1):
        whole_append = version in history.ends
        ended = go_on(history.facts[:version], seed)
        check_history(ended.facts, cut_anywhere=not whole_append)
        state = ended.state
        assert is_final(state.status)
        assert state.ended == state.total == len({f.child_id for f in ended.facts if isinstance(f, ChildFinished)})
        assert state.settled
        before = [fact.status for fact in this_life(history.facts[:version]) if isinstance(fact, ParentDecided)]
        assert not before or state.status == before[0]


@given(history=histories(), seed=SEEDS)
@tries(20)
def test_a_state_that_others_went_on_from_is_as_good_as_new(history: History, seed: int) -> None:
    """A turn in conflict is thrown away and decided again, on the state that it left behind."""
    state, facts = history.state, list(history.facts)
    before = fingerprint(state)
    first = go_on(facts, seed, state).facts
    assert fingerprint(state) == before == fingerprint(fold(facts))
    assert go_on(facts, seed, state).facts == first == go_on(facts, seed).facts


@pytest.mark.parametrize("count", [0, 1, 10_000])
def test_a_parent_of_any_size_goes_its_way(count: int) -> None:
    children = [spec(str(number), ChildLimits(max_attempts=2)) for number in range(count)]
    made = parent(*children, max_workers=8, on_decided="continue")
    ended = go_on(made.facts, 1)
    check_history(ended.facts)
    assert ended.state.settled
    assert ended.state.ended == count
