"""What people ask of a parent that somebody else works on: each group all or none, nothing before what is on record."""

from __future__ import annotations

from events.commands import Cancel, CancelChild, ChangeLimits, Command, Pause, Resume
from events.errors import StepOrderError
from events.evolve import fold
from events.facts import ChildCancelRequested, ChildFinished, LimitsChanged, Paused, Resumed
from events.interventions import CONTROLS, intervene
from tests.events.scenario import AT, cancel_child, change, fingerprint, names, parent, pause, resume


def test_what_may_be_asked_is_this() -> None:
    assert (Cancel, CancelChild, Pause, Resume, ChangeLimits) == CONTROLS


def test_groups_are_decided_one_after_the_other() -> None:
    made = parent("a", "b")
    done = intervene(made.state, [[pause()], [change(max_workers=3), resume()]], AT)
    assert done.facts == [Paused(at=AT, reason="lunch"), LimitsChanged(at=AT, max_workers=3), Resumed(at=AT)]
    assert fingerprint(done.state) == fingerprint(fold(done.facts, made.state))
    assert done.refused == {}


def test_nothing_is_asked_of_nobody() -> None:
    made = parent("a")
    assert intervene(made.state, [], AT) == ([], made.state, {})


def test_a_refused_group_leaves_nothing_behind_and_the_others_stand() -> None:
    made = parent("a", "b")
    asked = [resume(), cancel_child("b"), cancel_child("nobody")]
    groups: list[list[Command]] = [[pause()], asked, [cancel_child("a")]]
    done = intervene(made.state, groups, AT)
    assert names(done.facts)[:3] == ["Paused", "ChildCancelRequested", "ChildFinished"]
    assert [fact.child_id for fact in done.facts if isinstance(fact, ChildCancelRequested | ChildFinished)] == ["a"] * 2
    assert (done.state.paused, done.state.children["b"].phase) == (True, "waiting")
    assert fingerprint(done.state) == fingerprint(fold(done.facts, made.state))
    assert list(done.refused) == [1]
    assert isinstance(done.refused[1], StepOrderError)


def test_what_was_asked_before_the_latest_fact_is_as_late_as_that() -> None:
    made = parent("a")
    for earliest, at in ((AT - 1, AT), (AT, AT), (AT + 5, AT + 5)):
        assert intervene(made.state, [[pause()]], earliest).facts == [Paused(at=at, reason="lunch")]
