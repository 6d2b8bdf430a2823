"""Starting runs and being told how they went."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator import (
    Child,
    ContentConflictError,
    DeadlineExceededError,
    Orchestrator,
    Parallel,
    Retry,
    RunNotFoundError,
    Threshold,
    UnknownTaskError,
    UsageError,
    current_child,
)
from tests.face import tasks
from tests.support.places import EVERYWHERE, place_of
from tests.support.waiting import until


@pytest.fixture(params=EVERYWHERE)
def orchestrator(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Orchestrator]:
    with Orchestrator(place_of(request, tmp_path), max_workers=4, shutdown_seconds=1.0) as made:
        yield made


def test_outputs_come_back_by_child_id_in_index_order(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[tasks.square.child(x=x) for x in range(7)]))
    result = run.result(timeout=20)
    assert result.status == "succeeded"
    assert list(result.outputs.items()) == [(f"square-{x}", x * x) for x in range(7)]
    assert result.errors == {}


def test_errors_say_what_was_raised(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(
        Parallel(children=[tasks.fail.child(message="broken"), tasks.square.child(x=2)], on_decided="continue")
    )
    result = run.settle(timeout=20)
    assert result.status == "failed"
    assert result.outputs == {"square-1": 4}
    error = result.errors["fail-0"]
    assert (error["type"], error["message"]) == ("ValueError", "broken")
    assert "in fail" in error["traceback"]


def test_the_status_names_counts_times_and_position(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[tasks.square.child(x=1).with_id("one")]), id="r")
    run.settle(timeout=20)
    status = run.status()
    assert (status.id, status.status, status.settled) == ("r", "succeeded", True)
    assert (status.strategy.kind, status.strategy.required) == ("all", 1)
    assert (status.counts.total, status.counts.succeeded, status.counts.pending) == (1, 1, 0)
    assert status.decided_by == "one"
    events = list(run.history())
    assert [event.version for event in events] == list(range(1, len(events) + 1))
    assert (status.position, status.version) == (events[-1].position, events[-1].version)
    moments = (status.created_at, status.started_at, status.decided_at, status.settled_at)
    assert all(moments)
    assert list(moments) == sorted(moment for moment in moments if moment is not None)


def test_the_history_is_what_the_contract_names(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[tasks.square.child(x=1)]))
    run.settle(timeout=20)
    assert [event.type for event in run.history()] == [
        "ParentCreated",
        "ChildPrepared",
        "ChildCreated",
        "MembershipClosed",
        "OwnershipTaken",
        "ChildStarted",
        "ChildFinished",
        "ParentDecided",
        "ParentSettled",
    ]


def test_the_status_at_an_earlier_position_is_what_was_known_then(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[tasks.square.child(x=x) for x in range(3)]))
    run.settle(timeout=20)
    events = list(run.history())
    assert run.status(at=events[0].position).counts.total == 0
    started = next(event for event in events if event.type == "ChildStarted")
    assert run.status(at=started.position).status == "running"
    assert run.status(at=events[-1].at).status == "succeeded"
    with pytest.raises(RunNotFoundError):
        run.status(at=0)


@pytest.mark.parametrize(
    ("strategy", "bad", "status"),
    [
        ("all", 0, "succeeded"),
        ("all", 1, "failed"),
        ("any", 3, "succeeded"),
        ("any", 4, "failed"),
        (Threshold(count=2), 2, "succeeded"),
        (Threshold(count=2), 3, "failed"),
        (Threshold(percent=75), 1, "succeeded"),
        (Threshold(percent=75), 2, "failed"),
        (Threshold(count=1, max_failures=3), 3, "succeeded"),
        (Threshold(percent=25, max_failures="50%"), 4, "failed"),
    ],
)
def test_every_strategy_decides(orchestrator: Orchestrator, strategy: object, bad: int, status: str) -> None:
    children = [tasks.fail.child() for _ in range(bad)] + [tasks.square.child(x=1) for _ in range(4 - bad)]
    run = orchestrator.start(Parallel(children=children, strategy=strategy, on_decided="continue"))  # type: ignore[arg-type]
    result = run.settle(timeout=20)
    assert result.status == status
    assert result.counts.failed == bad


def test_any_asks_the_others_to_stop(orchestrator: Orchestrator, gate: str) -> None:
    children = [tasks.wait_at.child(gate=gate), tasks.square.child(x=3), *[tasks.wait_at.child(gate=gate)] * 5]
    run = orchestrator.start(Parallel(children=children, strategy="any", max_workers=2))
    result = run.settle(timeout=20)
    assert result.status == "succeeded"
    assert (result.counts.succeeded, result.counts.cancelled, result.counts.skipped) == (1, 1, 5)


def test_drain_lets_running_children_finish(orchestrator: Orchestrator, gate: str) -> None:
    children = [tasks.wait_at.child(gate=gate), tasks.fail.child(), *[tasks.square.child(x=1)] * 3]
    run = orchestrator.start(Parallel(children=children, max_workers=2, on_decided="drain"))
    assert run.result(timeout=20).status == "failed"
    tasks.GATES[gate].set()
    result = run.settle(timeout=20)
    assert result.outputs["wait_at-0"] == gate
    assert result.counts.skipped == 3


@pytest.mark.parametrize("strategy", ["all", Threshold(percent=50)])
def test_no_children_succeed_at_once(orchestrator: Orchestrator, strategy: object) -> None:
    run = orchestrator.start(Parallel(strategy=strategy))  # type: ignore[arg-type]
    assert run.settle(timeout=20).status == "succeeded"


@pytest.mark.parametrize(
    ("strategy", "words"),
    [("any", "needs at least 1 success, has 0 children"), (Threshold(count=1), "needs at least 1 success")],
)
def test_what_can_never_succeed_is_refused_and_not_written(
    orchestrator: Orchestrator, strategy: object, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        orchestrator.start(Parallel(strategy=strategy), id="r")  # type: ignore[arg-type]
    with pytest.raises(RunNotFoundError):
        orchestrator.get("r")


def test_the_same_id_and_content_is_the_same_run(orchestrator: Orchestrator) -> None:
    asked = Parallel(children=[tasks.echo.child(value="once")])
    first = orchestrator.start(asked, id="r")
    first.settle(timeout=20)
    version = first.status().version
    again = orchestrator.start(asked, id="r")
    assert again.settle(timeout=20).outputs == {"echo-0": "once"}
    assert again.status().version == version


def test_the_same_id_with_other_content_is_refused(orchestrator: Orchestrator) -> None:
    orchestrator.start(Parallel(children=[tasks.echo.child(value=1)]), id="r").settle(timeout=20)
    with pytest.raises(
        ContentConflictError, match=r"1 child changed: .echo-0. .input was ..value..1. and now is ..value..2.."
    ):
        orchestrator.start(Parallel(children=[tasks.echo.child(value=2)]), id="r")
    with pytest.raises(ContentConflictError, match="strategy"):
        orchestrator.start(Parallel(children=[tasks.echo.child(value=1)], strategy="any"), id="r")


@pytest.mark.parametrize("id_", ["", "  ", "a\nb", "x" * 300, "tab\t", "\ud800"])
def test_ids_that_cannot_be_shown_are_refused(orchestrator: Orchestrator, id_: str) -> None:
    with pytest.raises(UsageError):
        orchestrator.start(Parallel(children=[tasks.nothing.child()]), id=id_)
    with pytest.raises(UsageError):
        orchestrator.start(Parallel(children=[tasks.nothing.child().with_id(id_)]))


def test_two_children_of_one_id_are_refused(orchestrator: Orchestrator) -> None:
    twice = [tasks.nothing.child().with_id("a")] * 2
    with pytest.raises(UsageError, match="'a' is used twice"):
        orchestrator.start(Parallel(children=twice))


def test_an_unknown_task_is_refused_and_says_what_is_known(orchestrator: Orchestrator) -> None:
    with pytest.raises(UnknownTaskError, match=r"'nowhere'.*known:.*square"):
        orchestrator.start(Parallel(children=[Child(task="nowhere")]))


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_impossible_max_workers_are_refused(workers: object) -> None:
    with pytest.raises(UsageError, match="max_workers"):
        Parallel(max_workers=workers)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="max_workers"):
        Orchestrator("memory:", max_workers=workers)  # type: ignore[arg-type]


def test_a_retry_runs_the_child_again(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(
        Parallel(children=[tasks.fail_until.child(times=2, name=gate)], retry=Retry(max_attempts=3))
    )
    assert run.settle(timeout=20).outputs == {"fail_until-0": 3}
    assert run.children()[0].attempts == 3
    assert [event.type for event in run.history()].count("ChildRetryScheduled") == 2


def test_a_retry_waits_without_holding_a_worker(orchestrator: Orchestrator, gate: str) -> None:
    children = [tasks.fail_until.child(times=1, name=gate), *[tasks.square.child(x=1)] * 5]
    run = orchestrator.start(
        Parallel(children=children, max_workers=1, retry=Retry(max_attempts=2, initial_seconds=0.3))
    )
    result = run.settle(timeout=20)
    assert result.status == "succeeded"
    order = [event.data["child_id"] for event in run.history() if event.type == "ChildFinished"]
    assert order[-1] == "fail_until-0"


def test_a_child_over_its_timeout_is_timed_out_and_its_slot_is_free_again(
    orchestrator: Orchestrator, gate: str
) -> None:
    children = [tasks.deaf.child(gate=gate), *[tasks.square.child(x=1)] * 3]
    run = orchestrator.start(Parallel(children=children, max_workers=1, child_timeout=0.05, on_decided="continue"))
    result = run.settle(timeout=20)
    tasks.GATES[gate].set()
    assert (result.counts.timed_out, result.counts.succeeded) == (1, 3)
    assert result.errors["deaf-0"]["type"] == "TimedOut"


def test_the_deadline_of_the_parent_ends_it(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=gate)] * 3, max_workers=1, timeout=0.1))
    result = run.settle(timeout=20)
    assert result.status == "timed_out"
    assert (result.counts.cancelled, result.counts.skipped) == (1, 2)


def test_cancel_stops_what_runs_and_skips_the_rest(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=gate)] * 5, max_workers=2))
    until(lambda: tasks.CALLS[f"{gate}/begun"] == 2)
    assert run.cancel("enough").status == "cancelled"
    result = run.settle(timeout=20)
    assert (result.counts.cancelled, result.counts.skipped) == (2, 3)
    assert run.cancel("again").status == "cancelled"


def test_result_has_a_deadline_and_the_run_goes_on(orchestrator: Orchestrator, gate: str) -> None:
    run = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=gate)]))
    with pytest.raises(DeadlineExceededError, match="it goes on"):
        run.result(timeout=0.05)
    tasks.GATES[gate].set()
    assert run.result(timeout=20).status == "succeeded"


def test_a_task_knows_its_child(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[tasks.who_am_i.child().with_id("me")]), id="parent")
    assert run.settle(timeout=20).outputs["me"] == {
        "id": "me",
        "parent_id": "parent",
        "attempt": 1,
        "key": "parent/me",
    }
    with pytest.raises(UsageError, match="inside a task"):
        current_child()


def test_an_async_task_runs_too(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[tasks.later.child(x=1)]))
    assert run.settle(timeout=20).outputs == {"later-0": 2}


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (tasks.leave.child(), "SystemExit"),
        (tasks.interrupt.child(), "KeyboardInterrupt"),
        (tasks.recurse.child(), "RecursionError"),
        (tasks.hostile.child(), "HostileError"),
        (tasks.unfit.child(), "InvalidPayloadError"),
    ],
)
def test_whatever_a_task_does_fails_its_own_child_alone(orchestrator: Orchestrator, bad: Child, kind: str) -> None:
    children = [bad.with_id("bad"), *[tasks.square.child(x=x) for x in range(8)]]
    run = orchestrator.start(Parallel(children=children, on_decided="continue"))
    result = run.settle(timeout=20)
    assert result.errors["bad"]["type"] == kind
    assert (result.counts.failed, result.counts.succeeded) == (1, 8)
    again = orchestrator.start(Parallel(children=[tasks.square.child(x=2)]))
    assert again.settle(timeout=20).status == "succeeded"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"strategy": "threshold"}, "strategy: takes 'all', 'any' or a Threshold, not 'threshold'"),
        ({"strategy": ["all"]}, "strategy: takes 'all', 'any' or a Threshold, not a value of type list"),
        ({"children": 5}, "children: takes a list of Child, or what gives them over time, not 5"),
        ({"children": "abc"}, "children: takes a list of Child, or what gives them over time, not 'abc'"),
        ({"children": tasks.square}, "children: takes a list of Child, or what gives them over time, not a value of"),
    ],
)
def test_what_makes_no_parent_is_refused_in_words_of_ours(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Parallel(**fields)
    assert str(caught.value).startswith(f"Parallel: {words}")


def test_arguments_that_are_not_the_tasks_are_named() -> None:
    wrong: dict[str, Any] = {"y": 1}
    with pytest.raises(UsageError) as caught:
        tasks.square.child(**wrong)
    assert str(caught.value) == "task 'square' has no argument 'y' and needs 'x' (it takes 'x')"


def test_an_output_that_is_no_json_says_where(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=[tasks.unfit.child()]))
    message = run.settle(timeout=20).errors["unfit-0"]["message"]
    assert "output of child 'unfit-0' at a[1] is of type set" in message


def test_children_can_be_asked_for_by_outcome_and_in_pages(orchestrator: Orchestrator) -> None:
    children = [tasks.square.child(x=1), tasks.fail.child(), *[tasks.square.child(x=2)] * 3]
    run = orchestrator.start(Parallel(children=children, on_decided="continue"))
    run.settle(timeout=20)
    assert [child.id for child in run.children(outcome="failed")] == ["fail-1"]
    first = run.children(limit=2)
    assert [child.index for child in first] == [0, 1]
    assert [child.index for child in run.children(after=first[-1].id)] == [2, 3, 4]
    with pytest.raises(UsageError):
        run.children(after="nobody")


def test_runs_are_listed_in_order_of_creation(orchestrator: Orchestrator) -> None:
    for name in ("b", "a", "c"):
        child = tasks.fail.child() if name == "a" else tasks.nothing.child()
        orchestrator.start(Parallel(children=[child]), id=name).settle(timeout=20)
    assert [run.id for run in orchestrator.list()] == ["b", "a", "c"]
    assert [run.id for run in orchestrator.list(status="failed")] == ["a"]
    assert [run.id for run in orchestrator.list(limit=1, after="b")] == ["a"]


def test_many_threads_may_start_and_wait(orchestrator: Orchestrator) -> None:
    statuses: list[str] = []

    def use() -> None:
        run = orchestrator.start(Parallel(children=[tasks.square.child(x=x) for x in range(5)]))
        statuses.append(run.settle(timeout=30).status)

    users = [threading.Thread(target=use) for _ in range(8)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert statuses == ["succeeded"] * 8


def test_no_more_children_run_at_a_time_than_the_orchestrator_allows(orchestrator: Orchestrator, gate: str) -> None:
    runs = [orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=gate)] * 4)) for _ in range(3)]
    until(lambda: tasks.CALLS[f"{gate}/begun"] == 4)
    assert sum(run.status().counts.running for run in runs) == 4
    tasks.GATES[gate].set()
    assert [run.settle(timeout=20).status for run in runs] == ["succeeded"] * 3


def test_a_waiting_retry_holds_no_slot_of_the_pool(gate: str) -> None:
    with Orchestrator("memory:", max_workers=1) as orchestrator:
        waiting = orchestrator.start(
            Parallel(
                children=[tasks.fail_until.child(times=1, name=gate)],
                retry=Retry(max_attempts=2, initial_seconds=1.0),
            )
        )
        until(lambda: tasks.CALLS[gate] == 1 and waiting.status().counts.running == 0)
        other = orchestrator.start(Parallel(children=[tasks.square.child(x=x) for x in range(5)]))
        assert other.settle(timeout=20).status == "succeeded"
        assert waiting.status().status == "running", "the other run must not have waited for the retry"
        assert waiting.settle(timeout=20).status == "succeeded"


def test_timeouts_of_centuries_hold_nobody_up(orchestrator: Orchestrator) -> None:
    first = orchestrator.start(Parallel(children=[tasks.square.child(x=1)], timeout=1e10, child_timeout=1e10))
    assert first.settle(timeout=20).status == "succeeded"
    until(lambda: orchestrator._engine._system.directory.live == {})
    again = orchestrator.start(Parallel(children=[tasks.square.child(x=2)]))
    assert again.settle(timeout=20).status == "succeeded"
