"""Retries: by count, by budget, by kind of error, by the clock, and by what became of the worker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.backoff import jitter_draw, retry_delay_us
from events.decide_attempts import error_kinds
from events.facts import ChildFinished, ChildLimits, ChildRetryScheduled
from events.strategy import ANY
from tests.events.scenario import (
    AT,
    SECOND,
    Given,
    cancel_child,
    crash,
    finish,
    lose,
    names,
    of_type,
    parent,
    redrive,
    spec,
    start,
)

THRICE = ChildLimits(max_attempts=3)
RETRIED, ENDED = ["ChildRetryScheduled"], ["ChildFinished", "ParentDecided", "ParentSettled"]


def failing(given: Given, error: str | None, attempt: int = 1) -> list[str]:
    command = finish("a", "failed", attempt).model_copy(update={"error": error})
    return names(given.when(command))


@pytest.mark.parametrize(
    ("limits", "error", "names"),
    [
        ({"retry_on": ("OSError",)}, {"type": "OSError"}, RETRIED),
        ({"retry_on": ("OSError",)}, {"type": "FileNotFoundError", "bases": ["OSError", "Exception"]}, RETRIED),
        ({"retry_on": ("OSError",)}, {"type": "ValueError", "bases": ["Exception"]}, ENDED),
        ({"retry_on": ("OSError",)}, None, ENDED),
        ({"retry_on": ()}, {"type": "OSError"}, ENDED),
        ({"give_up_on": ("OSError",)}, {"type": "ValueError"}, RETRIED),
        ({"give_up_on": ("OSError",)}, {"type": "X", "bases": ["OSError"]}, ENDED),
        ({"give_up_on": ("OSError",)}, None, RETRIED),
        ({"retry_on": ("OSError",), "give_up_on": ("X",)}, {"type": "X", "bases": ["OSError"]}, ENDED),
        ({"give_up_on": ()}, {"type": "OSError"}, RETRIED),
    ],
)
def test_what_is_tried_again_is_a_matter_of_its_type(limits: dict[str, Any], error: object, names: list[str]) -> None:
    made = parent(spec("a", ChildLimits(max_attempts=3, **limits))).given(start("a"))
    assert failing(made, None if error is None else json.dumps(error)) == names


DEEP = pytest.param("[" * 100_000, id="deep")


@pytest.mark.parametrize(
    "error", [None, "null", "7", "[1]", '{"type":1,"bases":7}', '{"bases":[1]}', "?", "1" * 5_000, DEEP]
)
def test_an_error_that_names_no_type_is_of_none(error: str | None) -> None:
    assert error_kinds(error) == set()
    made = parent(spec("a", ChildLimits(max_attempts=2, retry_on=("X",)))).given(start("a"))
    assert failing(made, error) == ENDED


def test_an_error_is_of_its_type_and_of_those_it_is_derived_from() -> None:
    assert error_kinds('{"type":"A","bases":["B",7,"C"]}') == {"A", "B", "C"}


@pytest.mark.parametrize("budget", [0, 1, 2])
def test_a_budget_is_shared_by_all_children_of_a_parent(budget: int) -> None:
    made = parent(*(spec(name, THRICE) for name in "abc"), strategy=ANY, retry_budget=budget)
    made = made.given(*(start(name) for name in "abc"), *(finish(name, "failed") for name in "abc"))
    assert len(of_type(made.facts, ChildRetryScheduled)) == budget
    assert len(of_type(made.facts, ChildFinished)) == 3 - budget


def test_a_redrive_has_the_whole_budget_again_and_a_loss_spends_none_of_it() -> None:
    made = parent(spec("a", THRICE), retry_budget=1).given(start("a"), lose("a"), start("a"), finish("a", "failed", 2))
    assert made.state.retries == 1
    made = made.given(start("a"), finish("a", "failed", 3))
    assert made.state.settled
    made = made.given(redrive(), start("a"), finish("a", "failed", 4))
    assert made.state.children["a"].phase == "waiting"


def test_a_child_that_was_asked_to_stop_is_not_tried_again() -> None:
    made = parent(spec("a", THRICE)).given(start("a"), cancel_child("a"))
    assert failing(made, "{}") == ENDED


def test_a_child_of_which_three_workers_died_fails() -> None:
    made = parent("a", "b").given(
        start("a"), crash("a"), start("a"), lose("a", 2), start("a"), crash("a", 3), start("a")
    )
    facts = made.when(crash("a", 4))
    assert names(facts) == ["AttemptLost", "ChildFinished", "ParentDecided"]
    (ended,) = of_type(facts, ChildFinished)
    assert (ended.outcome, ended.attempt) == ("failed", 4)
    assert json.loads(ended.error or "") == {
        "type": "AttemptLost",
        "message": "its worker died 3 times: its worker died",
    }
    assert names(made.when(lose("a", 4))) == ["AttemptLost"], "what was interrupted is nobody's fault"


def test_how_many_workers_may_die_is_a_limit_and_a_redrive_counts_anew() -> None:
    made = parent(spec("a", ChildLimits(crashes_max=1))).given(start("a"))
    assert names(made.when(crash("a"))) == ["AttemptLost", *ENDED]
    made = made.given(crash("a"), redrive(), start("a"))
    assert made.state.children["a"].crashes == 0


JITTERY = ChildLimits(max_attempts=9, initial_seconds=8, jitter=0.25)


def test_jitter_is_the_same_for_the_same_seed_child_and_attempt_and_only_then() -> None:
    def due(seed: int | None, child_id: str = "a") -> int:
        made = parent(spec("a", JITTERY), spec("b", JITTERY), seed=seed).given(start(child_id))
        (fact,) = of_type(made.when(finish(child_id, "failed")), ChildRetryScheduled)
        return fact.not_before

    assert due(1) == due(1)
    assert len({due(1), due(2), due(1, "b"), due(None)}) == 4
    assert due(None) == due(0)
    assert due(7) == AT + retry_delay_us(JITTERY, 0, jitter_draw(7, "a", 1))


@given(seed=st.integers(), child_id=st.text(), attempt=st.integers(1, 10**6), failures=st.integers(0, 100))
def test_jitter_shortens_a_wait_by_no_more_than_its_part(seed: int, child_id: str, attempt: int, failures: int) -> None:
    draw = jitter_draw(seed, child_id, attempt)
    assert 0 <= draw < 1
    assert draw == jitter_draw(seed, child_id, attempt)
    whole = retry_delay_us(JITTERY, failures)
    assert 0.75 * whole - 1 <= retry_delay_us(JITTERY, failures, draw) <= whole


def test_without_jitter_a_wait_is_whole_whatever_the_seed() -> None:
    made = parent(spec("a", ChildLimits(max_attempts=2, initial_seconds=8)), seed=5).given(start("a"))
    (fact,) = of_type(made.when(finish("a", "failed")), ChildRetryScheduled)
    assert fact.not_before == AT + 8 * SECOND
