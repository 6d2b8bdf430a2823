"""Who may make a parent theirs, and by which commands."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from actors.claiming import abandoned, asked_commands, claim_commands, wants_work
from actors.messages import Claim, Request
from actors.surroundings import Surroundings
from events.commands import Command, TakeOwnership
from events.decide import decide_all
from events.errors import RunNotFoundError, RunOwnedError, UnknownTaskError
from events.evolve import INITIAL
from events.limits import DEFAULT_LIMITS
from events.state import ParentState
from events.strategy import ANY
from tests.events.scenario import (
    AT,
    cancel,
    close,
    create,
    finish,
    give_up,
    prepare,
    redrive,
    release,
    resume,
    spec,
    start,
    take,
)
from tests.support.noting import NotingExecutor

MAKING = (create(), prepare("a", spec("b", task="other")), release(), close())
TAKE = TakeOwnership(at=AT, owner="me", reason="its owner stopped working on it")
LATER = cancel()


def state(*commands: Command) -> ParentState:
    return decide_all(INITIAL, (*MAKING, *commands))[1]


def around(known: tuple[str, ...] = ()) -> Surroundings:
    """Return the surroundings of `me`, where `ann` lives too and `bob` does not."""
    return Surroundings(
        owner="me",
        owner_alive={"ann": True, "bob": False, "me": True}.__getitem__,
        task_known=lambda task: task in known,
        end_leftovers=lambda _, __: None,
        nested=NotingExecutor(),
        limits=DEFAULT_LIMITS,
        live_runs=lambda: 1,
    )


def asked(
    there: ParentState, *, known: tuple[str, ...] = ("work", "other"), working: bool = False, **claim: Any
) -> tuple[Command, ...]:
    """Return the commands for a claim of `me`."""
    wanted: dict[str, Any] = {"create": MAKING, "attach": False, "reply": Future(), **claim}
    return tuple(claim_commands(Claim(**wanted), "p", there, around(known), AT, working=working))


def test_a_parent_that_is_not_there_is_created_and_taken() -> None:
    assert asked(INITIAL) == (*MAKING, TAKE)
    assert asked(INITIAL, then=(LATER,)) == (*MAKING, TAKE, LATER)
    with pytest.raises(RunNotFoundError, match="no run 'p'"):
        asked(INITIAL, create=())


def test_a_parent_without_an_owner_is_taken() -> None:
    assert asked(state()) == (*MAKING, TAKE)
    assert asked(state(take("ann"), give_up("ann"))) == (*MAKING, TAKE)
    assert asked(state(), then=(LATER,)) == (*MAKING, TAKE, LATER)


def test_a_parent_whose_owner_is_gone_is_taken() -> None:
    assert asked(state(take("bob"))) == (*MAKING, TAKE)


def test_a_parent_that_was_ours_before_a_halt_is_taken_again() -> None:
    assert asked(state(take("me"))) == (*MAKING, TAKE)


def test_a_parent_that_we_work_on_already_is_not_taken_again() -> None:
    assert asked(state(take("me")), working=True, then=(LATER,)) == (*MAKING, LATER)


def test_a_parent_of_a_living_owner_is_refused_followed_or_taken_by_force() -> None:
    owned = state(take("ann"))
    with pytest.raises(RunOwnedError, match="worked on by ann"):
        asked(owned)
    assert asked(owned, attach=True, then=(LATER,)) == (*MAKING, LATER)
    assert asked(owned, take_over=True) == (*MAKING, TAKE)


def test_a_settled_parent_belongs_to_nobody_any_more() -> None:
    over = state(take("ann"), start("a"), start("b"), finish("a"), finish("b"))
    assert over.settled
    assert asked(over, then=(LATER,)) == (*MAKING, LATER)


def test_open_children_of_unknown_tasks_keep_a_parent_from_being_taken() -> None:
    with pytest.raises(UnknownTaskError, match="'other'; import"):
        asked(state(), known=("work",))
    with pytest.raises(UnknownTaskError, match="'other', 'work'; import"):
        asked(state(), known=())
    many = decide_all(INITIAL, (create(), prepare(*(spec(name, task=name) for name in "hbgdface"))))[1]
    with pytest.raises(UnknownTaskError, match="'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'; import"):
        asked(many)
    assert asked(state(), known=(), then=(LATER,)) == (*MAKING, TAKE, LATER), "to cancel it needs no tasks"
    one_over = state(start("b"), finish("b"))
    assert asked(one_over, known=("work",)) == (*MAKING, TAKE), "a child that is over needs its task no more"


def test_who_redrives_a_settled_parent_takes_it_and_needs_the_tasks_of_all_that_may_run_again() -> None:
    over = state(take("ann"), start("a"), start("b"), finish("a"), finish("b", "failed"))
    again = redrive()
    assert over.settled
    assert asked(over, then=(again,)) == (*MAKING, TAKE, again)
    assert asked(over, known=("other",), then=(again,)) == (*MAKING, TAKE, again), "a has succeeded"
    with pytest.raises(UnknownTaskError, match=r"run 'p' needs tasks .* 'other'; import"):
        asked(over, known=("work",), then=(again,))


def test_a_child_that_has_failed_needs_its_task_no_more_where_it_is_not_redriven() -> None:
    commands = (create(ANY), prepare("a", spec("b", task="other")), release(), close(), start("b"))
    _, open_still = decide_all(INITIAL, (*commands, finish("b", "failed")))
    assert asked(open_still, known=("work",)) == (*MAKING, TAKE)


@pytest.mark.parametrize(
    ("then", "wanted"),
    [((), True), ((cancel(),), False), ((redrive(),), True), ((resume(),), True), ((resume(), cancel()), True)],
)
def test_a_claim_wants_work_unless_it_only_wants_something_decided(then: tuple[Command, ...], *, wanted: bool) -> None:
    assert wants_work(Claim((), attach=True, reply=Future(), then=then)) is wanted


def test_only_what_changes_nothing_but_a_parent_that_is_there_is_refused_without_one() -> None:
    with pytest.raises(RunNotFoundError, match="no run 'p'"):
        asked_commands(Request((cancel(),)), "p", INITIAL)
    for commands in ((*MAKING, cancel()), MAKING, ()):
        assert asked_commands(Request(commands), "p", INITIAL) == commands
    assert asked_commands(Request((cancel(),)), "p", state()) == (cancel(),)


def test_a_parent_is_abandoned_where_nobody_lives_who_works_on_it_and_there_is_work() -> None:
    assert abandoned(state(), around())
    assert abandoned(state(take("bob")), around())
    assert abandoned(state(take("ann"), give_up("ann")), around())
    assert not abandoned(state(take("ann")), around())
    assert not abandoned(state(take("me")), around())
    over = state(take("bob"), start("a"), start("b"), finish("a"), finish("b"))
    assert over.settled
    assert not abandoned(over, around())
    assert not abandoned(INITIAL, around()), "nor is one that was never there"
