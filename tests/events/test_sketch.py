"""A sketch of a parent is its state without the children, and what is decided on it is what is decided on the state."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from events.catalogue import DEFAULT_CATALOGUE, TYPES, type_name
from events.commands import Cancel, ChangeLimits, CloseMembership, Command, Pause, Resume
from events.decide import decide_all
from events.errors import StoreDamagedError, UsageError
from events.evolve import INITIAL, fold
from events.facts import ChildLimits, Fact, Redriven
from events.sketch import TOLD_NAMES, WHOLE_NAMES, Outline, Sketch
from events.state import ParentState
from events.strategy import ANY, Strategy
from events.views import counts
from tests.events.histories import History, histories
from tests.events.scenario import (
    AT,
    SECOND,
    cancel,
    cancel_child,
    change,
    finish,
    give_up,
    late,
    lose,
    parent,
    pause,
    progress,
    redrive,
    resume,
    skip,
    spec,
    start,
    take,
)

KNOWN = (
    *("version", "status", "settled", "strategy", "max_workers", "on_decided", "timeout_seconds", "weight", "priority"),
    *("total", "running_count", "ended", "succeeded", "failed", "timed_out", "cancelled", "skipped"),
    *("membership_closed", "owner", "epoch", "paused", "resumed_at", "redrives", "redrive_token", "deadline_from"),
    *("cancel_requested", "deadline_passed", "decision", "created_at", "started_at", "decided_at", "settled_at"),
)
"""What the sketch knows of a state; the rest is about single children."""


def test_the_names_of_its_facts_are_those_that_are_stored() -> None:
    assert set(TYPES) >= WHOLE_NAMES


def drawn(facts: list[Fact], *, stored: int) -> Sketch:
    """Return the sketch after these facts, the first `stored` of them read as they are stored."""
    sketch = Sketch()
    for number, fact in enumerate(facts):
        name, data = DEFAULT_CATALOGUE.encode(fact)
        assert name == type_name(fact)
        if number < stored and name in TOLD_NAMES:
            sketch.add_row(name, data)
        elif number < stored and name not in WHOLE_NAMES:
            sketch.add_counts({name: 1}, fact.at if name == "ChildStarted" else None)
        else:
            sketch.add_fact(name, fact)
    return sketch


def outcome(state: ParentState, command: Command) -> object:
    try:
        facts, after = decide_all(state, [command])
    except UsageError as error:
        return str(error)
    return facts, after.status, counts(after)


@given(history=histories())
@settings(max_examples=150, deadline=None, print_blob=True)
def test_a_sketch_is_the_state_without_its_children(history: History) -> None:
    for version in {len(history.facts), len(history.facts) // 2, *history.ends}:
        known = history.facts[:version]
        state, sketch = fold(known), drawn(list(known), stored=version // 2).state
        for name in KNOWN:
            assert getattr(sketch, name) == getattr(state, name), name
        at = known[-1].at if known else 1
        for command in (
            Cancel(at=at, reason="x"),
            Pause(at=at, reason="x"),
            Resume(at=at),
            ChangeLimits(at=at, max_workers=3, weight=2),
            ChangeLimits(at=at, strategy=ANY),
            ChangeLimits(at=at, strategy=Strategy(kind="threshold", count=2)),
            CloseMembership(at=at, arriving=True),
        ):
            assert outcome(sketch, command) == outcome(state, command)


@given(history=histories())
@settings(max_examples=150, deadline=None, print_blob=True)
def test_an_outline_decides_as_the_state_does_what_it_says_it_does(history: History) -> None:
    for version in history.ends:  # in between, within an append, nobody ever sees a parent
        known = history.facts[:version]
        outline = Outline()
        for fact in known:
            outline.add_fact(type_name(fact), fact)
        state, at = fold(known), known[-1].at
        for command in (
            Cancel(at=at, reason="x"),
            Pause(at=at, reason="x"),
            Resume(at=at),
            ChangeLimits(at=at, max_workers=3, weight=2),
            ChangeLimits(at=at, strategy=ANY),
            CloseMembership(at=at, arriving=True),
        ):
            wanted = isinstance(command, Pause | Resume) or (
                command.strategy is None if isinstance(command, ChangeLimits) else state.membership_closed
            )
            assert outline.suffices(command) == wanted
            if wanted:
                assert decision(outline.state, command) == decision(state, command)


def test_an_outline_has_the_parents_version_and_one_child_that_stands_for_all() -> None:
    outline = Outline()
    assert (outline.version, outline.state.exists) == (0, False)
    for version, fact in enumerate(LIFE, 1):
        outline.add_fact(type_name(fact), fact)
        assert outline.version == outline.state.version == version
        assert (outline.state.total, outline.state.settled) == (1, fold(LIFE[:version]).settled)
        if isinstance(fact, Redriven):
            assert outline.state.redriving_at == version


def test_an_outline_does_not_decide_of_children() -> None:
    outline = Outline()
    for fact in LIFE:
        outline.add_fact(type_name(fact), fact)
    assert outline.suffices(cancel())
    assert not outline.suffices(start("a"))


def decision(state: ParentState, command: Command) -> object:
    try:
        return decide_all(state, [command])[0]
    except UsageError as error:
        return str(error)


ONE = "one"
LIFE = (
    parent(spec("a", ChildLimits(max_attempts=2)), "b", "c", "d", strategy=ANY, max_workers=2, timeout_seconds=9.0)
    .given(take(), start("a"), progress("a"), pause(), lose("a"), resume(), start("a", at=AT + SECOND), start("b"))
    .given(finish("a", "failed", 2), change(max_workers=3, weight=4), start("a"), finish("b", "timed_out"), give_up())
    .given(start("c"), start("a"), cancel_child("d"), finish("a", "failed", 4), finish("c"), late("a"))
    .given(redrive("b", token=ONE), start("b"), cancel(), take("you"), skip())
    .facts
)
"""A life of three children, with all that moves one from one count to another."""


@pytest.mark.parametrize("all_stored", [False, True], ids=["as facts", "as stored"])
def test_a_sketch_has_the_counts_of_the_state_after_each_fact_of_a_life(*, all_stored: bool) -> None:
    for version in range(len(LIFE) + 1):
        known = LIFE[:version]
        state, sketch = fold(known), drawn(list(known), stored=version if all_stored else 0).state
        for name in (*KNOWN, "created"):
            assert getattr(sketch, name) == getattr(state, name), f"{name} at version {version}"


def test_a_sketch_knows_where_a_redrive_began() -> None:
    version = next(number for number, fact in enumerate(LIFE, 1) if isinstance(fact, Redriven))
    assert drawn(list(LIFE[:version]), stored=0).state.redriving_at == version


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"child_id":1}', b"\xff", b"[" * 100_000])
def test_a_row_that_cannot_be_read_is_damage(data: bytes) -> None:
    with pytest.raises(StoreDamagedError, match="ChildFinished"):
        Sketch().add_row("ChildFinished", data)


def test_it_begins_with_nothing() -> None:
    assert vars(Sketch().state) == vars(INITIAL)
