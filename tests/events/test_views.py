"""What people see of a parent and its children, from facts alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.commands import FinishAttempt
from events.errors import StoreDamagedError
from events.facts import ChildLimits, OwnershipTaken
from events.strategy import ANY, OUTCOMES, Strategy
from events.views import ChildView, child_views, counts, microseconds, moment, plain, run_status
from tests.events.histories import History, histories
from tests.events.scenario import (
    AT,
    SECOND,
    Given,
    cancel,
    create,
    finish,
    lose,
    parent,
    prepare,
    skip,
    spec,
    start,
    take,
)

TIME = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


# Times


@given(at=st.integers(microseconds(datetime.min.replace(tzinfo=UTC)), microseconds(datetime.max.replace(tzinfo=UTC))))
@settings(deadline=None, print_blob=True)
def test_a_time_is_the_same_microsecond_both_ways(at: int) -> None:
    time = moment(at)
    assert time is not None
    assert time.tzinfo is UTC
    assert microseconds(time) == at


@given(at=st.integers(0, 2**52), minutes=st.integers(-1439, 1439))
@settings(deadline=None, print_blob=True)
def test_a_zone_does_not_change_a_time(at: int, minutes: int) -> None:
    time = moment(at)
    assert time is not None
    assert microseconds(time.astimezone(timezone(timedelta(minutes=minutes)))) == at


def test_no_time_is_no_time() -> None:
    assert moment(None) is None
    assert moment(AT) == TIME


# A parent


def test_a_parent_that_was_just_created() -> None:
    status = run_status("p", Given().given(create()).state, 7)
    assert plain(status) == {
        "id": "p",
        "status": "pending",
        "settled": False,
        "strategy": {"kind": "all", "required": 0},
        "counts": {
            "total": 0,
            "pending": 0,
            "running": 0,
            "succeeded": 0,
            "failed": 0,
            "timed_out": 0,
            "cancelled": 0,
            "skipped": 0,
        },
        "position": 7,
        "version": 1,
        "decided_by": None,
        "created_at": "2023-11-14T22:13:20.000000Z",
        "started_at": None,
        "decided_at": None,
        "settled_at": None,
    }


def test_the_fields_are_those_of_the_contract_in_their_order() -> None:
    view = plain(run_status("p", parent("a").state, 1))
    times = ["created_at", "started_at", "decided_at", "settled_at"]
    assert list(view) == [
        *("id", "status", "settled", "strategy", "counts", "position", "version", "decided_by"),
        *times,
    ]
    assert list(view["counts"]) == ["total", "pending", "running", *OUTCOMES]


def test_a_parent_on_its_way_and_at_its_end() -> None:
    half = Strategy(kind="threshold", percent=50.0)
    made = parent(*"abcd", strategy=half, max_workers=2).given(start("a", at=AT + SECOND))
    made = made.given(start("b"), finish("a", "failed"))
    status = run_status("p", made.state, 99)
    assert (status.status, status.strategy, status.settled) == ("running", ("threshold", 2), False)
    assert status.counts == (4, 2, 1, 0, 1, 0, 0, 0)
    assert status.started_at == TIME + timedelta(seconds=1)
    assert (status.decided_by, status.decided_at, status.version) == (None, None, len(made.facts))
    made = made.given(finish("b"), start("d"), finish("d", at=AT + 5 * SECOND))
    status = run_status("p", made.state, 100)
    assert (status.status, status.settled, status.decided_by) == ("succeeded", False, "d")
    assert (status.decided_at, status.settled_at) == (TIME + timedelta(seconds=5), None)
    assert status.counts == (4, 1, 0, 2, 1, 0, 0, 0)
    status = run_status("p", made.given(skip()).state, 101)
    assert (status.settled, status.settled_at, status.counts.skipped) == (True, TIME, 1)


def test_a_request_that_decides_names_no_child() -> None:
    status = run_status("p", parent("a").given(start("a"), cancel()).state, 1)
    assert (status.status, status.decided_by) == ("cancelled", None)


@given(history=histories())
@settings(max_examples=60, deadline=None, print_blob=True)
def test_counts_and_views_add_up(history: History) -> None:
    shown = counts(history.state)
    assert shown.total == sum(shown[1:]) == history.state.total
    assert min(shown) >= 0
    views = child_views(history.facts)
    assert [view.index for view in views] == list(range(shown.total))
    for name, number in list(shown._asdict().items())[1:]:
        assert sum(view.status == name for view in views) == number
    for view in views:
        child = history.state.children[view.id]
        assert (view.attempts, view.index) == (child.attempts, child.place)
        assert (view.finished_at is not None) == (view.status in OUTCOMES)
        assert (view.started_at is not None) == (view.attempts > 0)
    assert json.loads(json.dumps(plain(run_status("p", history.state, 1))))["version"] == len(history.facts)


# Children


def test_a_child_from_its_first_fact_to_its_last() -> None:
    made = Given().given(create(), prepare(spec("a", ChildLimits(max_attempts=2), task="t", input_text='{"x":1}')))
    waiting = ChildView("a", 0, "pending", 0, None, None, None, None, "t", '{"x":1}')
    assert child_views(made.facts) == [waiting]
    made = parent(spec("a", ChildLimits(max_attempts=2)), "b").given(start("a"))
    (view, _) = child_views(made.facts)
    assert (view.status, view.attempts, view.started_at, view.finished_at) == ("running", 1, TIME, None)
    made = made.given(finish("a", "failed"))
    (view, _) = child_views(made.facts)
    assert (view.status, view.attempts, view.error, view.started_at) == ("pending", 1, {"type": "Wrong"}, TIME)
    made = made.given(start("a", at=AT + SECOND))
    made = made.given(
        FinishAttempt(at=AT + 2 * SECOND, child_id="a", attempt=2, outcome="succeeded", output='{"n":[1,null]}')
    )
    (view, other) = child_views(made.facts)
    assert (view.status, view.attempts, view.output, view.error) == ("succeeded", 2, {"n": [1, None]}, None)
    assert view.started_at == TIME + timedelta(seconds=1), "the start of the latest attempt"
    assert view.finished_at == TIME + timedelta(seconds=2)
    assert (other.id, other.index, other.status) == ("b", 1, "pending")


def test_a_child_whose_attempt_was_lost_waits() -> None:
    made = parent("a").given(start("a"), lose("a"))
    assert [(view.status, view.attempts) for view in child_views(made.facts)] == [("pending", 1)]
    made = made.given(start("a"), finish("a", "cancelled", 2))
    assert [(view.status, view.attempts) for view in child_views(made.facts)] == [("cancelled", 2)]


def test_children_that_never_ran_are_skipped_and_have_no_times_but_their_end() -> None:
    made = parent("a", "b", strategy=ANY).given(start("b"), finish("b"), skip())
    first = child_views(made.facts)[0]
    assert (first.status, first.attempts, first.started_at, first.finished_at) == ("skipped", 0, None, TIME)


def test_children_can_be_seen_while_a_record_is_read() -> None:
    """Views are folds over any iterable, other facts included."""
    made = parent("a").given(take(), start("a"))
    assert isinstance(made.facts[-2], OwnershipTaken)
    assert [view.status for view in child_views(iter(made.facts))] == ["running"]
    assert child_views([]) == []


# Plain values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TIME, "2023-11-14T22:13:20.000000Z"),
        (TIME.replace(microsecond=5).astimezone(timezone(timedelta(hours=-3))), "2023-11-14T22:13:20.000005Z"),
        ((1, TIME), [1, "2023-11-14T22:13:20.000000Z"]),
        (MappingProxyType({"a": (None, True, 1.5, "x")}), {"a": [None, True, 1.5, "x"]}),
        ([], []),
        ("text", "text"),
    ],
)
def test_plain_values(value: object, expected: object) -> None:
    assert plain(value) == expected


def test_a_child_view_is_a_plain_object_in_the_contracts_order() -> None:
    (view,) = child_views(parent(spec("a", input_text="[1]")).facts)
    shown = plain(view)
    assert list(shown)[:8] == ["id", "index", "status", "attempts", "output", "error", "started_at", "finished_at"]
    assert json.loads(json.dumps(shown)) == shown


@pytest.mark.parametrize("at", [10**18, -(10**18)])
def test_a_time_outside_all_calendars_is_damage(at: int) -> None:
    with pytest.raises(StoreDamagedError, match="outside all calendars"):
        moment(at)


def test_an_end_is_that_of_the_child_it_names() -> None:
    made = parent("a", "b").given(start("a"), start("b"), finish("a"))
    assert [(view.id, view.status) for view in child_views(made.facts)] == [("a", "succeeded"), ("b", "running")]


def test_a_retry_is_that_of_the_child_it_names() -> None:
    again = spec("a", ChildLimits(max_attempts=2))
    made = parent(again, "b").given(start("a"), start("b"), finish("a", "failed"))
    assert [(view.id, view.status, view.error) for view in child_views(made.facts)] == [
        ("a", "pending", {"type": "Wrong"}),
        ("b", "running", None),
    ]


def test_lists_become_lists_of_plain_values() -> None:
    assert plain([moment(0), (1, [moment(0)])]) == ["1970-01-01T00:00:00.000000Z", [1, ["1970-01-01T00:00:00.000000Z"]]]
