"""Creating a parent and its children: what becomes a fact, what is refused, what is quiet."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from events.commands import (
    Cancel,
    ChildSpec,
    CloseMembership,
    Command,
    CreateChildren,
    CreateParent,
    FinishAttempt,
    PassDeadline,
    PrepareChildren,
    ReleaseOwnership,
    SkipChildren,
    StartChild,
    TakeOwnership,
)
from events.decide import Turn, decide, decide_all
from events.errors import ContentConflictError, StepOrderError, UsageError
from events.evolve import fold
from events.facts import (
    ChildCreated,
    ChildLimits,
    ChildPrepared,
    MembershipClosed,
    ParentCreated,
    ParentDecided,
    ParentSettled,
    Within,
)
from events.strategy import ALL, ANY, Strategy
from tests.events.scenario import (
    AT,
    Given,
    cancel,
    close,
    create,
    fingerprint,
    finish,
    give_up,
    lose,
    names,
    parent,
    pass_deadline,
    prepare,
    release,
    skip,
    spec,
    start,
    take,
)

HALF = Strategy(kind="threshold", percent=50.0)
TWO = Strategy(kind="threshold", count=2)
WITHIN = Within(parent_id="p", child_id="a", depth=1)


def other(**fields: Any) -> CreateParent:
    return create(content="other").model_copy(update=fields)


# CreateParent


def test_a_parent_is_created_with_all_that_was_asked() -> None:
    command = CreateParent(
        at=AT,
        strategy=HALF,
        max_workers=3,
        on_decided="drain",
        content="c0ffee",
        timeout_seconds=1.5,
        metadata='{"a":1}',
        retry_budget=4,
        seed=5,
        weight=6,
        priority=7,
        within=WITHIN,
    )
    fact = ParentCreated(
        at=AT,
        strategy=HALF,
        max_workers=3,
        on_decided="drain",
        content="c0ffee",
        timeout_seconds=1.5,
        metadata='{"a":1}',
        retry_budget=4,
        seed=5,
        weight=6,
        priority=7,
        within=WITHIN,
    )
    assert Given().when(command) == [fact]


def test_the_same_content_again_is_quiet_even_with_another_clock() -> None:
    assert parent("a").when(create().model_copy(update={"at": AT + 5})) == []


@pytest.mark.parametrize(
    ("command", "differ"),
    [
        (create(ANY, content="other"), r"\(strategy differs\)"),
        (create(max_workers=2, on_decided="drain", content="other"), "max_workers and on_decided differ"),
        (create(timeout_seconds=1.0, content="other"), r"\(timeout_seconds differs\)"),
        (create(content="other"), r"\(the children differ\)"),
        (other(retry_budget=1), r"\(retry_budget differs\)"),
        (other(metadata="{}"), r"\(metadata differs\)"),
        (other(within=WITHIN), r"\(the run that it is inside of differs\)"),
        (other(weight=2), r"\(weight differs\)"),
        (other(weight=1), r"\(the children differ\)"),
        (other(priority=1), r"\(priority differs\)"),
        (other(priority=-1), r"\(priority differs\)"),
        (other(priority=0), r"\(the children differ\)"),
        (other(seed=1), r"\(the children differ\)"),
    ],
)
def test_other_content_under_the_same_id_is_refused_and_says_what_differs(command: CreateParent, differ: str) -> None:
    with pytest.raises(ContentConflictError, match=differ):
        parent("a").when(command)


@pytest.mark.parametrize(
    "fields",
    [
        {"max_workers": 0},
        {"max_workers": -1},
        {"max_workers": 1.5},
        {"max_workers": True},
        {"timeout_seconds": 0.0},
        {"timeout_seconds": float("inf")},
        {"on_decided": "stop"},
        {"strategy": "all"},
        {"at": 1.0},
        {"surprise": 1},
    ],
)
def test_a_parent_that_makes_no_sense_cannot_be_asked_for(fields: dict[str, Any]) -> None:
    known: dict[str, Any] = {"at": AT, "strategy": ALL, "max_workers": 1, "on_decided": "cancel", "content": "c"}
    CreateParent(**known)
    with pytest.raises(ValidationError):
        CreateParent(**{**known, **fields})


# Where there is no parent


@pytest.mark.parametrize("command", [prepare("a"), release(), close(), take(), cancel()])
def test_without_a_parent_a_step_is_out_of_order(command: Command) -> None:
    with pytest.raises(StepOrderError, match="create its state first"):
        Given().when(command)


@pytest.mark.parametrize("command", [give_up(), start("a"), finish("a"), lose("a"), skip(), pass_deadline()])
def test_without_a_parent_what_comes_late_is_quiet(command: Command) -> None:
    assert Given().when(command) == []


# PrepareChildren


def test_children_are_prepared_in_order_and_numbered_on() -> None:
    made = Given().given(create(), prepare("a", "b"))
    limits = ChildLimits(max_attempts=3)
    assert made.when(prepare(spec("c", limits, task="t", input_text="[1]"), "d")) == [
        ChildPrepared(at=AT, child_id="c", index=2, task="t", input="[1]", limits=limits),
        ChildPrepared(at=AT, child_id="d", index=3, task="work", input="null"),
    ]


def test_children_that_are_known_with_the_same_work_are_passed_over() -> None:
    made = Given().given(create(), prepare("a", "b"))
    assert made.when(prepare("a", "b")) == []
    assert made.when(prepare("b", "c", "a")) == [ChildPrepared(at=AT, child_id="c", index=2, task="work", input="null")]
    assert made.given(release(), close()).when(prepare("b", "a")) == []
    assert made.when(prepare()) == []


def test_a_child_that_ended_is_still_known() -> None:
    assert parent("a", "b").given(start("a"), finish("a")).when(prepare("a", "b")) == []


@pytest.mark.parametrize(
    "again", [spec("a", task="other"), spec("a", input_text="1"), spec("a", ChildLimits(max_attempts=2))]
)
def test_a_known_child_with_other_work_is_refused(again: ChildSpec) -> None:
    made = Given().given(create(), prepare("a"))
    with pytest.raises(ContentConflictError, match="'a' was prepared before with other work"):
        made.when(prepare("b", again))


def test_two_children_of_one_id_are_refused() -> None:
    with pytest.raises(UsageError, match="same id"):
        Given().given(create()).when(prepare("a", "b", "a"))


def test_children_cannot_join_a_parent_that_is_closed_or_starts_no_more() -> None:
    for made in (parent("a"), parent("a", still_open=True).given(cancel())):
        with pytest.raises(StepOrderError, match="no longer be added"):
            made.when(prepare("b"))


def test_children_cannot_join_a_record_that_was_cut_between_the_decision_and_the_closing() -> None:
    made = parent("a", still_open=True)
    cut = fold(made.when(cancel())[:2], made.state)
    assert (cut.status, cut.membership_closed) == ("cancelled", False)
    with pytest.raises(StepOrderError, match="no longer be added"):
        decide(cut, prepare("b"))


def test_children_join_a_decided_parent_that_runs_every_child() -> None:
    decided = parent("a", strategy=ANY, on_decided="continue", still_open=True).given(start("a"), finish("a"))
    assert (decided.state.status, decided.state.membership_closed, decided.state.settled) == ("succeeded", False, False)
    more = decided.given(prepare("b"), release(), start("b"), finish("b", outcome="failed"))
    assert (more.state.status, more.state.succeeded, more.state.failed) == ("succeeded", 1, 1)
    assert more.given(CloseMembership(at=AT, arriving=True)).state.settled
    with pytest.raises(StepOrderError, match="no longer be added"):
        decided.given(CloseMembership(at=AT, arriving=True)).when(prepare("c"))


# CreateChildren


def test_every_prepared_child_is_released_in_index_order() -> None:
    made = Given().given(create(), prepare("b", "a"), release(), prepare("c", "0"))
    assert made.when(release()) == [ChildCreated(at=AT, child_id="c"), ChildCreated(at=AT, child_id="0")]
    assert made.given(release()).when(release()) == []


def test_children_are_prepared_before_they_are_created() -> None:
    with pytest.raises(StepOrderError, match="prepare them first"):
        Given().given(create()).when(release())


def test_children_are_not_released_any_more_once_nothing_is_to_be_started() -> None:
    made = parent("a", strategy=ANY, still_open=True).given(prepare("b"), start("a"), finish("a"))
    assert made.state.decision is not None
    assert made.when(release()) == []
    skipped = made.given(skip())
    assert skipped.state.settled
    assert skipped.when(release()) == [], "a child that ended must not wait to be started again"


def test_prepared_children_are_released_where_every_child_is_to_run() -> None:
    made = parent("a", strategy=ANY, on_decided="continue", still_open=True)
    made = made.given(prepare("b"), start("a"), finish("a"))
    assert made.when(release()) == [ChildCreated(at=AT, child_id="b")]


# CloseMembership


def test_closing_says_that_no_more_children_come() -> None:
    assert parent("a", still_open=True).when(close()) == [MembershipClosed(at=AT)]
    assert parent("a").when(close()) == []


def test_closing_waits_for_prepared_children() -> None:
    made = Given().given(create(), prepare("a"))
    with pytest.raises(StepOrderError, match="create them before closing"):
        made.when(close())


@pytest.mark.parametrize("strategy", [ALL, HALF])
def test_no_children_succeed_at_once_where_none_is_required(strategy: Strategy) -> None:
    facts = parent(strategy=strategy, still_open=True).when(close())
    assert facts == [
        MembershipClosed(at=AT),
        ParentDecided(at=AT, status="succeeded", why="0 of 0 succeeded, 0 required"),
        ParentSettled(at=AT),
    ]


@pytest.mark.parametrize(
    ("strategy", "children", "reason"),
    [
        (ANY, "", "strategy 'any' can never succeed: it needs at least 1 success, has 0 children"),
        (TWO, "", "needs at least 2 successes, has 0 children"),
        (TWO, "a", "needs at least 2 successes, has 1 child"),
    ],
)
def test_an_impossible_threshold_is_refused(strategy: Strategy, children: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        parent(*children, strategy=strategy, still_open=True).when(close())


@pytest.mark.parametrize(("strategy", "children"), [(ANY, ""), (TWO, ""), (TWO, "a")])
def test_too_few_children_that_arrived_over_time_fail_the_parent(strategy: Strategy, children: str) -> None:
    made = parent(*children, strategy=strategy, still_open=True)
    facts = made.when(close(arriving=True))
    assert names(facts)[:2] == ["MembershipClosed", "ParentDecided"]
    assert made.given(close(arriving=True)).state.status == "failed"
    assert ("ParentSettled" in names(facts)) == (not children)


def test_what_is_decided_can_be_closed_whatever_the_strategy() -> None:
    strategy = Strategy(kind="threshold", count=5, max_failures=0)
    made = parent("a", strategy=strategy, on_decided="continue", still_open=True)
    made = made.given(start("a"), finish("a", "failed"))
    assert made.state.status == "failed"
    assert made.when(close()) == [MembershipClosed(at=AT), ParentSettled(at=AT)]


# All or nothing


@pytest.mark.parametrize(
    "commands",
    [
        [create(), prepare("a", "a")],
        [create(ANY), close()],
        [create(), prepare("a"), close()],
        [create(), prepare("a"), prepare("b", spec("a", task="other"))],
        [create(), release()],
    ],
)
def test_a_refused_turn_leaves_nothing(commands: list[Command]) -> None:
    with pytest.raises(UsageError):
        decide_all(Given().state, commands)


def test_a_refused_command_leaves_no_trace_in_its_turn() -> None:
    turn = Turn(Given().state)
    accepted: list[Command] = [create(ANY), prepare("a"), release()]
    for command in accepted:
        turn.take(command)
    facts, state = list(turn.facts), fingerprint(turn.state)
    refused: list[Command] = [
        create(content="other"),
        prepare("b", "b"),
        prepare("b", spec("a", task="other")),
    ]
    for command in refused:
        with pytest.raises(UsageError):
            turn.take(command)
        assert (turn.facts, fingerprint(turn.state)) == (facts, state)


def test_commands_are_frozen_and_strict() -> None:
    for command, field in (
        (StartChild(at=AT, child_id="a", worker="w"), "child_id"),
        (TakeOwnership(at=AT, owner="me", reason=""), "owner"),
        (CloseMembership(at=AT), "arriving"),
    ):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(command, field, "b")
    for kind, fields in (
        (SkipChildren, {"limit": 0}),
        (SkipChildren, {"limit": True}),
        (FinishAttempt, {"child_id": "a", "attempt": 1, "outcome": "lost"}),
        (Cancel, {"reason": b"enough"}),
        (ReleaseOwnership, {"owner": "me"}),
        (PassDeadline, {"why": "late"}),
        (CreateChildren, {"at": None}),
        (PrepareChildren, {"children": [spec("a")]}),
    ):
        with pytest.raises(ValidationError):
            kind.model_validate({"at": AT, **fields})
