"""What changed between two points of random histories, held against a comparison of the two states as they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from events.comparison import ChildThen, Comparison, RunDiff, portrait, seen
from events.evolve import evolve, fold
from events.state import ParentState
from tests.events.histories import History, histories
from tests.hostile.effort import tries


def compared(history: History, a: int, b: int) -> RunDiff:
    """Compare the states after `a` and `b` facts, `a` not being the later one."""
    state = fold(history.facts[:a])
    found = Comparison("r", state, a)
    for fact in history.facts[a:b]:
        found.take(state, fact)
        state = evolve(state, fact)
    return found.difference(state, b)


def children(state: ParentState) -> dict[str, ChildThen]:
    return {child_id: ChildThen(seen(child.phase), child.attempts) for child_id, child in state.children.items()}


@tries(100)
@given(histories(), st.data())
def test_what_changed_is_what_differs(history: History, data: st.DataObject) -> None:
    b = data.draw(st.integers(1, len(history.facts)))
    a = data.draw(st.integers(1, b))
    found = compared(history, a, b)
    then, now = fold(history.facts[:a]), fold(history.facts[:b])
    fields, before, after = {change.field for change in found.changes}, portrait(then), portrait(now)
    assert fields == {name for name in after if after[name] != before[name]}
    assert all((change.before, change.after) == (before[change.field], after[change.field]) for change in found.changes)
    old, new = children(then), children(now)
    assert [(child.id, child.before, child.after) for child in found.children] == [
        (child_id, old.get(child_id), child) for child_id, child in new.items() if old.get(child_id) != child
    ]
    assert [child.index for child in found.children] == [now.children[child.id].place for child in found.children]
    assert (found.a.version, found.b.version, found.events) == (a, b, b - a)


@tries(100)
@given(histories())
def test_nothing_changes_at_one_point(history: History) -> None:
    found = compared(history, len(history.facts), len(history.facts))
    assert (found.changes, found.children, found.events) == ((), (), 0)


@tries(100)
@given(histories())
def test_turning_a_difference_twice_gives_it_back(history: History) -> None:
    found = compared(history, 1, len(history.facts))
    turned = found.turned()
    assert turned.turned() == found
    assert [(change.before, change.after) for change in turned.changes] == [
        (change.after, change.before) for change in found.changes
    ]
    assert (turned.a, turned.b) == (found.b, found.a)
