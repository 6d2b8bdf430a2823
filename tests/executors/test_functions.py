"""What is promised for every Python function, be it run by a thread or on the event loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.deeds import ERRORS, Deeds, arguments, for_the_loop, for_threads
from tests.support.reports import Reports, key, work
from tests.support.waiting import until

from actors.executors.attempt import GRACE_SECONDS
from actors.executors.work import Ending, Executor, Progress

Pair = tuple[Deeds, Executor]


@pytest.fixture(params=[for_threads, for_the_loop], ids=["threads", "loop"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    deeds, executor = request.param()
    yield deeds, executor
    deeds.gate.set()
    executor.close(grace_seconds=10)


@pytest.fixture
def deeds(pair: Pair) -> Deeds:
    return pair[0]


@pytest.fixture
def executor(pair: Pair) -> Executor:
    return pair[1]


@pytest.fixture
def reports() -> Reports:
    return Reports()


# What a function returns and raises


def test_arguments_are_named_or_the_only_one_or_none(executor: Executor, reports: Reports) -> None:
    executor.submit(
        [work("named", "double", '{"x":2}'), work("only", "double", "3"), work("none", "nothing", "null")], reports.done
    )
    assert reports.of("named") == Ending("succeeded", "4")
    assert reports.of("only") == Ending("succeeded", "6")
    assert reports.of("none") == Ending("succeeded", "null")


@pytest.mark.parametrize("error", ERRORS)
def test_whatever_a_function_raises_costs_only_its_own_attempt(
    executor: Executor, reports: Reports, error: type[BaseException]
) -> None:
    executor.submit([work("bad", "raise", arguments(name=error.__name__)), work("good", "double", "1")], reports.done)
    assert reports.of("bad").outcome == "failed"
    assert reports.error("bad")["type"] == error.__name__
    assert reports.of("good").outcome == "succeeded"
    executor.submit([work("next", "double", "2")], reports.done)
    assert reports.of("next").output == "4"


def test_an_error_names_what_its_type_is_derived_from(executor: Executor, reports: Reports) -> None:
    executor.submit([work("a", "raise", arguments(name="ConnectionResetError"))], reports.done)
    assert reports.error("a")["bases"] == ["ConnectionError", "OSError", "Exception"]
    executor.submit([work("b", "raise", arguments(name="SystemExit"))], reports.done)
    assert reports.error("b")["bases"] == []


def test_what_cannot_be_kept_or_is_not_known_fails(executor: Executor, reports: Reports) -> None:
    executor.submit([work("unfit", "unfit"), work("unknown", "no such task")], reports.done)
    assert "output of child 'unfit'" in reports.error("unfit")["message"]
    assert reports.error("unknown")["type"] == "KeyError"


def test_every_child_sees_itself(executor: Executor, reports: Reports) -> None:
    executor.submit([work(f"c{number}", "who") for number in range(50)], reports.done)
    assert [reports.of(f"c{number}").output for number in range(50)] == [f'"p/c{number}"' for number in range(50)]


# Handing out


def test_work_submitted_again_is_not_run_again(deeds: Deeds, executor: Executor) -> None:
    first, second, third = Reports(), Reports(), Reports()
    executor.submit([work("a", "deaf")], first.done, first.hear)
    until(lambda: deeds.begun)
    executor.submit([work("a", "deaf")], second.done, second.hear)
    deeds.gate.set()
    assert second.of("a").outcome == "succeeded"
    assert not first.all, "the one who asked last is told"
    executor.submit([work("a", "deaf")], third.done)
    assert third.of("a").outcome == "succeeded"
    assert deeds.begun == ["a"]
    executor.forget([key("a")])
    executor.submit([work("a", "deaf")], third.done)
    until(lambda: deeds.begun == ["a", "a"])


# Heartbeats


def test_progress_is_heard_and_a_mere_heartbeat_is_not(executor: Executor, reports: Reports) -> None:
    executor.submit([work("a", "progress")], reports.done, reports.hear)
    assert reports.of("a").outcome == "succeeded"
    said = [Progress(0.5, None), Progress(None, "half"), Progress(1.0, "all")]
    assert reports.heard == [("a", each) for each in said]


def test_a_missed_heartbeat_ends_the_attempt(deeds: Deeds, executor: Executor, reports: Reports) -> None:
    executor.submit([work("a", "silent", heartbeat_timeout_seconds=0.05, grace_seconds=0.05)], reports.done)
    ending = reports.of("a")
    assert ending.outcome == "timed_out"
    assert not ending.late
    error = reports.error("a")
    assert error["type"] == "HeartbeatMissed"
    assert "heartbeat_timeout of 0.05 s" in error["message"]


def test_heartbeats_keep_an_attempt_alive(deeds: Deeds, executor: Executor, reports: Reports) -> None:
    """One that beats lives on for longer than it may be silent, beside a silent one that does not."""
    limits: dict[str, Any] = {"heartbeat_timeout_seconds": 1.5, "grace_seconds": 0.01}
    begun = time.monotonic()
    executor.submit(
        [work("beats", "beat_until_open", **limits), work("silent", "silent", **limits)], reports.done, reports.hear
    )
    assert reports.error("silent")["type"] == "HeartbeatMissed"
    until(lambda: time.monotonic() > begun + 2.0)
    assert reports.count("beats") == 0
    deeds.gate.set()
    assert reports.of("beats").outcome == "succeeded"
    assert reports.heard == []


# Running out of time, being asked to stop, and not listening


def test_a_timeout_says_which_one_it_was(executor: Executor, reports: Reports) -> None:
    own, rest = work("own", "listen", timeout_seconds=0.03), work("rest", "listen", timeout_seconds=0.02)
    executor.submit([own, rest._replace(timeout_name="total_timeout")], reports.done)
    assert reports.error("own") == {"type": "TimedOut", "message": "ran longer than its timeout of 0.03 s"}
    assert "the 0.02 s that were left of its total_timeout" in reports.error("rest")["message"]


def test_one_that_is_asked_to_stop_and_listens_is_cancelled(deeds: Deeds, executor: Executor, reports: Reports) -> None:
    executor.submit([work("a", "listen")], reports.done)
    until(lambda: deeds.begun)
    executor.cancel([key("a"), key("nobody")], reason="enough")
    assert reports.of("a").outcome == "cancelled"
    assert reports.error("a")["type"] == "RuntimeError"


def test_one_that_ends_by_itself_all_the_same_keeps_its_outcome(
    deeds: Deeds, executor: Executor, reports: Reports
) -> None:
    executor.submit([work("a", "finish_when_asked")], reports.done)
    until(lambda: deeds.begun)
    executor.cancel([key("a")], reason="enough")
    assert reports.of("a") == Ending("succeeded", '"done all the same"')


def test_one_that_does_not_listen_is_given_up_after_its_grace(
    deeds: Deeds, executor: Executor, reports: Reports
) -> None:
    executor.submit([work("a", "deaf", grace_seconds=0.05)], reports.done)
    until(lambda: deeds.begun)
    for _ in range(3):  # a parent asks again and again
        executor.cancel([key("a")], reason="enough")
    assert reports.of("a").outcome == "cancelled"
    assert reports.error("a") == {"type": "Cancelled", "message": "enough"}
    executor.submit([work("next", "double", "1")], reports.done)
    assert reports.of("next").outcome == "succeeded", "another one takes its place"


@pytest.mark.parametrize("limits", [{"timeout_seconds": 0.05}, {"heartbeat_timeout_seconds": 0.05}, {}])
def test_a_late_ending_is_reported_once_and_not_before_the_first_is_on_record(
    deeds: Deeds, executor: Executor, reports: Reports, limits: dict[str, Any]
) -> None:
    executor.submit([work("a", "deaf", grace_seconds=0.05, **limits)], reports.done)
    until(lambda: deeds.begun)
    if not limits:
        executor.cancel([key("a")], reason="enough")
    assert reports.of("a").outcome in ("timed_out", "cancelled")
    deeds.gate.set()
    executor.submit([work("b", "double", "1")], reports.done)
    assert reports.of("b").outcome == "succeeded"
    assert reports.count("a") == 1
    executor.forget([key("a")])
    assert reports.of("a", number=2) == Ending("succeeded", '"late"', late=True)
    executor.forget([key("a")])
    executor.cancel([key("a")], reason="again")
    assert reports.count("a") == 2


def test_a_late_ending_comes_by_itself_where_the_first_is_on_record(
    deeds: Deeds, executor: Executor, reports: Reports
) -> None:
    executor.submit([work("a", "deaf", timeout_seconds=0.02, grace_seconds=0.02)], reports.done)
    reports.of("a")
    executor.forget([key("a")])
    assert reports.count("a") == 1
    deeds.gate.set()
    assert reports.of("a", number=2).late


def test_without_a_grace_of_its_own_there_are_some_seconds(deeds: Deeds, executor: Executor, reports: Reports) -> None:
    assert GRACE_SECONDS == 5.0
    executor.submit([work("a", "deaf"), work("b", "deaf", grace_seconds=0.02)], reports.done)
    until(lambda: len(deeds.begun) == 2)
    executor.cancel([key("a"), key("b")], reason="enough")
    assert reports.of("b").outcome == "cancelled"
    assert reports.count("a") == 0
    deeds.gate.set()
    assert reports.of("a").outcome == "succeeded"


# Closing


def test_closing_asks_and_reports_what_was_interrupted_as_lost(
    deeds: Deeds, executor: Executor, reports: Reports
) -> None:
    executor.submit([work("a", "listen"), work("b", "finish_when_asked")], reports.done)
    until(lambda: len(deeds.begun) == 2)
    executor.close(grace_seconds=10)
    assert reports.of("a") == Ending(None, lost="the orchestrator was closed")
    assert reports.of("b").outcome == "succeeded"
    executor.submit([work("c", "double", "1")], reports.done)
    assert reports.of("c") == Ending(None, lost="the orchestrator was closed")


def test_closing_gives_up_what_does_not_listen_and_says_nothing_later(
    deeds: Deeds, executor: Executor, reports: Reports
) -> None:
    executor.submit([work("a", "deaf")], reports.done)
    until(lambda: deeds.begun)
    executor.close(grace_seconds=0.02)
    assert "before the task ended" in (reports.of("a").lost or "")
    executor.forget([key("a")])
    deeds.gate.set()
    executor.close(grace_seconds=5)
    assert reports.count("a") == 1


def test_closing_what_never_began_is_nothing(executor: Executor) -> None:
    executor.close(grace_seconds=0)
    executor.close(grace_seconds=0)
