"""Which open children a step names: at every prefix of random histories those that a look at the whole state finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from events.evolve import INITIAL, evolve
from events.open_children import OpenChild, OpenChildren
from events.state import ParentState
from events.views import moment
from tests.events.histories import History, histories
from tests.hostile.effort import tries

MANY = 1_000


def all_open(state: ParentState) -> set[OpenChild]:
    """Find the open children the long way."""
    found = set()
    for child_id, child in state.children.items():
        running, due = state.running.get(child_id), state.requeued.get(child_id)
        if running is not None:
            since = moment(running.started_at)
            found.add(OpenChild(child_id, child.place, "running", running.attempt, running.worker, since, None))
        elif child.phase in ("waiting", "prepared"):
            after = moment(due) if due else None
            found.add(OpenChild(child_id, child.place, "pending", child.attempts, None, None, after))
    return found


@tries(100)
@given(histories())
def test_open_children_are_all_those_that_have_no_outcome(history: History) -> None:
    state = INITIAL
    following = OpenChildren(state, MANY)
    for fact in history.facts:
        state = evolve(state, fact)
        following.take(fact, state)
        named = following.named(state)
        assert len(named) == len(set(named)) == state.total - state.ended
        assert set(named) == all_open(state)
        assert [child.status for child in named] == sorted((child.status for child in named), reverse=True)


@tries(100)
@given(histories(), st.data())
def test_going_on_from_a_state_is_the_same_as_following_from_the_start(history: History, data: st.DataObject) -> None:
    split = data.draw(st.integers(0, len(history.facts)))
    state = INITIAL
    for fact in history.facts[:split]:
        state = evolve(state, fact)
    following = OpenChildren(state, MANY)
    assert set(following.named(state)) == all_open(state)
    for fact in history.facts[split:]:
        state = evolve(state, fact)
        following.take(fact, state)
        assert set(following.named(state)) == all_open(state)


@tries(100)
@given(histories(), st.integers(0, 3))
def test_no_more_are_named_than_asked_for(history: History, most: int) -> None:
    state = INITIAL
    few, many = OpenChildren(state, most), OpenChildren(state, MANY)
    for fact in history.facts:
        state = evolve(state, fact)
        few.take(fact, state)
        many.take(fact, state)
        named = few.named(state)
        assert len(named) <= most
        assert set(named) <= set(many.named(state))
