"""Every prefix of random histories: it counts right, replays to the live status, and can be gone on from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import event, given, settings

from events.evolve import fold
from events.facts import (
    AttemptLost,
    ChildFinished,
    ChildLimits,
    ChildPrepared,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
    ParentCreated,
    ParentDecided,
    ParentSettled,
)
from events.invariants import check_history
from events.views import Counts, child_views, counts
from tests.events.histories import SEEDS, History, go_on, histories, is_final
from tests.events.scenario import fingerprint, parent, spec


def recounted(facts: Sequence[Fact]) -> Counts:
    """Count children from facts alone, without any state."""
    starts = Counter(fact.child_id for fact in facts if isinstance(fact, ChildStarted))
    stops = Counter(
        fact.child_id
        for fact in facts
        if isinstance(fact, ChildRetryScheduled | AttemptLost) or (isinstance(fact, ChildFinished) and fact.attempt)
    )
    # a child that was lost, or waits for a retry, and then ends without another start has stopped twice
    running = sum(1 for child_id, count in starts.items() if count > stops[child_id])
    outcomes = Counter(fact.outcome for fact in facts if isinstance(fact, ChildFinished))
    total = sum(1 for fact in facts if isinstance(fact, ChildPrepared))
    return Counts(
        total,
        total - running - outcomes.total(),
        running,
        outcomes["succeeded"],
        outcomes["failed"],
        outcomes["timed_out"],
        outcomes["cancelled"],
        outcomes["skipped"],
    )


@given(history=histories())
@settings(max_examples=400, deadline=None, print_blob=True)
def test_every_prefix_holds_what_was_promised(history: History) -> None:
    facts = history.facts
    event(f"status {history.state.status}, settled {history.state.settled}")
    event(f"facts {len(history.facts) // 10}x10")
    check_history(facts)
    created = facts[0]
    assert isinstance(created, ParentCreated)
    for version in range(1, len(facts) + 1):
        prefix = facts[:version]
        replayed = fold(prefix)
        assert replayed.version == version
        assert replayed.status == history.statuses[version - 1]
        assert counts(replayed) == recounted(prefix)
        assert replayed.running_count == len(replayed.running) <= created.max_workers
        assert replayed.requeued_count == len(replayed.requeued)
        finished = Counter(fact.child_id for fact in prefix if isinstance(fact, ChildFinished))
        assert max(finished.values(), default=0) <= 1
        decided = [fact.status for fact in prefix if isinstance(fact, ParentDecided)]
        assert len(decided) <= 1
        assert not decided or replayed.status == decided[0]


@given(history=histories())
@settings(max_examples=250, deadline=None, print_blob=True)
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
@settings(max_examples=150, deadline=None, print_blob=True)
def test_every_prefix_can_be_gone_on_from_to_a_legal_end(history: History, seed: int) -> None:
    for version in range(1, len(history.facts) + 1):
        whole_append = version in history.ends
        ended = go_on(history.facts[:version], seed)
        check_history(ended.facts, cut_anywhere=not whole_append)
        state = ended.state
        assert is_final(state.status)
        assert state.ended == state.total == len({f.child_id for f in ended.facts if isinstance(f, ChildFinished)})
        assert isinstance(ended.facts[-1], ParentSettled) or history.state.settled
        before = [fact.status for fact in history.facts[:version] if isinstance(fact, ParentDecided)]
        assert not before or state.status == before[0]


@given(history=histories(), seed=SEEDS)
@settings(max_examples=150, deadline=None, print_blob=True)
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
