"""A portrait is a parent's counts with one child in full: what is decided of this child is what the state decides."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given, settings

from events.catalogue import type_name
from events.commands import CancelChild, Command, ExpireChild, FinishAttempt, RecordLateEnding
from events.decide import decide_all
from events.errors import StoreDamagedError, UsageError
from events.evolve import fold
from events.facts import ChildLimits, ChildStarted, Fact
from events.sketch import WHOLE_NAMES, Portrait, Sketch
from events.state import ParentState
from events.strategy import ANY
from events.views import counts
from tests.events.histories import History, histories
from tests.events.scenario import (
    AT,
    SECOND,
    cancel_child,
    fingerprint,
    finish,
    late,
    lose,
    parent,
    pause,
    redrive,
    resume,
    spec,
    start,
    take,
)

LIFE = (
    parent(spec("a", ChildLimits(max_attempts=3, initial_seconds=1.0)), "b", "c", "d", strategy=ANY)
    .given(take(), start("c"), start("a"), pause(), finish("a", "failed"), resume(), lose("c"), late("c"))
    .given(cancel_child("d"), start("a", at=AT + SECOND), cancel_child("a"), start("b"), finish("b", "timed_out"))
    .given(finish("a", "cancelled", 2), start("c"), finish("c", attempt=2), redrive("b"), start("b"))
    .facts
)
"""A life of four children in which each of them is what a child may be: waiting again, asked to stop, ended late."""


def portrait_of(facts: list[Fact], child_id: str) -> Portrait:
    portrait = Portrait(Sketch(), child_id)
    for fact in facts:
        portrait.add_fact(type_name(fact), fact)
    return portrait


def decided(state: ParentState, command: Command) -> object:
    """Return what a command of one child brings about for it, and whether it is refused."""
    try:
        return decide_all(state, [command])[0]
    except UsageError as error:
        return str(error)


@given(history=histories())
@settings(max_examples=60, deadline=None, print_blob=True)
def test_what_is_decided_of_the_child_is_what_the_state_decides(history: History) -> None:
    for version in history.ends:
        known = list(history.facts[:version])
        state, at = fold(known), known[-1].at
        for child_id, child in islice(state.children.items(), 3):
            portrait = portrait_of(known, child_id)
            assert portrait.version == version
            for command in (
                CancelChild(at=at, child_id=child_id, reason="x"),
                FinishAttempt(at=at, child_id=child_id, attempt=child.attempts or 1, outcome="cancelled"),
                ExpireChild(at=at, child_id=child_id, clock="queue"),
                RecordLateEnding(at=at, child_id=child_id, attempt=child.attempts or 1, outcome="failed"),
            ):
                assert decided(portrait.state, command) == decided(state, command)


@pytest.mark.parametrize("child_id", ["a", "b", "c", "d"])
def test_of_a_child_all_is_there_after_each_fact_and_of_the_others_only_the_counts(child_id: str) -> None:
    for version in range(1, len(LIFE) + 1):
        known = list(LIFE[:version])
        state, portrait = fold(known), portrait_of(known, child_id).state
        assert counts(portrait) == counts(state)
        for name in ("children", "running", "requeued", "asked_to_stop"):
            mine = {key: value for key, value in getattr(state, name).items() if key == child_id}
            assert dict(getattr(portrait, name).items()) == mine, f"{name} at version {version}"
        assert dict(portrait.late.items()) == {key: at for key, at in state.late.items() if key[0] == child_id}
        assert dict(portrait.order.items()) == {key: name for key, name in state.order.items() if name == child_id}


def test_whether_the_child_was_started_in_its_turn_or_before_it_is_known() -> None:
    first, third = portrait_of(list(LIFE), "a").state, portrait_of(list(LIFE), "c").state
    assert (first.next_index, first.ahead) == (1, 0)
    assert (third.next_index, third.ahead) == (0, 1)


def test_the_counts_come_from_a_sketch_that_has_gone_ahead() -> None:
    sketch = Sketch()
    for fact in LIFE:
        sketch.add_fact(type_name(fact), fact)
    portrait = Portrait(sketch, "b")
    assert portrait.sketch is sketch
    for fact in LIFE:
        portrait.add_own(type_name(fact), fact)
    assert portrait.version == len(LIFE), "what is the child's own was counted already"
    assert fingerprint(portrait.state) == fingerprint(portrait_of(list(LIFE), "b").state)


def test_a_fact_of_the_child_that_cannot_stand_where_it_does_is_damage() -> None:
    started = next(fact for fact in LIFE if isinstance(fact, ChildStarted) and fact.child_id == "c")
    with pytest.raises(StoreDamagedError, match=r"^ChildStarted of child 'c' cannot stand where it does$"):
        Portrait(Sketch(), "c").add_own("ChildStarted", started)
    Portrait(Sketch(), "a").add_own("ChildStarted", started)  # which is none of its own
    whole = next(fact for fact in LIFE if type_name(fact) in WHOLE_NAMES)
    assert not Portrait(Sketch(), "c").state.exists
    portrait = Portrait(Sketch(), "c")
    portrait.add_own(type_name(whole), whole)
    assert fingerprint(portrait.state) == fingerprint(Portrait(Sketch(), "c").state), (
        "facts of the parent are the sketch's"
    )
