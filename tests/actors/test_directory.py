"""The directory: one set of observers for a parent, and of which death an actor died."""

from __future__ import annotations

import gc

import pytest

from actors.directory import Directory, Live
from tests.actors.crew import GONE, MISTAKE
from tests.actors.stage import Probe, Stage, hearing_on


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def directory(stage: Stage) -> Directory:
    return Directory(hearing_on(stage, 10))


def test_whoever_asks_for_a_parents_observers_gets_the_same(directory: Directory) -> None:
    first = directory.observers("p")
    assert directory.observers("p") is first
    assert directory.observers("q") is not first
    assert first.parent_id == "p"


def test_observers_of_a_halted_parent_are_followed_by_new_ones(directory: Directory) -> None:
    halted = directory.observers("p")
    halted.halt(GONE)
    fresh = directory.observers("p")
    assert fresh is not halted
    assert directory.observers("p") is fresh


def test_observers_that_nobody_holds_are_forgotten(directory: Directory) -> None:
    before = directory.observers("p")
    del before
    gc.collect()
    assert "p" not in directory._observers


def test_a_death_is_noted_with_the_actor_that_died_and_no_other(stage: Stage, directory: Directory) -> None:
    dead, other = Probe(stage).actor_ref, Probe(stage).actor_ref
    live = directory.live["p"] = Live(dead, directory.observers("p"))
    directory.note_death("p", other, MISTAKE)
    directory.note_death("q", dead, MISTAKE)
    assert live.error is None
    directory.note_death("p", dead, GONE)
    assert live.error is GONE


def test_a_snapshot_names_who_lives_and_stays_as_it_was(stage: Stage, directory: Directory) -> None:
    observers = directory.observers("p")
    for name in "pq":
        directory.live[name] = Live(Probe(stage).actor_ref, observers)
    snapshot = directory.snapshot()
    del directory.live["p"]
    assert list(snapshot) == ["p", "q"]
