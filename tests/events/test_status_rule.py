"""The status rule against the oracle, for every way in which up to six children can stand and every strategy."""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from typing import Final

import pytest
from pydantic import ValidationError

from events.evolve import fold
from events.facts import ChildCreated, ChildFinished, ChildPrepared, Fact, ParentCreated
from events.invariants.rule import Situation, contract_status, successes_needed
from events.strategy import (
    ALL,
    ANY,
    FINAL_STATUSES,
    Status,
    Strategy,
    Tally,
    calculate_status,
    impossible,
)
from tests.events.strategies import CHILDREN, plain_strategies, strategies

RECORD: Final[tuple[Fact, ...]] = (
    ParentCreated(at=1, strategy=ALL, max_workers=1, on_decided="continue", content=""),
    ChildPrepared(at=1, child_id="a", index=0, task="t", input="null"),
    ChildPrepared(at=1, child_id="b", index=1, task="t", input="null"),
    ChildCreated(at=1, child_id="a"),
    ChildCreated(at=1, child_id="b"),
    ChildFinished(at=1, child_id="a", attempt=0, outcome="succeeded"),
)


def test_a_parent_runs_once_a_child_has_ended_even_if_none_was_started() -> None:
    assert [fold(RECORD[:length]).status for length in range(1, 7)] == ["pending"] * 5 + ["running"]


DECISIONS: Final[tuple[Status | None, ...]] = (None, "succeeded", "failed", "cancelled", "timed_out")


@pytest.mark.parametrize("n", CHILDREN)
def test_the_rule_is_the_contract_for_every_way_children_can_stand(n: int) -> None:
    standings = list(combinations_with_replacement(("untouched", "open", "good", "bad"), n))
    for strategy, standing, more in product(strategies(n), standings, (False, True)):
        good, bad, touched = standing.count("good"), standing.count("bad"), standing.count("untouched") < n
        now, tally = Situation(n, good, bad, touched, more), Tally(n, good, bad, touched, more)
        assert calculate_status(strategy, tally) == contract_status(strategy, now), (strategy, tally)


@pytest.mark.parametrize("n", CHILDREN)
def test_failed_means_that_no_way_for_open_children_to_end_could_still_succeed(n: int) -> None:
    for strategy, good in product(plain_strategies(n), range(n + 1)):
        for bad in range(n + 1 - good):
            still_open = n - good - bad
            ways = [sum(way) + good >= successes_needed(strategy, n) for way in product((0, 1), repeat=still_open)]
            status = calculate_status(strategy, Tally(n, good, bad, started=True))
            assert (status == "failed") == (not any(ways)), (strategy, good, bad)
            assert (status == "succeeded") == all(ways) or strategy.kind != "all", (strategy, good, bad)


@pytest.mark.parametrize("n", CHILDREN)
def test_the_order_of_arrival_never_matters(n: int) -> None:
    """Two arrivals that differ in order alone end in the same status, decisions taken on the way included."""
    for strategy in plain_strategies(n):
        final: dict[int, Status] = {}
        for ends in product((True, False), repeat=n):
            decided: Status | None = None
            for seen in range(n + 1):
                good = sum(ends[:seen])
                status = calculate_status(strategy, Tally(n, good, seen - good, seen > 0, decided=decided))
                decided = status if status in FINAL_STATUSES else None
            assert decided is not None, (strategy, ends)
            assert final.setdefault(sum(ends), decided) == decided, (strategy, ends)


def test_a_decision_stands_before_everything_and_a_request_before_the_counts() -> None:
    flags = (False, True)
    for strategy, good, bad in product(strategies(3), range(4), range(4)):
        if good + bad > 3:
            continue
        for more, cancelled, late, decided in product(flags, flags, flags, DECISIONS):
            tally = Tally(3, good, bad, True, more, cancelled, late, decided)
            now = Situation(3, good, bad, True, more, cancelled, late, decided)
            assert calculate_status(strategy, tally) == contract_status(strategy, now), (strategy, tally)
    assert calculate_status(ALL, Tally(3, 3, 0, True, decided="failed")) == "failed"
    assert calculate_status(ALL, Tally(3, 3, 0, True, cancel_requested=True, deadline_passed=True)) == "cancelled"


@pytest.mark.parametrize(
    ("percent", "total", "required"),
    [
        (33.3, 1000, 333),
        (33.4, 1000, 334),
        (0.1, 1000, 1),
        (0.1, 1001, 2),
        (29.0, 100, 29),
        (57.0, 100, 57),
        (80.0, 10_000_000, 8_000_000),
        (1e-300, 10_000_000, 1),
        (5e-324, 1, 1),
        (100.0, 7, 7),
        (50.0, 0, 0),
    ],
)
def test_a_percentage_is_taken_as_it_is_written_and_rounded_up(percent: float, total: int, required: int) -> None:
    strategy = Strategy(kind="threshold", percent=percent)
    assert strategy.required(total) == required == successes_needed(strategy, total)


@pytest.mark.parametrize(
    ("percent", "total", "bearable"),
    [
        (33.3, 3, 0),
        (33.4, 3, 1),
        (50.0, 2, 1),
        (0.0, 5, 0),
        (29.0, 100, 29),
        (99.9, 1000, 999),
        (5e-324, 10, 0),
        (33.333333333333336, 3 * 10**16, 10**16),
    ],
)
def test_a_bound_on_failures_is_taken_as_it_is_written(percent: float, total: int, bearable: int) -> None:
    of_all = Strategy(kind="threshold", count=1, max_failures_percent=percent)
    of_ended = Strategy(kind="threshold", count=total + 1, max_failures_percent=percent, min_finished=total)
    for failed, status in ((bearable, "running"), (bearable + 1, "failed")):
        for strategy, children, good in ((of_all, total, 0), (of_ended, 3 * total, total - failed)):
            assert calculate_status(strategy, Tally(children, good, failed, started=True)) == status
            assert contract_status(strategy, Situation(children, good, failed, touched=True)) == status


def test_every_percentage_of_a_tenth_agrees_with_the_oracle() -> None:
    for tenths, total in product(range(1, 1001), (1, 2, 3, 7, 10, 99, 1000, 12_345)):
        strategy = Strategy(kind="threshold", percent=tenths / 10)
        assert strategy.required(total) == successes_needed(strategy, total), strategy


@pytest.mark.parametrize(
    ("strategy", "total", "reason"),
    [
        (ANY, 0, "needs at least 1 success, has 0 children"),
        (Strategy(kind="threshold", count=2), 1, "needs at least 2 successes, has 1 child"),
        (Strategy(kind="threshold", count=3), 3, None),
        (Strategy(kind="threshold", percent=100.0), 0, None),
        (ALL, 0, None),
    ],
)
def test_what_can_never_succeed_is_told_in_words(strategy: Strategy, total: int, reason: str | None) -> None:
    assert impossible(strategy, total) == reason


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "most"},
        {"kind": "all", "count": 1},
        {"kind": "any", "max_failures": 1},
        {"kind": "threshold"},
        {"kind": "threshold", "count": 1, "percent": 10.0},
        {"kind": "threshold", "count": 0},
        {"kind": "threshold", "count": 1.0},
        {"kind": "threshold", "count": True},
        {"kind": "threshold", "percent": 0.0},
        {"kind": "threshold", "percent": 100.1},
        {"kind": "threshold", "percent": float("nan")},
        {"kind": "threshold", "count": 1, "max_failures": -1},
        {"kind": "threshold", "count": 1, "max_failures": 1, "max_failures_percent": 1.0},
        {"kind": "threshold", "count": 1, "max_failures": 1, "min_finished": 1},
        {"kind": "threshold", "count": 1, "min_finished": 1},
        {"kind": "threshold", "count": 1, "max_failures_percent": 1.0, "min_finished": 0},
        {"kind": "threshold", "count": 1, "quorum": 2},
    ],
)
def test_a_strategy_that_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Strategy.model_validate(fields)
