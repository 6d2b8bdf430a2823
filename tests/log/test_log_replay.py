"""Folding what is on record, one checked step at a time."""

from __future__ import annotations

import pytest
from tests.events.scenario import AT, create, fingerprint, parent, prepare, start

from events.decide import decide_all
from events.errors import StoreDamagedError
from events.evolve import INITIAL, fold
from events.facts import ChildCreated, Fact
from events.log.record import Recorded
from events.log.replay import replayed
from events.state import ParentState


def record(version: int, fact: Fact) -> Recorded:
    return Recorded("p", version, fact, 10 * version)


def test_what_follows_is_folded() -> None:
    facts = parent("a", "b").given(start("b")).facts
    state = replayed(INITIAL, [record(version, fact) for version, fact in enumerate(facts, 1)], "store.db")
    assert fingerprint(state) == fingerprint(fold(facts))
    assert not INITIAL.exists


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (INITIAL, "the run was not created yet"),
        (decide_all(INITIAL, [create(), prepare("b")])[1], "there is no child 'a'"),
    ],
)
def test_what_cannot_follow_is_damage_with_its_place(state: ParentState, problem: str) -> None:
    with pytest.raises(StoreDamagedError) as caught:
        replayed(state, [record(4, ChildCreated(at=AT, child_id="a"))], "store.db")
    place = caught.value.place
    assert place is not None
    assert (place.parent_id, place.version, place.position) == ("p", 4, 40)
    assert place.problem == f"ChildCreated cannot stand here: {problem}"
    assert str(caught.value).startswith("store.db: ")
